"""Plans, runs, bias reports and deviations through the API: the same answers as the pages give."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.access.signing import content_digest
from apps.core.jobs import run_queued
from apps.quality.acts import open_deviation
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.trail.models import Entry
from apps.validations.acts import start_run
from apps.validations.models import Plan, Run
from tests.cast import PASSWORD, give
from tests.factories.doors import browser, session_api, text_of, token_api
from tests.factories.evidence import CRITERIA, done_run, plan_input, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]
QUERIES = 5


@pytest.fixture
def frozen(world):
    return validated_world(world, until="frozen")


@pytest.fixture
def drafted(world):
    return validated_world(world, until="drafted")


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


@pytest.fixture
def tested(world):
    return validated_world(world, until="run", criteria=[CRITERIA[0] | {"limit": "0.999"}, dict(CRITERIA[1])])


def signing(digest: str, **changes) -> dict:
    return {"digest": digest, "password": PASSWORD} | changes


def numbers(answer) -> list[int]:
    return [row["number"] for row in answer.json()["results"]]


def plans_url(evidence) -> str:
    return f"/api/v1/versions/{evidence.version.pk}/plans"


# ---------------------------------------------------------------- plans


def test_a_plan_is_written_by_token_once(world, frozen):
    api, given = token_api(world.validator), plan_input(frozen.test)
    first, again = (
        api.post(plans_url(frozen), given, format="json", headers={"Idempotency-Key": "k1"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    plan = Plan.objects.get()
    assert first.json()["ref"] == again.json()["ref"] == plan.ref
    assert first.json()["digest"] == content_digest(plan)
    assert [c["id"] for c in first.json()["content"]["criteria"]] == ["C1", "C2", "C3"]
    offered = {a["act"]: a for a in first.json()["allowed_acts"]}
    assert offered["validations.sign_plan_author"]["fact"].startswith(
        "It needs a person in a signed-in session"
    )


def test_bad_input_names_its_fields(world, frozen):
    api = session_api(world.validator)
    wrong = plan_input(frozen.test, label_column="ending")
    answer = api.post(plans_url(frozen), wrong, format="json")
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == ["label_column"]
    unknown = plan_input(frozen.test, criteria=[CRITERIA[0] | {"weight": 3}])
    answer = api.post(plans_url(frozen), unknown, format="json")
    assert answer.status_code == 422
    assert "weight" in str(answer.json()["fields"]["criteria"])
    assert api.post(plans_url(frozen), {"colour": "red"}, format="json").json()["fields"] == {
        "colour": ["This field is not known here."]
    }
    assert not Plan.objects.exists()


def test_writing_a_plan_is_refused_as_on_the_page(world, frozen):
    give(world, "stranger", "validator", world.model)
    add_author(world.owner, frozen.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    page = reverse("web:plan_new", args=[frozen.version.pk])
    seen = {}
    for person in ("author", "stranger", "other_developer"):
        answer = session_api(world.people[person]).post(
            plans_url(frozen), plan_input(frozen.test), format="json"
        )
        shown = browser(world.people[person]).post(page)
        seen[person] = answer.status_code
        assert shown.status_code == answer.status_code
        assert answer.json()["what"] in text_of(shown)
        assert answer.json()["fact"] in text_of(shown)
        assert all(name in text_of(shown) for name in answer.json()["eligible"])
    assert seen == {"author": 403, "stranger": 409, "other_developer": 404}


def test_a_plan_is_signed_and_locked_by_session_and_never_by_token(world, drafted):
    url = f"/api/v1/plans/{drafted.plan.number}"
    api = session_api(world.validator)
    digest = api.get(url).json()["digest"]
    refused = token_api(world.validator).post(f"{url}/sign-author", signing(digest), format="json")
    assert refused.status_code == 403
    assert refused.json()["rule"] == "21 CFR 11.200(a)(2)"
    assert api.post(f"{url}/sign-author", signing(digest), format="json").json()["state"] == "authored"
    early = api.post(f"{url}/runs", format="json")
    assert (early.status_code, early.json()["rule"]) == (409, "PC24")
    done = session_api(world.approver).post(f"{url}/sign-approval", signing(digest), format="json")
    assert done.json()["state"] == "locked"
    assert [(s["username"], s["standing"]) for s in done.json()["signatures"]] == [
        ("validator", "valid"),
        ("approver", "valid"),
    ]
    assert done.json()["comparisons"][0]["shared_rows"] == 0
    again = session_api(world.approver2).post(f"{url}/sign-approval", signing(digest), format="json")
    assert again.status_code == 409


def test_a_digest_that_was_not_shown_signs_nothing(world, drafted):
    url = f"/api/v1/plans/{drafted.plan.number}/sign-author"
    answer = session_api(world.validator).post(url, signing("sha256:" + "0" * 64), format="json")
    assert (answer.status_code, answer.json()["rule"]) == (409, "21 CFR 11.70")
    wrong = session_api(world.validator).post(url, {"password": PASSWORD}, format="json")
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["digest"])
    assert Plan.objects.get().state == "draft"


# ---------------------------------------------------------------- runs


def test_a_run_is_started_watched_and_read(world, locked):
    api = token_api(world.validator)
    url = f"/api/v1/plans/{locked.plan.number}/runs"
    started = [api.post(url, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [a.status_code for a in started] == [202, 202]
    run = Run.objects.get()
    assert started[1].json()["progress"]["state"] == "queued"
    run_queued()
    answer = api.get(f"/api/v1/runs/{run.number}").json()
    assert (answer["state"], answer["verdict"], answer["repeat_identical"]) == ("done", "met", True)
    assert (answer["progress"]["done"], answer["progress"]["total"]) == (800, 800)
    results = {r["criterion"]: r for r in answer["results"]}
    assert set(results) == {"C1", "C2", "C3"}
    assert results["C2"]["low"] < results["C2"]["value"] < results["C2"]["high"]
    run.refresh_from_db()
    assert answer["digest"] == content_digest(run)


def test_starting_a_run_is_refused_as_on_the_page(world, locked):
    start_run(world.validator, locked.plan.pk)
    url, page = (
        f"/api/v1/plans/{locked.plan.number}/runs",
        reverse("web:run_start", args=[locked.plan.number]),
    )
    seen = {}
    for person in ("validator", "author", "stranger"):
        answer, shown = session_api(world.people[person]).post(url), browser(world.people[person]).post(page)
        seen[person] = answer.status_code
        assert shown.status_code == answer.status_code
        assert answer.json()["fact"] in text_of(shown)
    assert seen == {"validator": 409, "author": 403, "stranger": 404}
    assert Run.objects.count() == 1


def test_per_case_results_count_each_call_as_a_read(world, tested):
    url = f"/api/v1/runs/{tested.run.number}/cases"
    api = token_api(world.bias_tester)
    before = Entry.objects.filter(act="validations.read_cases", kind="act").count()
    answer = api.post(url, format="json")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["total"], found["pages"], len(found["rows"])) == (400, 1, 400)
    assert found["columns"][0] == "case_row"
    assert found["rows"][0][0] == 1
    assert "no-store" in answer["Cache-Control"]
    assert Entry.objects.filter(act="validations.read_cases", kind="act").count() == before + 1
    assert api.get(url).status_code == 405  # a link may not make anybody a reader of test data
    refused = session_api(world.author).post(url, format="json")
    assert refused.status_code == 403
    assert "Validator Person" in refused.json()["eligible"]
    assert session_api(world.stranger).post(url, format="json").status_code == 404


def test_lists_hold_exactly_what_one_may_see(world, tested, django_assert_num_queries):
    api = session_api(world.validator)
    api.get("/api/v1/runs")
    with django_assert_num_queries(QUERIES):
        assert numbers(api.get("/api/v1/runs")) == [1]
    done_run(world, tested.plan)
    start_run(world.validator, tested.plan.pk)
    api.get("/api/v1/runs")  # once a minute a request notes that the session is in use
    with django_assert_num_queries(QUERIES):
        assert numbers(api.get("/api/v1/runs")) == [3, 2, 1]
    for kind, found in (("plans", [1]), ("bias-reports", []), ("deviations", [2, 1])):
        with django_assert_num_queries(QUERIES if found else QUERIES - 1):
            assert numbers(api.get(f"/api/v1/{kind}")) == found
        assert numbers(session_api(world.other_developer).get(f"/api/v1/{kind}")) == []
    assert numbers(api.get("/api/v1/runs", {"state": "done"})) == [2, 1]
    assert numbers(api.get("/api/v1/runs", {"model": "lotx", "label": "1.0.0"})) == [3, 2, 1]
    assert numbers(api.get("/api/v1/runs", {"label": "9"})) == []
    wrong = api.get("/api/v1/runs", {"state": "asleep"})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["state"])
    for path in ("plans/1", "runs/1", "deviations/1"):
        assert api.get(f"/api/v1/{path}").status_code == 200
        assert session_api(world.stranger).get(f"/api/v1/{path}").status_code == 404


# ---------------------------------------------------------------- bias reports


def test_a_bias_report_is_asked_for_and_read(world, tested):
    api, url = token_api(world.bias_tester), f"/api/v1/runs/{tested.run.number}/bias-reports"
    made = api.post(url)
    assert (made.status_code, made.json()["state"]) == (202, "queued")
    assert api.post(url).status_code == 409
    csv_url = f"/api/v1/bias-reports/{made.json()['number']}/csv"
    assert api.get(csv_url).status_code == 409
    run_queued()
    answer = api.get(f"/api/v1/bias-reports/{made.json()['number']}").json()
    assert (answer["state"], answer["verdict"]) == ("done", "within")
    assert [line["verdict"] for line in answer["summary"]] == ["within", "within"]
    assert [g["attributes"] for g in answer["figures"]["groupings"]] == [["sex"], ["site"], ["sex", "site"]]
    found = api.get(csv_url)
    assert found["Content-Type"] == "text/csv; charset=utf-8"
    assert found.content.decode().startswith("line,grouping,group,")
    refused = session_api(world.author).post(url)
    assert (refused.status_code, refused.json()["eligible"]) == (403, ["Bias Tester Person"])
    assert session_api(world.stranger).post(url).status_code == 404


# ---------------------------------------------------------------- deviations


def test_a_deviation_is_opened_accepted_and_closed(world, frozen):
    url = f"/api/v1/versions/{frozen.version.pk}/deviations"
    made = token_api(world.validator).post(url, {"title": "Clock", "description": "Slow."}, format="json")
    assert made.status_code == 201
    one = f"/api/v1/deviations/{made.json()['number']}"
    given = signing(made.json()["digest"], reason="Small", expires_at="2027-01-31")
    api = session_api(world.approver)
    accepted = api.post(f"{one}/accept", given, format="json")
    assert (accepted.json()["state"], accepted.json()["expires_at"][:10]) == ("accepted", "2027-01-31")
    given = signing(made.json()["digest"], reason="Laptop replaced")
    assert api.post(f"{one}/close", given, format="json").json()["state"] == "closed"
    assert api.post(f"{one}/close", given, format="json").status_code == 409
    assert [s["reason"] for s in api.get(one).json()["signatures"]] == ["Small", "Laptop replaced"]


def test_who_raised_it_cannot_decide_it_and_a_token_cannot_sign(world, frozen):
    deviation = open_deviation(world.approver, frozen.version.pk, title="Clock", description="Slow.")
    url = f"/api/v1/deviations/{deviation.number}/accept"
    given = signing(content_digest(deviation), reason="Small")
    refused = session_api(world.approver).post(url, given, format="json")
    assert refused.status_code == 409
    assert refused.json()["rule"].startswith("DY13:")
    assert refused.json()["eligible"] == ["Approver2 Person"]
    assert token_api(world.approver2).post(url, given, format="json").status_code == 403
    assert session_api(world.validator).post(url, given, format="json").status_code == 403
    assert session_api(world.stranger).post(url, given, format="json").status_code == 404
    no_reason = session_api(world.approver2).post(url, signing(content_digest(deviation)), format="json")
    assert (no_reason.status_code, list(no_reason.json()["fields"])) == (422, ["reason"])
    assert Deviation.objects.get().state == "open"


def test_opening_a_deviation_is_refused_as_on_the_page(world, frozen):
    url, page = (
        f"/api/v1/versions/{frozen.version.pk}/deviations",
        reverse("web:deviation_new", args=[frozen.version.pk]),
    )
    given = {"title": "Clock", "description": "Slow."}
    for person, status in (("author", 403), ("stranger", 404)):
        answer = session_api(world.people[person]).post(url, given, format="json")
        shown = browser(world.people[person]).post(page, given)
        assert answer.status_code == shown.status_code == status
        assert answer.json()["fact"] in text_of(shown)
    empty = session_api(world.validator).post(url, {"title": " ", "description": "x"}, format="json")
    assert (empty.status_code, list(empty.json()["fields"])) == (422, ["title"])
    assert not Deviation.objects.exists()
