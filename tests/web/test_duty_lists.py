"""Registers of duties and of training matrices: filtered, sorted, paged, taken away, as of a moment."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.urls import reverse

from apps.access.acts import end_assignment, refuse_assignment, request_assignment
from apps.access.models import Assignment
from apps.core.clock import now
from apps.core.digests import digest
from apps.trail.models import Entry
from apps.web.views import duties
from tests.access.test_training import adopt
from tests.cast import give
from tests.factories.doors import browser, session_api, text_of

pytestmark = pytest.mark.django_db
GIVEN, PAST, VERSIONS = "/assignments/", "/assignments/past/", "/training/versions/"


def lines(client, address: str, **asked) -> list[dict[str, str]]:
    taken = client.get(address, {"format": "csv", **asked})
    assert taken.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(taken.streaming_content).decode())))


def three_over(world) -> dict[str, Assignment]:
    """One that was ended, one that was refused, one whose time ran out; all of the stranger on lotx."""
    ended = give(world, "stranger", "monitor", world.model)
    end_assignment(world.owner, ended.pk, reason="Another team watches")
    asked = {"scope_kind": "registry.model", "scope_id": world.model.pk, "person_id": world.stranger.pk}
    refused = request_assignment(world.registrar, duty="deployer", reason="To deploy", **asked)
    refuse_assignment(world.owner, refused.pk, reason="Nobody knows them yet")
    out = request_assignment(
        world.registrar, duty="monitor", reason="For a day", ends_at=now() + timedelta(hours=1), **asked
    )
    Assignment.objects.filter(pk=out.pk).update(starts_at=now() - timedelta(days=1), ends_at=now())
    return {"ended": ended, "refused": refused, "expired": out}


def test_given_duties_are_filtered_sorted_and_taken_away(world):
    client = browser(world.compliance)
    everything = {(row["Person"], row["Duty"], row["On"]) for row in lines(client, GIVEN)}
    assert len(everything) == Assignment.objects.active().count()
    approvers = lines(client, GIVEN, object="lotx", duty="approver", o="person")
    names = [row["Person"] for row in approvers]
    assert names == sorted(names)
    assert {name.rpartition("@")[2] for name in names} == {"approver)", "approver2)"}
    assert [row["On"] for row in lines(client, GIVEN, person="@compliance")] == ["the organisation"]
    assert lines(client, GIVEN, object="no-such-model") == []
    assert "Nothing matches this filter" in text_of(client.get(GIVEN, {"object": "no-such-model"}))
    assert client.get(GIVEN, {"duty": "emperor"}).status_code == 422
    side = client.get(GIVEN, {"object": "lotx", "format": "json"}).json()
    assert side["rows_digest"] == digest(side["rows"])
    assert {row["object"] for row in side["rows"]} == {"lotx"}
    entry = json.loads(Entry.objects.filter(act="access.export_register").latest("id").body)["facts"]
    assert (entry["register"], entry["form"], entry["count"]) == ("duties-given", "JSON", side["count"])


def test_what_ended_was_refused_or_ran_out_stands_in_the_other_register(world):
    found = three_over(world)
    client = browser(world.compliance)
    told = {row["State"]: row for row in lines(client, PAST, person="stranger")}
    assert set(told) == {"Ended", "Refused", "Run out"}
    assert told["Ended"]["Why ended or refused"] == "Another team watches"
    assert told["Ended"]["By"] == world.owner.printed_name
    assert told["Refused"]["Approved by"] == ""
    for state, row in found.items():
        here = client.get(PAST, {"person": "stranger", "state": state, "format": "json"}).json()
        assert [each["assignment"] for each in here["rows"]] == [row.ref]
    newest = [row["State"] for row in lines(client, PAST, person="stranger")]
    assert newest == ["Run out", "Refused", "Ended"]
    assert not {row["Person"] for row in lines(client, GIVEN)} & {told["Ended"]["Person"]}


def test_an_empty_register_says_so(world):
    page = text_of(browser(world.compliance).get(PAST))
    assert "No duty that you may see has ended or was refused." in page
    assert "No duty is given that you may see." in text_of(browser(world.stranger).get(GIVEN))


def test_who_sees_which_duties(world):
    three_over(world)

    def objects(name: str, address: str) -> set[str]:
        return {row["On"] for row in lines(browser(world.people[name]), address)}

    assert {"lotx", "the organisation"} < objects("compliance", GIVEN)
    assert world.other_model.slug not in objects("author", GIVEN)
    assert "lotx" in objects("author", GIVEN)
    assert objects("author", PAST) == {"lotx"}
    assert objects("other_developer", PAST) == set()


def test_only_who_may_end_a_duty_finds_the_button(world):
    held = give(world, "stranger", "monitor", world.model)
    address = reverse("web:decide_assignment", args=[held.pk, "end"])
    assert address in browser(world.owner).get(GIVEN, {"person": "stranger"}).content.decode()
    assert address not in browser(world.author).get(GIVEN, {"person": "stranger"}).content.decode()


def test_registers_are_paged_and_ask_a_constant_number_of_queries(world, django_assert_max_num_queries):
    client = browser(world.compliance)
    client.get(GIVEN)

    def asked() -> int:
        with django_assert_max_num_queries(14) as seen:
            client.get(GIVEN)
            count = len(seen.captured_queries)
        with django_assert_max_num_queries(14):
            client.get(PAST)
        return count

    few = asked()
    for name in ("stranger", "curator", "steward"):
        held = give(world, name, "monitor", world.other_model, by="other_owner")
        end_assignment(world.other_owner, held.pk, reason="Done")
        give(world, name, "monitor", world.other_model, by="other_owner")
    assert asked() == few


def test_a_page_of_people_shows_the_first_and_leads_to_all(world, monkeypatch):
    three_over(world)
    monkeypatch.setattr(duties, "SHOWN", 2)
    client = browser(world.owner)
    page = client.get("/models/lotx/people/").content.decode()
    held = queries_given(world)
    assert f"All {held} duties given" in page
    assert f"{GIVEN}?object=lotx" in page
    assert f"{PAST}?object=lotx" in page
    section = page.partition('id="held"')[2].partition("</section>")[0]
    assert section.count('<th scope="row">') == 2
    person = browser(world.compliance).get("/people/approver/").content.decode()
    assert f"{GIVEN}?person=%40approver" in person


def queries_given(world) -> int:
    return Assignment.objects.active().on("registry.model", world.model.pk).count()


def test_a_register_of_duties_as_of_a_moment(world):
    held = give(world, "stranger", "monitor", world.model)
    then = now()
    end_assignment(world.owner, held.pk, reason="Done")
    client = browser(world.compliance)
    was = text_of(client.get(GIVEN, {"person": "stranger", "as-of": then.isoformat()}))
    assert world.stranger.printed_name in was
    assert "Nothing matches this filter" in text_of(client.get(GIVEN, {"person": "stranger"}))
    assert client.get(GIVEN, {"as-of": then.isoformat(), "format": "csv"}).status_code == 400


def test_the_api_tells_duties_that_are_over_and_orders_them(world):
    found = three_over(world)
    client = session_api(world.compliance)

    def listed(**asked) -> list[str]:
        answer = client.get("/api/v1/assignments", {"person": "stranger", **asked})
        assert answer.status_code == 200, answer.content
        return [row["ref"] for row in answer.json()["results"]]

    over = [found["ended"].ref, found["refused"].ref]
    held = give(world, "stranger", "monitor", world.model)
    ordered = listed(over="yes", ordering="ended_at")
    assert [ref for ref in ordered if ref in over] == over
    assert set(ordered) == {row.ref for row in found.values()}
    assert listed(over="yes", ordering="-ended_at") == ordered[::-1]
    assert listed(over="no") == [held.ref]
    assert client.get("/api/v1/assignments", {"over": "perhaps"}).status_code == 422
    assert client.get("/api/v1/assignments", {"ordering": "reason"}).status_code == 422


# ---------------------------------------------------------------- training matrices


def test_versions_of_the_training_matrix_as_a_list(world, django_assert_max_num_queries):
    client = browser(world.compliance)
    assert "No training matrix was put into force yet." in text_of(client.get(VERSIONS))
    first = adopt(world, needs={"validator": ["system"]})
    with django_assert_max_num_queries(9):
        client.get(VERSIONS)
    then = now()
    second = adopt(world, needs={"monitor": ["system"]})
    with django_assert_max_num_queries(9):
        client.get(VERSIONS)
    rows = lines(client, VERSIONS, o="version")
    assert [(row["Version"], row["State"]) for row in rows] == [("v1", "Replaced"), ("v2", "In force")]
    assert [row["Version"] for row in lines(client, VERSIONS)] == ["v2", "v1"]
    assert [row["Version"] for row in lines(client, VERSIONS, state="active")] == ["v2"]
    assert lines(client, VERSIONS, by="stranger") == []
    assert len(lines(client, VERSIONS, by="@compliance", since=f"{then:%Y-%m-%d}")) == 2
    assert client.get(VERSIONS, {"since": "yesterday"}).status_code == 422
    told = client.get(VERSIONS, {"format": "json", "o": "version"}).json()
    assert [row["digest"] for row in told["rows"]] == [first.digest, second.digest]
    assert told["rows"][0]["body"] == first.body
    was = client.get(VERSIONS, {"as-of": then.isoformat()})
    assert "1 row." in text_of(was)
    assert "v2" not in text_of(was)


def test_the_api_filters_and_orders_versions_of_the_matrix(world):
    adopt(world, needs={"validator": ["system"]})
    adopt(world, needs={"monitor": ["system"]})
    client = session_api(world.author)

    def listed(**asked) -> list[int]:
        return [row["version"] for row in client.get("/api/v1/training-matrices", asked).json()["results"]]

    assert listed() == [2, 1]
    assert listed(ordering="version") == [1, 2]
    assert listed(adopted_by="stranger") == []
    assert listed(adopted_by="Compliance") == [2, 1]
