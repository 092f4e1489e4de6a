"""Every URL × method × who asks → status. A URL without its rows fails, and so does a row without a URL.

The rows stand in one file for each table of TABLES:

access_matrix.txt     people of the cast, by their session in the browser
access_relations.txt  people named for how they stand to the objects (`matrix_people.py`)
access_fragments.txt  pages as htmx asks for them, to put them into a page that is there
access_bearers.txt    the API by access token: their own, a service account's, that of a CI job, and what is none

Posts carry no body: what they answer tells who is let as far as the form's or the act's own questions (422, 409, 200,
302), and who is not (401, 302 to sign-in, 403, 404).

A new URL: give its parameters in `matrix_parameters.py`, run this file, READ the rows that the failure prints for each
table, and paste them: `python tests/house/matrix_paste.py < failure.txt` puts them into their files, in the place of
the old ones or at the end. `ONLY=pattern` in the environment asks for the URLs whose names it matches alone, with all
their cells.

A plain run asks a quarter of the cells: of every URL and method some persons, on SQLite others than on PostgreSQL, and
always the same. `CELLS=all` asks every cell; `make soak` does so, each afresh. Nothing that a cell does stays
(`matrix_door.py`).
"""

from __future__ import annotations

import logging
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from apps.accounts.models import ApiToken, TokenUse
from apps.core.clock import now
from apps.trail.models import Entry
from tests.evidence_base import base
from tests.house.matrix_door import Door, cookie_of, little_collecting, with_bearer, with_session
from tests.house.matrix_parameters import as_made
from tests.house.matrix_urls import ROUTES, Things, routes

pytestmark = pytest.mark.evidence("matrix")

HERE = Path(__file__).parent
PEOPLE = (
    "anonymous",
    "stranger",
    "author",
    "validator",
    "approver",
    "owner",
    "compliance",
    "inspector",
    "administrator",
    "other_developer",
)
RELATED = (
    "bias_tester",
    "process_expert",
    "security",
    "registrar",
    "steward",
    "conflicted",
    "expired",
    "ended",
)
# Fragments: nobody, who sees nothing, who works here, who no longer does.
ASKING = ("anonymous", "stranger", "owner", "ended")
BEARERS = ("token", "service", "ci_job", "job_itself", "ended_token")
QUARTER = {
    "sqlite": 0,
    "postgresql": 2,
}  # of the cells; the persons of a row are dealt out to the quarters in turn

Key = tuple[str, str, str]  # name of the URL, method, thing


@dataclass(frozen=True)
class Table:
    """One file. who: its columns. of: how the names of its URLs begin. headers: sent by every cell."""

    file: str
    who: tuple[str, ...]
    of: str = ""
    methods: tuple[str, ...] = ("GET", "POST")
    headers: dict[str, str] = field(default_factory=dict)

    def rows(self) -> dict[Key, tuple[int, ...]]:
        found: dict[Key, tuple[int, ...]] = {}
        for line in (HERE / self.file).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                name, method, thing, *statuses = line.split()
                assert (name, method, thing) not in found, f"{name} {method} {thing} twice in {self.file}"
                assert len(statuses) == len(self.who), f"{self.file}: {line}"
                found[name, method, thing] = tuple(int(status) for status in statuses)
        return found


TABLES = (
    Table("access_matrix.txt", PEOPLE),
    Table("access_relations.txt", RELATED),
    Table("access_fragments.txt", ASKING, of="web:", methods=("GET",), headers={"HTTP_HX_REQUEST": "true"}),
    Table("access_bearers.txt", BEARERS, of="api:"),
)


@pytest.fixture
def things(world, settings) -> Iterator[Things]:
    """One record of every kind, and the people of the matrix in the world."""
    settings.SESSION_IDLE_SECONDS = settings.FRESH_SIGN_IN_SECONDS = 86400  # a machine may be slow
    made: Things = base.made
    world.people = {name: world.people[name] for name in made.people}
    with as_made():
        yield made


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.file)
@pytest.mark.evidence(None)
def test_every_url_has_its_rows_and_every_row_its_url(table):
    rows = table.rows()
    wanted = {(name, method) for name in ROUTES if name.startswith(table.of) for method in table.methods}
    said = {(name, method) for name, method, _ in rows}
    assert not wanted - said, f"URLs without a row in {table.file}: {sorted(wanted - said)}"
    assert not said - wanted, f"rows without a URL in {table.file}: {sorted(said - wanted)}"
    first = {key for key in TABLES[0].rows() if key[:2] in wanted}
    assert set(rows) == first, "all tables speak of the same things"


@pytest.mark.evidence(None)
def test_the_matrix_is_as_large_as_it_should_be():
    assert sum(len(table.rows()) * len(table.who) for table in TABLES) >= 5000


