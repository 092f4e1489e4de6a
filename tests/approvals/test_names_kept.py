"""A corrected printed name changes nothing of what was signed: minutes, waivers and releases keep the name of then."""

from __future__ import annotations

import pytest

from apps.access.acts import approve_correction, request_correction
from apps.access.models import Waiver
from apps.access.signing import content_digest, content_of
from apps.accounts.models import User
from apps.approvals import board_acts
from apps.approvals.board_models import Attendance, Meeting
from apps.approvals.models import Gate, Slot
from apps.approvals.queries import not_deployable
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.registry.models import Version
from apps.trail import past
from apps.trail.models import Signature
from tests.access.test_waivers import APPROVER, COMPLIANCE, ask, granted
from tests.access.test_waivers import sign as sign_waiver
from tests.approvals.boards import decided, founded, minuted, planned
from tests.approvals.test_acts import sign
from tests.cast import give
from tests.factories.evidence import signed

pytestmark = pytest.mark.evidence("high_gate")
SIGNERS = {
    "security": "stranger",  # the cast's reviewer signs the board's minute, and fills no second slot
    "review": "compliance",
    "responsibility": "owner",
    "approval": "approver",
}


def correct(world, *names: str) -> None:
    """Each of these people has another printed name from now on."""
    for name in names:
        asked = request_correction(
            world.administrator,
            world.people[name].pk,
            printed_name=f"Renamed {name.title()}",
            reason="Married",
        )
        approve_correction(world.compliance2, asked.pk, reason="Seen")
        assert User.objects.get(username=name).printed_name == f"Renamed {name.title()}"


def digests(gate: Gate) -> dict[str, str]:
    """Of the gate, its slots, its meetings and every waiver, read anew."""
    rows = [
        Gate.objects.get(pk=gate.pk),
        *Slot.objects.filter(gate=gate),
        *Meeting.objects.filter(gate=gate),
        *Waiver.objects.all(),
        Version.objects.get(pk=gate.version_id),
    ]
    return {f"{row.subject_kind} {row.pk}": content_digest(row) for row in rows}


def test_a_release_on_a_boards_minute_stands_when_names_are_corrected(world, high_gate):
    run_queued()  # the check of the trail that was asked for as the gate was opened
    granted(world, rule="DY8", person="validator", version_id=high_gate.version_id)
    give(world, "stranger", "security", world.model)
    decided(world, high_gate, founded(world))
    for code, person in SIGNERS.items():
        sign(world, high_gate, code, who=person)
    version = Version.objects.get(pk=high_gate.version_id)
    assert (version.state, not_deployable(version)) == ("released", [])
    before = digests(high_gate)
    # who attended, who signed minute, waiver and slots, whom the waiver is for, who froze and wrote the version
    correct(
        world,
        "process_expert",
        "security",
        "stranger",
        "validator",
        "approver",
        "owner",
        "compliance",
        "author",
    )
    assert digests(high_gate) == before
    for each in Signature.objects.filter(
        subject_kind__in=["approvals.slot", "approvals.meeting", "access.waiver"]
    ):
        assert before[f"{each.subject_kind} {each.subject_id}"] == each.content_digest
    assert not_deployable(Version.objects.get(pk=version.pk)) == []


def test_the_two_halves_of_a_minute_sign_one_content(world, high_gate):
    meeting = minuted(world, planned(world, high_gate, founded(world)))
    board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))
    old = world.process_expert.printed_name
    correct(world, "process_expert", "security")
    meeting = Meeting.objects.get(pk=meeting.pk)
    done = board_acts.sign_minute_member(world.stranger, meeting.pk, signature=signed(meeting))
    assert len({each.content_digest for each in done.signatures}) == 1
    assert old in {each["person"]["printed_name"] for each in content_of(done)["attendance"]}
    later = minuted(world, planned(world, high_gate, done.board))
    names = {each["person"]["printed_name"] for each in content_of(later)["attendance"]}
    assert {"Renamed Process_Expert", "Renamed Security"} < names, "a minute from now on has the new names"


@pytest.mark.evidence(None)
def test_the_two_halves_of_a_waiver_sign_one_content(world):
    waiver = ask(world)
    sign_waiver(world, waiver, APPROVER, "approver")
    correct(world, "author")
    done = sign_waiver(world, waiver, COMPLIANCE, "compliance")
    assert (done.state, len({each.content_digest for each in done.signatures})) == ("signed", 1)


def test_rows_from_before_the_name_was_kept_have_that_of_then(world, high_gate):
    meeting = minuted(world, planned(world, high_gate, founded(world)))
    waiver, moment = ask(world), now()
    before = content_digest(meeting), content_digest(waiver)
    correct(world, "security", "author")
    Attendance.objects.update(printed_name="")
    Waiver.objects.update(printed_name="")

    def today() -> tuple[str, str]:
        return tuple(content_digest(row) for row in (Meeting.objects.get(), Waiver.objects.get()))

    assert today() == before
    with past.at(moment):
        assert today() == before
