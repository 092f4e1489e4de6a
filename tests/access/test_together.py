"""Duties for several people at once: judged together, all or nothing; tried out without a trace."""

from __future__ import annotations

import pytest

from apps.access import acts
from apps.access.acts.bulk import MOST
from apps.access.duties import Duty
from apps.access.models import Assignment
from apps.access.together import Row, judge_rows, stuck_after
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible
from apps.trail.models import Entry
from tests.access.people import crowd
from tests.access.telling import assert_told, body_of, last, refused
from tests.factories.doors import browser, session_api, text_of
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
MANY = "access.request_assignments"


def rows(world, *pairs) -> list[dict]:
    return [{"person_id": world.people[person].pk, "duty": duty} for person, duty in pairs]


def ask(world, *pairs, by="owner", **more):
    return acts.request_assignments(
        world.people[by], world.model.pk, rows=rows(world, *pairs), reason="A new model", **more
    )


def requested() -> set[tuple[str, str]]:
    found = Assignment.objects.filter(state="requested")
    return set(found.values_list("person__username", "duty"))


def test_several_duties_in_one_act(world):
    crowd(world, ["ann", "ben"])
    ask(world, ("ann", "validator"), ("ann", "bias_tester"), ("ben", "monitor"))
    assert requested() == {("ann", "validator"), ("ann", "bias_tester"), ("ben", "monitor")}
    assert_told(MANY, by=world.owner, about=world.model, reason="A new model", wrote=3)
    assert len(body_of(last(MANY))["facts"]["requested"]) == 3
    first = Assignment.objects.get(person=world.ann, duty="validator")
    with pytest.raises(Conflict, match="You cannot approve"):
        acts.approve_assignment(world.owner, first.pk)  # DY17: who requested it
    assert acts.approve_assignment(world.compliance, first.pk).state == "approved"


def test_two_rows_that_together_conflict_are_refused_and_both_named(world):
    crowd(world, ["ann", "ben"])
    with refused(Conflict, "ST8", act=MANY, by=world.owner) as caught:
        ask(world, ("ben", "monitor"), ("ann", "developer"), ("ben", "process_expert"), ("ann", "validator"))
    told = caught.value
    assert told.what == "No duty was requested: row 2 and row 4 cannot be asked for together."
    assert set(told.fields) == {"row-2", "row-4"}
    assert "row 4 asks for the duty validator" in told.fields["row-2"][0]
    assert "row 2 asks for the duty developer" in told.fields["row-4"][0]
    assert requested() == set(), "all or nothing"
    assert body_of(last(MANY, "refusal"))["facts"]["asked"]["rows"][1] == "ann: developer"


def test_a_row_against_what_is_held_refuses_all(world):
    crowd(world, ["ben"])
    with refused(Conflict, "ST8", act=MANY, by=world.owner) as caught:
        ask(world, ("ben", "monitor"), ("author", "validator"))
    assert list(caught.value.fields) == ["row-2"]
    assert requested() == set()


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        ([], {"rows"}),
        ([("stranger", "janitor")], {"row-1"}),
        ([("stranger", "administrator"), ("stranger", "monitor")], {"row-1"}),
        ([("stranger", "curator")], {"row-1"}),
        ([("stranger", "monitor")] * (MOST + 1), {"rows"}),
    ],
)
def test_bad_rows(world, pairs, fields):
    with refused(
        BadInput, "input" if fields == {"rows"} else "assignment", act=MANY, by=world.owner
    ) as caught:
        ask(world, *pairs)
    assert set(caught.value.fields) == fields


def test_a_person_who_is_none_and_one_row_twice(world):
    with pytest.raises(BadInput) as caught:
        acts.request_assignments(
            world.owner, world.model.pk, rows=[{"person_id": 0, "duty": "monitor"}], reason="x"
        )
    assert list(caught.value.fields) == ["row-1"]
    with refused(Conflict, "once-only", act=MANY, by=world.owner) as caught:
        ask(world, ("stranger", "monitor"), ("stranger", "monitor"))
    assert list(caught.value.fields) == ["row-2"]


def test_who_may(world):
    for name in ("author", "approver"):
        with refused(NotAllowed, "duty", act=MANY, by=world.people[name]):
            ask(world, ("stranger", "monitor"), by=name)
    with refused(NotVisible, "visibility", act=MANY, by=world.stranger):
        ask(world, ("stranger", "monitor"), by="stranger")


