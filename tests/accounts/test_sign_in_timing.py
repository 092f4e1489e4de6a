"""How long a refusal takes tells nobody which accounts there are.

Processor time and not the clock on the wall, so that other work on the machine does not count; medians of one run
compared with each other, so that a slow machine does not count either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from apps.access import acts
from apps.access.sign_in import authenticate
from apps.core.errors import NotAllowed
from tests.cast import PASSWORD

TRIES = 5
FURTHEST = 1.5  # a hash left out makes it ten times as fast; the queries around it differ by a few per cent


def cost(username: str, network: int) -> Callable[[int], float]:
    """Processor seconds of one wrong attempt, each from an address of its own: no lock plays a part."""

    def one(attempt: int) -> float:
        begun = process_time()
        with pytest.raises(NotAllowed) as caught:
            authenticate(username, "not the password at all", address=f"203.0.{network}.{attempt}")
        taken = process_time() - begun
        assert caught.value.rule == "sign-in"
        return taken

    return one


class Hasher(PBKDF2PasswordHasher):
    """The algorithm of production with fewer rounds: still many times what the queries around it take."""

    iterations = 200_000


def medians(usernames: Sequence[str], first_network: int) -> dict[str, float]:
    """In turn, so that a change of the machine's pace falls on all of them."""
    kinds = {name: cost(name, network) for network, name in enumerate(usernames, start=first_network)}
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for attempt in range(1, TRIES + 1):
        for name, one in kinds.items():
            taken[name].append(one(attempt))
    return {name: median(each) for name, each in taken.items()}


def apart(found: dict[str, float]) -> float:
    return max(found.values()) / min(found.values())


@pytest.mark.django_db
def test_no_kind_of_account_is_refused_faster_than_another(world, settings, monkeypatch):
    settings.PASSWORD_HASHERS = [f"{__name__}.Hasher"]
    for person in (world.author, world.stranger):
        acts.set_password(person, person.pk, password=f"{PASSWORD} anew")
    acts.deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    acts.create_account(
        world.administrator, username="not_enrolled", printed_name="Not Enrolled", email="n@example.org"
    )
    found = medians(["author", "nobody_of_this_name", "stranger", "not_enrolled"], 1)
    assert apart(found) < FURTHEST, found
    monkeypatch.setattr("apps.access.sign_in.make_password", lambda _password: None)
    left_out = medians(["author", "nobody_of_this_name"], 11)
    assert apart(left_out) > FURTHEST, "a hash left out is seen by this measure"
