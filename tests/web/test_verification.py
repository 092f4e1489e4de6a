"""Pages of requirements, evidence, links, claims and the matrix: what they show, take, refuse and export."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.verification.acts import link_requirement, submit_claim, write_risk
from apps.verification.models import Claim, Evidence, Link, Requirement, Risk
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world
from tests.factories.verification import approved, attached, requirement
from tests.verification.claims import CLAIM, RISK
from tests.verification.files import FAILED, case, cyclonedx, junit
from tests.web.changing import confirm

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def page(world, person, name, *args, query=""):
    return browser(world.people[person]).get(reverse(f"web:{name}", args=args) + query)


def post(world, person, name, *args, **data):
    key = {"idempotency_key": f"{name}-{len(data)}-{person}"}
    return browser(world.people[person]).post(reverse(f"web:{name}", args=args), key | data)


def change(world, person, name, *args, **data):
    """A change as a person sends it: what will change is read, then confirmed."""
    key = {"idempotency_key": f"{name}-{len(data)}-{person}"}
    return confirm(browser(world.people[person]), reverse(f"web:{name}", args=args), key | data)


def csv_of(answer) -> str:
    return b"".join(answer.streaming_content).decode()


def test_requirements_and_risks_are_written_revised_and_shown(world, version):
    answer = change(world, "process_expert", "risk_new", "lotx", **RISK, reason="Found in review")
    assert answer.status_code == 302
    risk = Risk.objects.get()
    given = {
        "text": "It refuses other units.",
        "source": "risk",
        "clauses": "Annex 22 draft 4.1\nICH Q9",
        "reason": "Why",
    }
    empty = change(world, "process_expert", "requirement_new", "lotx", **given)
    assert empty.status_code == 422
    assert "Name the risk that it comes from." in text_of(empty)
    assert "It refuses other units." in text_of(empty)
    made = change(world, "process_expert", "requirement_new", "lotx", **given, risks=[risk.number])
    assert made.status_code == 302
    req = Requirement.objects.get()
    assert (req.risks, req.clauses) == ([risk.number], ["Annex 22 draft 4.1", "ICH Q9"])
    shown = text_of(page(world, "approver", "requirement", req.number, 1))
    for words in (
        "It refuses other units.",
        "Units are mixed up",
        "Waits for approval",
        "Approve requirement",
    ):
        assert words in shown, words
    revise = text_of(page(world, "process_expert", "requirement_new", "lotx", query=f"?revises={req.number}"))
    assert "Prefilled from" in revise
    signing = page(world, "approver", "sign", "verification.approve_requirement", req.pk)
    assert "It refuses other units." in text_of(signing)
    assert "Reject" in text_of(signing)
    for name in ("requirements", "risks"):
        assert "mixed up" in text_of(page(world, "inspector", name)) or name == "requirements"
    assert csv_of(page(world, "owner", "requirements", query="?format=csv")).count("\r\n") == 2


def test_a_risk_has_a_page_and_the_list_one_row_whatever_its_revisions(world, version):
    risk = write_risk(world.owner, world.model.pk, given=RISK, reason="Found in review")
    req = approved(world, source="risk", risks=[risk.number])
    attached(world, version, "junit", junit(case("test_units", f"REQ-{req.number}")))
    new = {"severity": "medium", "reason": "Counted on 400 lots", "reason_code": "knowledge"}
    client = browser(world.process_expert)
    form = reverse("web:risk_new", args=["lotx"]) + f"?revises={risk.number}"
    assert "Prefilled from" in text_of(client.get(form))
    shown = client.post(form, RISK | new | {"idempotency_key": "r2"})
    assert "What will change" in text_of(shown)
    told = {each.field: (each.before, each.after) for each in shown.context["form"].preview.changes}
    assert told == {
        "revision": (1, 2), "severity": ("High", "Medium"), "written by": ("Owner Person", "Process Expert Person"),
    }  # fmt: skip
    assert Risk.objects.count() == 1
    made = confirm(client, form, RISK | new | {"idempotency_key": "r2"})
    assert made["Location"] == reverse("web:risk", args=[risk.number, 2])
    told = text_of(page(world, "inspector", "risk", risk.number, 2))
    for words in ("Units are mixed up", "A bad lot passes", "Units are checked at the door", "Medium", req.ref,
                  "tests.test_model::test_units", "Passed", "VE-", risk.ref, "wrote a risk",
                  "New knowledge or evidence: Counted on 400 lots"):  # fmt: skip
        assert words in told, words
    old = text_of(page(world, "owner", "risk", risk.number, 1))
    assert "A later revision takes its place." in old
    assert page(world, "stranger", "risk", risk.number, 1).status_code == 404
    assert page(world, "owner", "risk", risk.number, 3).status_code == 404
    rows = {query: csv_of(page(world, "owner", "risks", query=f"?format=csv{query}")).count("\r\n") - 1
            for query in ("", "&revisions=all")}  # fmt: skip
    assert rows == {"": 1, "&revisions=all": 2}
    listed = page(world, "owner", "risks").content.decode()
    assert f'href="{made["Location"]}"' in listed
    assert reverse("web:risk", args=[risk.number, 1]) not in listed


def test_a_requirement_stands_once_in_the_list_with_the_revision_in_force(world, version):
    first = approved(world)
    requirement(world, text="Another")
    given = {"text": "It ranks better.", "source": "use", "reason": "Sharper"}
    number = first.number
    client, form = browser(world.process_expert), reverse("web:requirement_new", args=["lotx"])
    confirm(client, f"{form}?revises={number}", given | {"idempotency_key": "q2"})
    table = csv_of(page(world, "owner", "requirements", query="?format=csv"))
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [(row["Requirement"], row["State"], row["In force"]) for row in rows] == [
        (f"REQ-{number}/v2", "Waits for approval", first.ref), (f"REQ-{number + 1}/v1", "Waits for approval", ""),
    ]  # fmt: skip
    told = text_of(page(world, "owner", "requirement", number, 1))
    for words in ("Requirement without test", "Traceability of lotx/1.0.0", "wrote a requirement"):
        assert words in told, words


def test_the_page_of_a_risk_costs_the_same_queries_for_one_requirement_and_for_many(world, version):
    def cost():
        client, address = browser(world.owner), reverse("web:risk", args=[risk.number, 1])
        client.get(address)
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        return len(asked)

    risk = write_risk(world.owner, world.model.pk, given=RISK, reason="Found")
    req = approved(world, source="risk", risks=[risk.number])
    attached(world, version, "junit", junit(case("test_a", f"REQ-{req.number}")))
    link_requirement(
        world.validator, version.pk, requirement=req.ref, target="test", pattern="*", reason="It does"
    )
    first = cost()
    for number in range(3):
        approved(world, text=f"Requirement {number}", source="risk", risks=[risk.number])
    assert cost() == first


def test_a_stranger_sees_none_of_it_and_who_may_not_is_told(world, version):
    req = approved(world)
    made = attached(world, version, "junit", junit(case("a")))
    submit_claim(world.author, version.pk, given=CLAIM)
    for name, args in (
        ("requirement", (req.number, 1)), ("verification_evidence", (made.number,)), ("claim", (1,)),
        ("traceability", (version.pk,)), ("verification_attach", (version.pk,)), ("claim_new", (version.pk,)),
        ("requirement_link", (version.pk,)), ("requirement_new", ("lotx",)), ("risk_new", ("lotx",)),
    ):  # fmt: skip
        assert page(world, "stranger", name, *args).status_code == 404, name
    assert "No requirement that you may see" in text_of(page(world, "stranger", "requirements"))
    for name, args in (
        ("verification_attach", (version.pk,)), ("claim_new", (version.pk,)), ("requirement_new", ("lotx",)),
        ("requirement_link", (version.pk,)), ("risk_new", ("lotx",)),
    ):  # fmt: skip
        for method in (page, post):
            assert method(world, "approver", name, *args).status_code == 403, name


def upload(data: bytes, name: str = "junit.xml"):
    return SimpleUploadedFile(name, data)


GIVEN = {
    "kind": "junit",
    "title": "Unit tests",
    "tool": "pytest",
    "tool_version": "9.0",
    "commit": "4be19d0c",
}


def test_a_file_is_attached_shown_and_fetched_and_a_bad_one_is_refused_in_its_place(world, version):
    bad = post(world, "author", "verification_attach", version.pk, **GIVEN, file=upload(cyclonedx()))
    assert bad.status_code == 422
    assert "This is CycloneDX JSON. Wanted is JUnit XML" in text_of(bad)
    assert "Received: junit.xml" in text_of(bad)
    assert not Evidence.objects.exists()
    data = junit(case("test_fine"), case("test_units", inner=FAILED))
    answer = post(world, "author", "verification_attach", version.pk, **GIVEN, file=upload(data))
    assert answer.status_code == 302
    made = Evidence.objects.get()
    shown = text_of(page(world, "inspector", "verification_evidence", made.number))
    assert shown.index("test_units") < shown.index("test_fine")
    fetched = post(world, "approver", "verification_file", made.number)
    assert b"".join(fetched.streaming_content) == data
    assert "Unit tests" in text_of(page(world, "inspector", "verification_list"))


def test_a_file_over_the_limit_is_refused(world, version, settings):
    settings.UPLOAD_LIMIT_EVIDENCE = 100
    answer = post(world, "author", "verification_attach", version.pk, **GIVEN, file=upload(junit(case("a"))))
    assert answer.status_code == 413
    assert "larger than the limit of 100 B" in text_of(answer)


def test_links_and_claims_are_made_and_taken_away(world, version):
    req = approved(world)
    attached(world, version, "junit", junit(case("test_units")))
    wrong = post(world, "validator", "requirement_link", version.pk, requirement=req.ref, target="test",
                 pattern="units", reason="Why")  # fmt: skip
    assert "Did you mean" in text_of(wrong)
    post(world, "validator", "requirement_link", version.pk, requirement=req.ref, target="test", pattern="*units*",
         reason="It checks units")  # fmt: skip
    link = Link.objects.get()
    section = text_of(page(world, "validator", "section", "lotx", "1.0.0", "verification"))
    for words in (req.ref, "*units*", "It checks units", "Take away", "Not attached yet: bill of materials"):
        assert words in section, words
    change(world, "validator", "requirement_link_end", version.pk, link.pk, reason="Wrong")
    link.refresh_from_db()
    assert link.ended_at is not None
    claim = {k: v for k, v in CLAIM.items() if k not in ("figures", "computed_at")} | {
        "computed_at": "2026-11-01 12:00"
    }
    bad = post(world, "author", "claim_new", version.pk, **claim, figures="auc 0.9")
    assert "Line 1: give metric; group; value" in text_of(bad)
    post(world, "author", "claim_new", version.pk, **claim, figures="auc; all; 0.91; 0.88; 0.94; 400")
    made = Claim.objects.get()
    assert made.figures == CLAIM["figures"]
    assert "Submitted, not computed here" in text_of(page(world, "inspector", "claim", made.number))


@pytest.fixture
def traced(world, version):
    """A version with two requirements, a covered and a bare risk, tests of every kind."""
    risk = write_risk(world.owner, world.model.pk, given=RISK, reason="Found")
    write_risk(world.owner, world.model.pk, given=RISK | {"hazard": "Drift"}, reason="Found")
    one = approved(world, source="risk", risks=[risk.number])
    approved(world, text="It is quick.")
    attached(world, version, "junit", junit(case("test_units", f"REQ-{one.number}"), case("test_other")))
    return version


def test_the_matrix_is_filtered_sorted_paged_and_exported_the_same(world, traced):
    shown = text_of(page(world, "inspector", "traceability", traced.pk))
    for words in (
        "Requirement without test",
        "Risk without requirement",
        "Test without requirement",
        "RK-",
    ):
        assert words in shown, words
    assert "2 of them stand against the release." in shown
    only = text_of(page(world, "inspector", "traceability", traced.pk, query="?lack=no_test"))
    assert "It is quick." in only
    assert "test_other" not in only
    table = csv_of(page(world, "owner", "traceability", traced.pk, query="?format=csv"))
    lines = list(csv.reader(io.StringIO(table, newline="")))
    taken = page(world, "owner", "traceability", traced.pk, query="?format=json&o=-pk")
    data = json.loads(taken.content)
    assert (len(lines) - 1, data["count"], len(data["rows"])) == (4, 4, 4)
    assert [row["line"] for row in data["rows"]] == [4, 3, 2, 1]
    assert [row["lacks"] for row in data["rows"]] == ["test_without", "", "risk_without", "no_test"]
    assert data["rows"][1]["outcome"] == "passed"
    assert page(world, "owner", "traceability", traced.pk, query="?lack=nonsense").status_code == 422


def test_the_matrix_costs_the_same_queries_for_one_requirement_and_for_many(world, version):
    def cost():
        client = browser(world.people["owner"])
        client.get(reverse("web:traceability", args=[version.pk]))
        with CaptureQueriesContext(connection) as asked:
            client.get(reverse("web:traceability", args=[version.pk]))
        return len(asked)

    req = approved(world)
    attached(world, version, "junit", junit(case("test_a", f"REQ-{req.number}")))
    link_requirement(
        world.validator, version.pk, requirement=req.ref, target="test", pattern="*", reason="It does"
    )
    first = cost()
    for number in range(3):
        more = approved(world, text=f"Requirement {number}")
        write_risk(world.owner, world.model.pk, given=RISK, reason="Found")
        link_requirement(
            world.validator, version.pk, requirement=more.ref, target="test", pattern="*", reason="It does"
        )
    attached(world, version, "junit", junit(*(case(f"test_{n}") for n in range(300))), title="more")
    assert cost() == first <= 14


def test_drafts_stand_in_the_section_and_on_the_page_of_work(world, version):
    made = requirement(world)
    assert made.ref in text_of(page(world, "approver", "section", "lotx", "1.0.0", "verification"))