@pytest.mark.long
@pytest.mark.django_db
@pytest.mark.parametrize("door", ["api", "web"])
def test_everybody_gets_what_the_matrix_says(world, things, door):
    compare(world, things, door)


@pytest.mark.soak
@pytest.mark.django_db
def test_everybody_gets_the_same_when_nothing_is_shared(world, things):
    compare(world, things, "")


def compare(world, things: Things, part: str) -> None:
    """Ask the cells of one door ("api", "web", the rest with "web"; "" for all) and compare with every table."""
    only = os.environ.get("ONLY", "")
    whole = not part or bool(only) or os.environ.get("CELLS") == "all"

    def wanted(name: str) -> bool:
        return re.search(only, name) is not None and (not part or (part == "api") == name.startswith("api:"))

    addresses = {(name, thing): address for name, thing, address in things.addresses() if wanted(name)}
    door, asking = Door(shared=bool(part)), headers_of(world, things)
    told, cells, began = [], 0, time.perf_counter()
    logging.disable(logging.WARNING)  # each refusal would be a line
    try:
        with little_collecting():
            for table in TABLES:
                found = asked(table, door, asking, addresses, None if whole else QUARTER[connection.vendor])
                told += difference(table, found, wanted)
                cells += sum(len(statuses) for statuses in found.values())
    finally:
        logging.disable(logging.NOTSET)
    print(f"{cells} cells of the access matrix in {time.perf_counter() - began:.0f} s")
    assert not told, "\n".join(told)


def headers_of(world, things: Things) -> dict[str, dict[str, str]]:
    """Whoever asks -> the headers that say so."""
    for token in ApiToken.objects.all():  # used a while ahead, as its sessions: no cell has to note it
        TokenUse.objects.update_or_create(token=token, defaults={"last_used_at": now() + timedelta(hours=12)})
    people = {who for table in TABLES for who in table.who} - {"anonymous", *things.secrets}
    by_session = {name: with_session(cookie_of(world.people[name])) for name in sorted(people)}
    return {"anonymous": {}} | by_session | {name: with_bearer(key) for name, key in things.secrets.items()}


def asked(
    table: Table, door: Door, asking: dict, addresses: dict, quarter: int | None
) -> dict[Key, dict[str, int]]:
    """Every cell of this table, or those of one quarter, in the order of the URLs; what only reads is asked first."""
    found: dict[Key, dict[str, int]] = {}
    for method in table.methods:
        for (name, thing), address in addresses.items():
            if name.startswith(table.of):
                first = zlib.crc32(f"{name} {method} {thing}".encode())
                found[name, method, thing] = {
                    who: door.status(asking[who] | table.headers, method, address)
                    for index, who in enumerate(table.who)
                    if quarter is None or (first + index) % 4 == quarter
                }
    return found


def difference(table: Table, found: dict[Key, dict[str, int]], wanted) -> list[str]:
    """What a failure prints of one table: its rows as they are now, where they are not as they were reviewed."""
    rows = table.rows()
    unasked = {key for key in rows if wanted(key[0])} - set(found)
    assert not unasked, f"{table.file}: rows nobody asked for: {sorted(unasked)}"
    places = {
        key: index for index, key in enumerate(dict.fromkeys((name, thing) for name, _, thing in found))
    }
    lines = []
    for key, answered in sorted(found.items(), key=lambda each: (places[each[0][0], each[0][2]], each[0][1])):
        said = dict(zip(table.who, rows.get(key, ()), strict=False))
        if answered.items() - said.items():
            left = [each for each in table.who if each not in answered and each not in said]
            assert not left, f"{table.file}: {' '.join(key)} has no row; CELLS=all asks all it needs"
            lines.append(" ".join(map(str, (*key, *(said | answered).values()))))
    return [f"{table.file}, as it is now:", *lines] if lines else []


@pytest.mark.long
@pytest.mark.django_db
def test_no_url_changes_anything_without_the_csrf_token(world, things):
    """Every POST of a browser session without the token is refused before any act is asked: nothing is recorded."""
    cookie = cookie_of(world.owner)
    before = Entry.objects.count()
    client = Client(enforce_csrf_checks=True)
    for name, thing, address in things.addresses():
        if name == "api:ci_token":
            continue  # it knows no session: what a browser brings along by itself says nothing there
        client.cookies.clear()
        client.cookies[settings.SESSION_COOKIE_NAME] = cookie
        answer = client.post(address)
        assert answer.status_code == 403, (
            f"{name} {thing} answered {answer.status_code} without the CSRF token"
        )
    assert Entry.objects.count() == before


__all__ = ["ROUTES", "routes", "things"]
