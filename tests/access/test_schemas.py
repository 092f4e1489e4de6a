"""A second schema of a content: what was signed under the first still verifies, and covers nothing it did not say."""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter

import pytest
from django.urls import reverse

from apps.access import signing
from apps.access.signing import SignatureInput, content_digest, has_valid, standings
from apps.core import registries
from apps.core.digests import digest
from apps.core.errors import Conflict
from apps.packs.gather.gate import _standing
from apps.registry.acts import sign_intended_use_expert, sign_intended_use_owner, write_intended_use
from apps.registry.content import intended_use_content
from apps.trail import verifier
from apps.trail.models import Signature
from apps.web.binding import Bonds
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
KIND = "registry.intended_use"


@pytest.fixture
def lifetimes() -> dict[int, str]:
    """What the later release keeps of each intended use; as a migration leaves a new column, nothing at first."""
    return {}


@pytest.fixture
def second_schema(monkeypatch, lifetimes):
    """From the call on, the release that says how long a use is stated for, and keeps a reader of the first schema."""

    def second(use) -> dict:
        said = {**intended_use_content(use), "schema": f"{KIND}/2"}
        return said | {"stated_for": lifetimes.get(use.pk, "")}

    def first(use) -> dict | None:
        return None if lifetimes.get(use.pk) else intended_use_content(use)

    def come(*, reader: bool = True) -> None:
        monkeypatch.setitem(registries.content._functions, KIND, second)
        if reader:
            monkeypatch.setitem(registries.earlier_content._functions, f"{KIND}/1", first)

    return come


@pytest.fixture
def use(world):
    """Signed by the expert under the first schema; the owner has not signed yet."""
    made = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    sign_intended_use_expert(
        world.process_expert, made.pk, signature=SignatureInput(content_digest(made), PASSWORD)
    )
    return made


def told(world, use) -> list[str]:
    rows = list(Signature.objects.filter(subject_kind=KIND))
    assert [_standing(row, "use", {})["valid"] for row in rows] == [each.valid for each in standings(use)]
    return [Bonds(lambda: rows).of(row).word for row in rows]


def test_an_old_digest_recomputes_under_the_schema_of_then(world, use, second_schema):
    [old] = Signature.objects.filter(subject_kind=KIND)
    first = digest(signing.content_of(use))
    second_schema()
    assert content_digest(use) != first == old.content_digest
    assert told(world, use) == ["bound"]
    assert has_valid(use, "responsibility")
    assert (
        _standing(old, "use", {})["content"]["schema"] == f"{KIND}/1"
    )  # what the pack's verifier recomputes
    assert _standing(old, "use", {})["recomputed_digest"] == first
    page = text_of(browser(world.owner).get(reverse("web:signature", args=[old.uuid])))
    assert "out of date" not in page.lower()
    assert verifier.verify().findings == []

    # What is signed now is signed under the new schema; what was shown under the old one is shown anew.
    with pytest.raises(Conflict, match="changed since"):
        sign_intended_use_owner(world.owner, use.pk, signature=SignatureInput(first, PASSWORD))
    now = SignatureInput(content_digest(use), PASSWORD)
    sign_intended_use_owner(world.owner, use.pk, signature=now)
    assert [each.content_digest for each in Signature.objects.filter(subject_kind=KIND)] == [
        first,
        now.digest,
    ]
    assert told(world, use) == ["bound", "bound"]


def test_it_covers_nothing_that_its_schema_could_not_say(world, use, second_schema, lifetimes):
    second_schema()
    assert told(world, use) == ["bound"]
    lifetimes[use.pk] = "two years"
    assert told(world, use) == ["out of date"]
    assert not has_valid(use, "responsibility")


def test_what_the_first_schema_says_still_has_to_be_as_it_was(use, second_schema):
    second_schema()
    use.purpose = "Something else"
    assert [each.valid for each in standings(use)] == [False]


def test_a_new_schema_without_the_reader_of_the_one_before_is_an_error(use, second_schema):
    second_schema(reader=False)
    with pytest.raises(LookupError, match=r"registry\.intended_use/1"):
        standings(use)


def test_every_content_has_readers_of_all_schemas_before():
    """Kinds of today begin at 1 and lose none on the way: the newest number is read from the function itself."""
    for kind in registries.content:
        [newest] = re.findall(rf'"{kind}/(\d+)"', inspect.getsource(registries.content[kind]))
        assert [n for n in range(1, int(newest)) if f"{kind}/{n}" not in registries.earlier_content] == [], (
            kind
        )


def test_the_ways_to_tell_a_record_stay_few():
    """Every one of them is tried for a signature that no longer matches, and kinds multiply."""
    kinds = Counter(name.rpartition("/")[0] for name in registries.earlier_content)
    assert math.prod(number + 1 for number in kinds.values()) <= 64
