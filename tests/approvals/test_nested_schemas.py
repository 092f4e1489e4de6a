"""A record that a release names by digest gets a new schema: what was signed stays signed, and covers no more."""

from __future__ import annotations

import pytest

from apps.access import schemas
from apps.access.signing import content_digest, content_of, standings, still_signed
from apps.approvals.models import Gate, Slot
from apps.approvals.queries import not_deployable
from apps.core import registries
from apps.core.digests import digest
from apps.packs.gather.gate import _standing
from apps.registry.content import intended_use_content
from apps.registry.models import Version
from apps.trail.models import Signature
from apps.validations.content import plan_content
from apps.verification.resting import matrix_bound
from tests.approvals.test_acts import sign
from tests.factories.doors import browser, text_of
from tests.factories.verification import approved

pytestmark = pytest.mark.evidence("gate")
PLAN, USE = "validations.plan", "registry.intended_use"


@pytest.fixture
def said() -> dict[str, str]:
    """Kind -> what its records say that the first schema could not; as a migration leaves it, nothing."""
    return {}


@pytest.fixture
def comes(monkeypatch, said):
    """comes(kind, content): from the call on, the release whose records of this kind have the schema /2."""

    def come(kind: str, content) -> None:
        monkeypatch.setitem(
            registries.content._functions,
            kind,
            lambda row: {**content(row), "schema": f"{kind}/2", "more": said.get(kind, "")},
        )
        monkeypatch.setitem(
            registries.earlier_content._functions,
            f"{kind}/1",
            lambda row: None if said.get(kind) else content(row),
        )

    return come


@pytest.fixture
def released(world, gate) -> Gate:
    for code, person in (("review", "compliance"), ("responsibility", "owner"), ("approval", "approver")):
        sign(world, gate, code, who=person)
    return Gate.objects.get(pk=gate.pk)


def valid(gate: Gate) -> set[bool]:
    slots = Slot.objects.filter(gate=gate, signature__isnull=False).select_related("signature", "gate")
    return {still_signed(slot, slot.signature.content_digest) for slot in slots}


def reasons(gate: Gate) -> list[str]:
    return not_deployable(Version.objects.get(pk=gate.version_id))


def test_a_release_stays_signed_when_its_plan_or_what_its_version_names_gets_a_new_schema(
    world, released, comes, said
):
    slot = Slot.objects.select_related("gate", "signature").get(gate=released, code="approval")
    before = content_of(slot)
    assert (valid(released), reasons(released)) == ({True}, [])
    comes(PLAN, plan_content)
    assert content_digest(slot) != slot.signature.content_digest
    assert (valid(released), reasons(released)) == ({True}, [])
    # A version names its intended use: two levels below the release, and another kind besides the plan.
    comes(USE, intended_use_content)
    assert (valid(released), reasons(released)) == ({True}, [])
    told = _standing(slot.signature, "version", {})
    assert (told["verdict"], told["content"]) == ("VALID", before)
    page = text_of(browser(world.owner).get(f"/signatures/{slot.signature.uuid}/"))
    assert "out of date" not in page.lower()

    # What neither schema could say unsays what was signed without it, and nothing else.
    said[PLAN] = "new"
    assert valid(released) == {False}
    assert reasons(released)
    said.clear()
    assert valid(released) == {True}
    said[USE] = "new"
    assert valid(released) == {False}


def test_a_change_of_what_the_first_schema_said_still_unsays_it(released, comes):
    comes(PLAN, lambda plan: {**plan_content(plan), "rationale": "Another one"})
    assert valid(released) == {False}


def test_one_kind_is_told_under_one_schema_throughout(released, comes):
    """The gate names a version and its use, and the version names the use too: never the one old and the other new."""
    comes(USE, intended_use_content)
    found = list(schemas.contents("approvals.gate", released, content_of(released)))
    assert len(found) == 2
    version = released.version
    for content, number in zip(found, (2, 1), strict=True):
        use = schemas.Telling({USE: 1} if number == 1 else {}).content(USE, version.intended_use)
        assert content["intended_use"]["digest"] == digest(use)
        assert use["schema"] == f"{USE}/{number}"


def test_a_schema_that_came_without_the_reader_of_the_one_before_is_an_error(released, comes, monkeypatch):
    comes(PLAN, plan_content)
    monkeypatch.delitem(registries.earlier_content._functions, f"{PLAN}/1")
    with pytest.raises(LookupError, match=r"validations\.plan/1"):
        valid(released)


def test_a_signature_asked_for_within_a_telling_is_judged_as_it_is_today(released, comes):
    """The bias report that counts is the signed one: a content asks that while it is told under another schema."""
    comes(PLAN, plan_content)
    signature = Signature.objects.filter(subject_kind="registry.intended_use").earliest("id")
    use = released.version.intended_use
    comes(USE, intended_use_content)
    asked = []

    def asking(plan):
        asked.append([each.valid for each in standings(use, [signature])])
        return plan_content(plan)

    comes(PLAN, asking)
    assert valid(released) == {True}
    assert len(asked) > 2
    assert {each for row in asked for each in row} == {True}


def test_an_approved_requirement_stays_approved_under_a_newer_schema(world, gate, comes, said):
    from apps.verification.content import requirement_content
    from apps.verification.queries import given_of

    row = approved(world)
    version = Version.objects.get(pk=gate.version_id)
    kind = "verification.requirement"
    assert {fact.changed for fact in given_of(version).requirements} == {False}
    comes(kind, requirement_content)
    bound = next(each for each in matrix_bound(version)["requirements"] if each["ref"] == row.ref)
    assert bound["digest"] != bound["approved"] == row.approved_digest
    assert {fact.changed for fact in given_of(version).requirements} == {False}
    page = browser(world.owner).get(f"/requirements/{row.number}/{row.revision}/")
    assert (page.status_code, bool(page.context["changed"])) == (200, False)
    said[kind] = "new"
    assert {fact.changed for fact in given_of(version).requirements} == {True}
    assert browser(world.owner).get(f"/requirements/{row.number}/{row.revision}/").context["changed"]
