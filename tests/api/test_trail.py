"""The trail through the API: exact sets, cursors, proofs, exports that are entered themselves."""

from __future__ import annotations

import json

import pytest
from rest_framework.test import APIClient

from apps.access import gate
from apps.access.acts import request_assignment
from apps.core.errors import NotAllowed
from apps.trail import sealer
from apps.trail.models import Entry
from tests.cast import give

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def api(world):
    def enter(person: str) -> APIClient:
        client = APIClient()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


def seen(person) -> set[int]:
    return set(gate.visible(person, Entry).exclude(kind="row").values_list("pk", flat=True))


def walk(client, **query) -> list[int]:
    """Every id, following the cursor."""
    found, url = [], "/api/v1/trail"
    while url:
        answer = client.get(url, query)
        assert answer.status_code == 200, answer.content
        found += [row["id"] for row in answer.json()["results"]]
        url, query = answer.json()["next"], {}
    return found


def test_the_cursor_leads_through_exactly_what_one_may_see(api, world):
    for person in ("bias_tester", "curator", "administrator", "inspector", "stranger"):
        before = seen(world.people[person])  # what an inspector looks at becomes an entry itself
        assert walk(api(person), page_size=7) == sorted(before, reverse=True)
    assert APIClient().get("/api/v1/trail").status_code == 401


def test_entries_written_meanwhile_shift_nothing(api, world):
    client = api("bias_tester")
    first = client.get("/api/v1/trail", {"page_size": 5}).json()
    before = walk(client)
    give(world, "stranger", "monitor", world.model)
    rest = client.get(first["next"]).json()["results"]
    assert [row["id"] for row in rest] == before[5:10]


def test_filters(api, world):
    with pytest.raises(NotAllowed):
        request_assignment(
            world.author,
            person_id=world.stranger.pk,
            duty="monitor",
            scope_kind="registry.model",
            scope_id=world.model.pk,
            reason="Help",
        )
    client, mine = api("bias_tester"), gate.visible(world.bias_tester, Entry)

    def ids(**where):
        return set(mine.filter(**where).values_list("pk", flat=True))

    assert set(walk(client, who="@owner")) == ids(actor_uuid=str(world.owner.uuid))
    assert set(walk(client, kind="refusal")) == ids(kind="refusal")
    assert len(ids(kind="refusal")) == 1
    assert set(walk(client, act="access.approve_assignment")) == ids(act="access.approve_assignment")
    assert set(walk(client, scope="lotx")) == ids(scope=world.model.scope)
    assert walk(client, scope="visc") == []
    assert walk(client, record="visc") == []
    assert walk(client, until="2020-01-01T00:00:00Z") == []
    assert set(walk(client, since="2020-01-01T00:00:00Z")) == ids()
    for bad in ({"kind": "row"}, {"act": "world.conquer"}, {"since": "yesterday"}, {"colour": "red"}):
        answer = client.get("/api/v1/trail", bad)
        assert answer.status_code == 422
        assert set(answer.json()["fields"]) == set(bad)


def test_one_entry_brings_its_changes_and_its_proof(api, world):
    given = give(world, "stranger", "monitor", world.model)
    entry = Entry.objects.get(kind="act", act="access.approve_assignment", subject_id=str(given.pk))
    url = f"/api/v1/trail/{entry.pk}"
    client = api("bias_tester")
    assert client.get(url).json()["receipt"] is None
    sealer.seal()
    told = client.get(url).json()
    changes = {
        c["field"]: (c["before"], c["after"])
        for row in told["written"]
        if row["table"] == "access_historicalassignment"
        for c in row["changes"]
    }
    assert changes["state"] == ("requested", "approved")
    assert told["receipt"]["body"].endswith(entry.body)
    assert told["receipt"]["checkpoint"]
    assert api("other_developer").get(url).status_code == 404
    row = Entry.objects.filter(kind="row", act_id=entry.act_id).first()
    assert api("inspector").get(f"/api/v1/trail/{row.pk}").status_code == 404


def test_an_export_is_entered_before_it_leaves(api, world):
    client = api("bias_tester")
    wanted = sorted(
        gate.visible(world.bias_tester, Entry).filter(scope=world.model.scope).values_list("pk", flat=True)
    )
    answer = client.post("/api/v1/trail/export", {"scope": "lotx"})
    entry = Entry.objects.get(act="trail.export", kind="act")
    facts = json.loads(entry.body)["facts"]
    assert (facts["count"], facts["filter"], facts["form"]) == (len(wanted), {"scope": "lotx"}, "JSON Lines")
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [line["id"] for line in lines] == wanted
    assert all(line["rows"] for line in lines)
    assert client.post("/api/v1/trail/export", {"scope": "lotx", "all": True}).status_code == 422
    assert client.post("/api/v1/trail/export", {"scope": "visc"}).status_code == 200
    assert Entry.objects.filter(act="trail.export", kind="act").count() == 2


def test_the_list_asks_as_often_for_many_as_for_few(api, world, django_assert_num_queries):
    client = api("bias_tester")
    client.get("/api/v1/trail")
    for size in (1, 3, 50):
        with django_assert_num_queries(4):
            client.get("/api/v1/trail", {"page_size": size})
