"""The audit trail in the browser: who sees which entries, filters, the entry's page, exports, signatures."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.access import gate
from apps.access.acts import create_token, end_assignment, request_assignment
from apps.access.models import Assignment
from apps.core.clock import now
from apps.core.errors import NotAllowed, NotVisible
from apps.trail import destinations, queries, sealer, witness
from apps.trail.chain import chain_state
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Entry, Leaf, Pending, Signature
from tests.cast import give
from tests.factories.foundation import signed_use

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def signed_in(world):
    def enter(person: str) -> Client:
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


def page_of(response) -> str:
    return response.content.decode()


def body_of(response) -> bytes:
    return b"".join(response.streaming_content)


def seen(person) -> set[int]:
    return set(gate.visible(person, Entry).values_list("pk", flat=True))


def ids(**where) -> set[int]:
    return set(Entry.objects.exclude(kind="row").filter(**where).values_list("pk", flat=True))


def listed(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'<th scope="row">.*?<a href="/audit/(\d+)/">', html)]


def request_monitor(world, by, parent):
    return request_assignment(
        by,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Help",
    )


# ---------------------------------------------------------------- who sees what


def test_each_person_sees_exactly_their_entries(world):
    uuid = str(world.bias_tester.uuid)
    about = ids(subject_kind="accounts.user", subject_id=str(world.bias_tester.pk))
    assert seen(world.bias_tester) == ids(scope=world.model.scope) | ids(actor_uuid=uuid) | about
    assert seen(world.curator) == ids(scope=world.dataset.scope) | ids(
        actor_uuid=str(world.curator.uuid)
    ) | ids(subject_kind="accounts.user", subject_id=str(world.curator.pk))
    assert seen(world.administrator) == ids(scope="organisation:0") | ids(
        actor_uuid=str(world.administrator.uuid)
    )
    everything = set(Entry.objects.values_list("pk", flat=True))
    for person in (world.compliance, world.inspector, world.registrar):
        assert seen(person) == everything


def test_ones_own_refusal_does_not_tell_that_a_hidden_record_exists(world):
    asked = request_monitor(world, world.registrar, world.other_model)
    with pytest.raises(NotVisible):
        end_assignment(world.author, asked.pk, reason="Try")
    hidden = Entry.objects.filter(kind="refusal", act="access.end_assignment").latest("id")
    assert hidden.actor_uuid == str(world.author.uuid)
    assert hidden.pk not in seen(world.author)
    assert hidden.pk in seen(world.other_owner)
    with pytest.raises(NotAllowed):
        request_monitor(world, world.author, world.model)
    told = Entry.objects.filter(kind="refusal").latest("id")
    assert told.pk in seen(world.author)


def test_the_list_shows_the_same_set_page_by_page(signed_in, world):
    client = signed_in("curator")
    html = page_of(client.get(reverse("web:audit")))
    assert set(listed(html)) == seen(world.curator)
    assert listed(html) == sorted(seen(world.curator), reverse=True)


# ---------------------------------------------------------------- filters


def test_filters_narrow_to_exact_sets(signed_in, world):
    asked = request_monitor(world, world.owner, world.model)
    with pytest.raises(NotAllowed):
        request_monitor(world, world.author, world.model)
    client = signed_in("author")

    def shown(**query):
        answer = client.get(reverse("web:audit"), query)
        assert answer.status_code == 200
        return set(listed(page_of(answer)))

    mine = seen(world.author)
    assert shown(record=asked.ref) == ids(subject_kind="access.assignment", subject_id=str(asked.pk)) & mine
    assert shown(record="lotx") == ids(scope=world.model.scope) & mine
    assert shown(record="visc") == set()
    assert shown(who="@owner") == ids(actor_uuid=str(world.owner.uuid)) & mine
    assert shown(act="access.approve_assignment") == ids(act="access.approve_assignment") & mine
    assert shown(kind="refusal") == ids(kind="refusal", actor_uuid=str(world.author.uuid)) & mine
    assert shown(scope="lotx") == ids(scope=world.model.scope)
    assert shown(scope="organisation") == ids(scope="organisation:0") & mine
    assert shown(to="2020-01-01") == set()
    today = f"{Entry.objects.latest('id').at:%Y-%m-%d}"
    assert shown(**{"from": today, "to": today, "who": "@owner"}) == shown(who="@owner")
    assert client.get(reverse("web:audit"), {"from": "yesterday"}).status_code == 422
    assert client.get(reverse("web:audit"), {"kind": "rows"}).status_code == 422


def test_a_refusal_shows_fact_and_rule_in_the_list(signed_in, world):
    with pytest.raises(NotAllowed):
        request_monitor(world, world.author, world.model)
    html = page_of(signed_in("owner").get(reverse("web:audit"), {"kind": "refusal"}))
    assert "was refused: Request a duty" in html
    assert "you do not hold it. Rule: each act is for those who hold its duty on this record." in html


def test_the_list_asks_the_database_as_often_for_many_as_for_few(signed_in, world, django_assert_num_queries):
    client = signed_in("author")
    client.get(reverse("web:audit"))
    for query in ({"act": "registry.register_model"}, {"who": "@owner"}, {}):
        with django_assert_num_queries(12 + ("who" in query)):
            client.get(reverse("web:audit"), query)


# ---------------------------------------------------------------- one entry


def test_an_entry_shows_what_changed_and_that_it_is_in_the_log(signed_in, world):
    given = give(world, "stranger", "monitor", world.model)
    approval = Entry.objects.filter(
        kind="act", subject_id=str(given.pk), act="access.approve_assignment"
    ).get()
    url = reverse("web:entry", args=[approval.pk])
    client = signed_in("author")
    assert "Not sealed yet" in page_of(client.get(url))
    sealer.seal()
    html = page_of(client.get(url))
    assert "Proved now against the newest signed checkpoint." in html
    assert re.search(r"state</th><td><del>requested</del></td><td><ins>approved</ins>", html)
    row = Entry.objects.filter(kind="row", act_id=approval.act_id).first()
    assert client.get(reverse("web:entry", args=[row.pk])).url == url
    assert signed_in("other_developer").get(url).status_code == 404
    assert signed_in("other_developer").get(reverse("web:entry", args=[row.pk])).status_code == 404
    assert client.get(reverse("web:entry", args=[10**9])).status_code == 404


def test_an_entry_tells_duties_and_place_in_words(signed_in, world):
    entry = Entry.objects.filter(
        kind="act", scope=world.model.scope, actor_uuid=str(world.owner.uuid)
    ).first()
    shown = page_of(signed_in("owner").get(reverse("web:entry", args=[entry.pk])))
    told = " ".join(re.sub(r"<[^>]+>", " ", shown).split())
    assert f"Belongs to {world.model.name} {world.model.scope}" in told
    held = told.partition("With the duties ")[2].partition(" Kind ")[0]
    assert f"of {world.model.name}" in held
    assert "registry.model:" not in held


def test_the_first_row_of_a_record_has_no_before(world):
    asked = request_monitor(world, world.owner, world.model)
    entry = Entry.objects.filter(kind="act", subject_id=str(asked.pk), act="access.request_assignment").get()
    (written,) = queries.written_by(entry)
    told = {c.field: (c.before, c.after) for c in written.changes}
    assert written.done == "created"
    assert told["state"] == (None, "requested")
    assert told["reason"] == (None, "Help")
    assert not {"mac", "act_id", "history_id", "id"} & set(told)


def test_neither_page_nor_export_tells_the_hash_of_a_token(signed_in, world):
    token = create_token(world.author, name="ci")
    entry = Entry.objects.filter(act="access.create_token", kind="act").latest("id")
    client = signed_in("author")
    assert token.hashed not in page_of(client.get(reverse("web:entry", args=[entry.pk])))
    exported = body_of(client.get(reverse("web:audit"), {"format": "jsonl", "act": "access.create_token"}))
    assert b'"prefix"' in exported
    assert token.hashed.encode() not in exported


def test_a_changed_entry_is_not_called_proved(world):
    sealer.seal()
    entry = Entry.objects.filter(kind="act").latest("id")
    assert queries.place_of(entry).proved
    entry.body = entry.body.replace('"via":"', '"via":"x')
    place = queries.place_of(entry)
    assert not place.proved
    assert place.leaf_hash == Leaf.objects.get(entry_id=entry.pk).hash
    assert "not as it was" in place.fault


# ---------------------------------------------------------------- exports


def test_the_csv_holds_all_filtered_rows_and_is_itself_entered(signed_in, world):
    client = signed_in("author")
    before = ids(scope=world.model.scope)
    answer = client.get(reverse("web:audit"), {"scope": "lotx", "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(body_of(answer).decode())))
    assert {int(row["Entry"]) for row in rows} == before
    entry = Entry.objects.filter(act="trail.export", kind="act").get()
    facts = json.loads(entry.body)["facts"]
    assert entry.actor_uuid == str(world.author.uuid)
    assert facts["count"] == len(before)
    assert facts["form"] == "CSV"
    assert list(facts["filter"].values()) == ["lotx"]


def test_json_lines_bring_the_rows_each_act_wrote(signed_in, world):
    client = signed_in("author")
    query = {"act": "access.approve_assignment", "format": "jsonl"}
    lines = [json.loads(line) for line in body_of(client.get(reverse("web:audit"), query)).splitlines()]
    wanted = ids(act="access.approve_assignment") & seen(world.author)
    assert [line["id"] for line in lines] == sorted(wanted)
    assert all({"access_historicalassignment"} <= {row["table"] for row in line["rows"]} for line in lines)
    assert Entry.objects.filter(act="trail.export", kind="act").count() == 1
    bad = client.get(reverse("web:audit"), {"kind": "nonsense", "format": "jsonl"})
    assert bad.status_code == 422
    assert Entry.objects.filter(act="trail.export", kind="act").count() == 1


@pytest.mark.parametrize(
    ("wanted", "name"), [("csv.zip", "audit-trail.csv"), ("jsonl.zip", "audit-trail.jsonl")]
)
def test_an_export_brings_its_side_file_and_both_bear_the_number_that_the_trail_has(
    signed_in, world, wanted, name
):
    answer = signed_in("author").get(reverse("web:audit"), {"scope": "lotx", "format": wanted})
    archive = zipfile.ZipFile(io.BytesIO(body_of(answer)))
    assert archive.testzip() is None
    assert archive.namelist() == [name, f"{name}.meta.json"]
    about = json.loads(archive.read(f"{name}.meta.json"))
    assert about["sha256"] == hashlib.sha256(archive.read(name)).hexdigest()
    assert about["bytes"] == len(archive.read(name))
    facts = json.loads(Entry.objects.get(act="trail.export", kind="act").body)["facts"]
    assert facts["export"] == about["export"]
    assert about["export"] in answer.headers["Content-Disposition"]
    assert facts["count"] == about["count"] == len(archive.read(name).splitlines()) - (wanted == "csv.zip")
    assert list(about["filter"].values()) == ["lotx"]
    assert about["made_by"]["username"] == "author"
    assert about["made_at"].endswith("Z")


def test_a_bad_filter_exports_nothing(signed_in):
    answer = signed_in("author").get(reverse("web:audit"), {"duty": "king", "format": "csv.zip"})
    assert answer.status_code == 422
    assert not Entry.objects.filter(act="trail.export").exists()


def test_entries_are_found_by_the_duty_held_when_acting(signed_in, world):
    wanted = {
        row.pk
        for row in Entry.objects.filter(kind__in=["act", "refusal"])
        if any(d.startswith("registrar on ") for d in json.loads(row.body).get("actor", {}).get("duties", []))
    }
    assert wanted
    compliance = signed_in("compliance")
    rows = body_of(compliance.get(reverse("web:audit"), {"duty": "registrar", "format": "csv"})).decode()
    assert {int(row["Entry"]) for row in csv.DictReader(io.StringIO(rows))} == wanted & seen(world.compliance)


def test_a_reason_cannot_pass_for_a_duty(world):
    """The search looks into the body; a quote in a person's words is escaped there."""
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind=world.model.subject_kind,
        scope_id=world.model.pk,
        reason='["security on registry.model:1","security on registry.model:2"]',
    )
    entry = Entry.objects.get(kind="act", subject_kind="access.assignment", subject_id=str(asked.pk))
    assert entry.pk not in set(queries.by_duty(Entry.objects.all(), "security").values_list("pk", flat=True))
    assert entry.pk in set(queries.by_duty(Entry.objects.all(), "registrar").values_list("pk", flat=True))


