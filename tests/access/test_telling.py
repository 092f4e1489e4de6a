"""How entries are told: the decision, the record, and what it was about besides; own and later requirements."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.access.policy import TABLE
from apps.access.recorded import recorded
from apps.access.telling import ABOUT, DECIDED, told_act
from apps.registry.acts import add_author, write_intended_use
from apps.trail.models import Entry
from apps.verification.acts import approve_requirement, link_requirement
from apps.web.timeline import line_of, timeline
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed, validated_world
from tests.factories.foundation import USE
from tests.factories.verification import approved, attached, requirement
from tests.verification.files import case, junit


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def told(act: str) -> str:
    return line_of(Entry.objects.filter(act=act, kind="act").latest("id")).told


def test_every_sentence_belongs_to_an_act():
    assert set(ABOUT) | set(DECIDED) <= set(TABLE)
    assert told_act("verification.approve_requirement", {}) == "decided on a requirement"
    assert (
        told_act("verification.link_requirement", {"requirement": "REQ-1"})
        == "linked a requirement to what shows it"
    )


@pytest.mark.evidence("frozen")
def test_a_sentence_says_the_decision_and_what_it_is_about(world, version):
    good, bad = approved(world), requirement(world)
    assert told("verification.approve_requirement") == "approved a requirement"
    approve_requirement(
        world.approver, bad.pk, reason="Not measurable", signature=signed(bad, decision="rejected")
    )
    assert told("verification.approve_requirement") == "rejected a requirement"
    deeds = [each.told() for each in recorded([(bad.subject_kind, str(bad.pk))])]
    assert deeds[-1] == f"rejected a requirement ({bad.ref}) on {bad.written_at:%Y-%m-%d}"
    attached(world, version, "junit", junit(case("test_ranking")))
    assert told("verification.attach_evidence").startswith("attached verification evidence: VE-")
    link_requirement(
        world.validator,
        version.pk,
        requirement=good.ref,
        target="test",
        pattern="*ranking*",
        reason="Shows it",
    )
    assert told("verification.link_requirement").endswith(f": {good.ref} and the test *ranking*")
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    assert told("registry.add_author").endswith(": @colleague")
    assert told("access.approve_assignment").startswith("approved ")
    assert " for @" in told("access.approve_assignment")


@pytest.mark.evidence("frozen")
def test_a_version_does_not_show_requirements_of_later_uses(world, version):
    mine = approved(world)
    write_intended_use(world.process_expert, world.model.pk, given=USE, reason="Wider")
    later = approved(world, text="It also ranks lots of the new site.")
    assert later.intended_use.number > version.intended_use.number
    shown = {line.ref for line in timeline(world.approver, version, limit=50)}
    assert mine.ref in shown
    assert later.ref not in shown
    client = browser(world.approver)
    of_version = {"record": version.ref, "below": "yes", "act": "verification.approve_requirement"}
    page = text_of(client.get(reverse("web:audit"), of_version))
    assert mine.ref in page
    assert later.ref not in page
    everything = text_of(client.get(reverse("web:audit"), {"act": "verification.approve_requirement"}))
    assert later.ref in everything


@pytest.mark.evidence("frozen")
def test_what_waits_on_others_never_names_the_reader(world, version):
    for name in ("owner", "process_expert", "validator", "approver", "author"):
        page = browser(world.people[name]).get(reverse("web:work")).content.decode()
        _, heading, waiting = page.partition("Waiting on others")
        assert not heading or "You" not in waiting.partition("</section>")[0], name