@pytest.mark.evidence("run")
def test_trying_out_tells_conflicts_refused_acts_and_what_stays_stuck(world):
    validated_world(world, until="run")
    crowd(world, ["ann"])
    judged = judge_rows(
        [
            Row(1, world.ann, Duty.DEVELOPER, world.model),
            Row(2, world.ann, Duty.CURATOR, world.dataset),
            Row(3, world.validator, Duty.APPROVER, world.model),
        ]
    )
    assert [bool(each.because) for each in judged] == [True, True, False]
    assert (judged[0].rule[:3], judged[0].others, judged[1].others) == ("ST4", (2,), (1,))
    assert {act.rule for act in judged[2].refused} == {"DY8"}
    assert "Sign: QA approval" in {act.act for act in judged[2].refused}
    assert any(told.startswith("DY8 will refuse") for told in judged[2].warnings)
    assert stuck_after(world.model, judged) == []
    assert "monitor" not in dict(stuck_after(world.other_model, []))  # no act of today needs a monitor alone
    assert "validator" in dict(stuck_after(world.other_model, []))


def test_the_page_tries_out_and_writes_nothing(world):
    crowd(world, ["ann"])
    before = Entry.objects.count()
    asked = {
        "person-1": world.ann.pk,
        "duty-1": "developer",
        "person-2": world.ann.pk,
        "duty-2": "validator",
    }
    page = browser(world.owner).get("/models/lotx/people/simulate/", asked)
    told = text_of(page)
    assert page.status_code == 200
    assert "2 of 2 could not be requested." in told
    assert "row 2 asks for the duty validator; ST8" in told
    assert Entry.objects.count() - before <= 1, "no more than the sign-in of the test"
    assert requested() == set()
    assert browser(world.author).get("/models/lotx/people/simulate/").status_code == 403
    assert browser(world.stranger).get("/models/lotx/people/simulate/").status_code == 404
    assert browser(world.inspector).get("/models/lotx/people/simulate/").status_code == 200
    half = browser(world.owner).get("/models/lotx/people/simulate/", {"person-1": world.ann.pk})
    assert (half.status_code, "Choose a duty for this person." in text_of(half)) == (422, True)


def test_the_page_keeps_what_was_typed_and_shows_errors_beside_the_row(world):
    crowd(world, ["ann"])
    client, url = browser(world.owner), "/models/lotx/people/request-many/"
    given = {
        "rows": "5",
        "person-2": world.ann.pk,
        "duty-2": "developer",
        "person-4": world.ann.pk,
        "duty-4": "validator",
        "reason": "A new model",
        "idempotency_key": "b1",
    }
    wrong = client.post(url, given)
    html = wrong.content.decode()
    assert wrong.status_code == 409
    assert html.count('<option value="validator" selected>') == 1
    assert 'id="id_person-2-error"' in html
    assert 'id="id_person-4-error"' in html
    assert "A new model" in html
    empty = client.post(url, {"rows": "5", "reason": "x", "idempotency_key": "b2"})
    assert (empty.status_code, "Fill in at least one row." in text_of(empty)) == (422, True)
    good = client.post(url, given | {"duty-4": "bias_tester", "duty-2": "validator", "idempotency_key": "b3"})
    assert (good.status_code, good.url) == (302, "/models/lotx/people/")
    assert requested() == {("ann", "validator"), ("ann", "bias_tester")}


def test_the_same_people_as_another_model_only_if_one_may_see_it(world):
    page = browser(world.compliance).get("/models/visc/people/request-many/", {"like": "lotx"})
    assert f'<option value="{world.author.pk}" selected>' in page.content.decode()
    hidden = browser(world.other_owner).get("/models/visc/people/request-many/", {"like": "lotx"})
    assert "Nothing to copy" in text_of(hidden)
    assert "selected>Author" not in hidden.content.decode()


def test_the_api_does_the_same(world):
    crowd(world, ["ann"])
    api, url = session_api(world.owner), "/api/v1/models/lotx/people/request"
    body = {
        "reason": "A new model",
        "rows": [{"person": "ann", "duty": "developer"}, {"person": "ann", "duty": "validator"}],
    }
    said = api.post(url, body, format="json")
    assert (said.status_code, set(said.json()["fields"])) == (409, {"row-1", "row-2"})
    tried = api.post("/api/v1/models/lotx/people/simulate", {"rows": body["rows"]}, format="json")
    assert tried.status_code == 200
    assert [row["others"] for row in tried.json()["rows"]] == [[2], [1]]
    body["rows"][0]["duty"] = "bias_tester"
    done = api.post(url, body, format="json")
    assert done.status_code == 201
    assert {row["duty"] for row in done.json()} == {"bias_tester", "validator"}
    assert requested() == {("ann", "bias_tester"), ("ann", "validator")}
    bad = api.post(url, {"reason": "x", "rows": [{"person": "nobody", "duty": "monitor"}]}, format="json")
    assert (bad.status_code, list(bad.json()["fields"])) == (422, ["row-1"])
    assert session_api(world.author).post(url, body, format="json").status_code == 403
    assert session_api(world.stranger).post(url, body, format="json").status_code == 404