def test_rows_are_listed_for_who_sees_their_act(signed_in, world):
    html = page_of(signed_in("author").get(reverse("web:audit"), {"kind": "row"}))
    acts = set(Entry.objects.filter(pk__in=seen(world.author), kind="act").values_list("act_id", flat=True))
    allowed = set(Entry.objects.filter(kind="row", act_id__in=acts).values_list("pk", flat=True))
    shown = set(listed(html))
    assert shown
    assert shown <= allowed
    assert len(shown) == min(50, len(allowed))
    behind = Entry.objects.filter(pk__in=seen(world.stranger), kind="act").values("act_id")
    own = Entry.objects.filter(kind="row", act_id__in=behind).order_by("-id").values_list("pk", flat=True)
    assert listed(page_of(signed_in("stranger").get(reverse("web:audit"), {"kind": "row"}))) == list(own[:50])


@pytest.mark.parametrize("order", ["number", "-at", "who", "what", "record", "kind"])
def test_every_order_asks_the_same_number_of_queries(signed_in, world, order):
    client = signed_in("inspector")
    url = reverse("web:audit")
    client.get(url, {"o": order, "record": "@stranger"})
    with CaptureQueriesContext(connection) as few:
        client.get(url, {"o": order, "record": "@stranger"})
    with CaptureQueriesContext(connection) as many:
        client.get(url, {"o": order})
    assert len(many) <= len(few) + 1  # the record that is looked up is not looked up


def test_the_state_of_the_log_is_shown(signed_in, world, monkeypatch, tmp_path):
    monkeypatch.setattr(witness, "path", lambda origin: tmp_path / origin / "checkpoints.jsonl")
    sealer.seal()
    witness.catch_up(keys().origin)
    html = page_of(signed_in("inspector").get(reverse("web:audit")))
    newest = Checkpoint.objects.latest("size")
    assert f"{newest.size} entries are sealed" in html
    assert "Witness copy beside the keys" in html
    assert "None is entered yet" in html
    state = chain_state()
    assert (state.size, state.root, state.waiting) == (newest.size, newest.root, Pending.objects.count())
    assert [(word.size, word.agrees) for word in state.words] == [(newest.size, True)]
    copy = tmp_path / keys().origin / "checkpoints.jsonl"
    copy.write_text(copy.read_text().replace(newest.root, "0" * 64))
    assert [word.agrees for word in chain_state().words] == [False]
    assert "not a state of this log" in page_of(signed_in("inspector").get(reverse("web:audit")))


def test_who_sees_everything_is_told_how_far_the_log_stores_are(signed_in, world, settings):
    sealer.seal()
    settings.TRAIL_STREAMS = ["otlp+http://127.0.0.1:9"]
    (place,) = destinations.configured()
    long_ago = now() - timedelta(hours=5)
    destinations.Destination.objects.create(
        kind=place.kind,
        name=place.name,
        position=7,
        known_since=long_ago,
        done_at=long_ago,
        failures=3,
        error="refused <b>",
    )
    html = page_of(signed_in("inspector").get(reverse("web:audit")))
    assert "Told outside" in html
    assert re.search(r"failing since .*, 3 tries: refused &lt;b&gt;", html)
    assert f'<td class="num">6</td><td class="num">{Checkpoint.objects.latest("size").size - 7}</td>' in html
    assert "Told outside" not in page_of(signed_in("author").get(reverse("web:audit")))


# ---------------------------------------------------------------- signatures


def test_signatures_are_listed_for_who_sees_the_record(signed_in, world):
    use = signed_use(world)
    expected = set(Signature.objects.values_list("uuid", flat=True))
    assert len(expected) == 2

    def listed_for(person, **query):
        html = page_of(signed_in(person).get(reverse("web:signatures"), query))
        return {UUID(found) for found in re.findall(r"/signatures/([0-9a-f-]{36})/", html)}

    assert listed_for("author") == expected
    assert listed_for("inspector") == expected
    assert listed_for("stranger") == set()
    assert listed_for("other_developer") == set()
    assert listed_for("administrator") == set()
    by_owner = set(Signature.objects.filter(signer=world.owner).values_list("uuid", flat=True))
    assert listed_for("author", signer="@owner") == by_owner
    assert listed_for("author", record=use.ref) == expected
    entry = Entry.objects.filter(act="registry.sign_intended_use_owner", kind="act").latest("id")
    html = page_of(signed_in("author").get(reverse("web:entry", args=[entry.pk])))
    assert "Signed with this act" in html
    assert "VALID" in html


def test_duty_ends_and_the_entries_are_gone(world):
    held = Assignment.objects.get(person=world.monitor, duty="monitor")
    assert ids(scope=world.model.scope) <= seen(world.monitor)
    end_assignment(world.owner, held.pk, reason="Done")
    assert not ids(scope=world.model.scope) & seen(world.monitor) - ids(actor_uuid=str(world.monitor.uuid))
