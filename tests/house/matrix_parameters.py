"""What stands for the parameters of each URL: ids of records that are made here, by acts.

A new URL: give its parameters in `by_pk`, `by_number` or one of the tables after them. URLs whose only parameter is a
slug need none, nor do those without parameters.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from apps.access import sessions
from apps.access.acts import create_token, propose_rules, request_assignment, request_waiver
from apps.access.models import Assignment
from apps.access.rulesfile import newest_shipped
from apps.approvals import board_acts
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core import blobs
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.packs import covers, work
from apps.packs.acts import request_pack
from apps.packs.models import Pack
from apps.quality.acts import open_deviation
from apps.quality.review_acts import open_trail_review, record_trail_finding
from apps.robustness.models import ProbeReport
from apps.trail.models import Entry, Signature
from tests.access.test_reviews import opened, sheet_of
from tests.access.test_training import adopt, record
from tests.approvals.boards import SEATED, amended, founded, minuted, planned
from tests.cast import World
from tests.factories.evidence import validated_world
from tests.factories.explanations import submitted
from tests.factories.services import asked_trust, service, service_token
from tests.house.matrix_inspections import inspected
from tests.house.matrix_people import bearers, relate
from tests.house.matrix_security import secured
from tests.house.matrix_urls import ROUTES, Things
from tests.house.matrix_verification import verification

FILE = b"%PDF-1.7 of the access matrix"


@contextmanager
def as_made() -> Iterator[None]:
    """How the house is while the matrix is made and asked: what is laid out as PDF is a small file, that being tested
    elsewhere; and a gate of medium tier waits for a board."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "build", small_pack)
        patch.setattr(covers, "pdf", lambda _copy, _authority: FILE)
        patch.setattr(board_acts, "wants_board", lambda _gate: True)
        yield


def made(world: World) -> Things:
    """One record of every kind, made by acts."""
    with as_made():
        return _made(world)


def _made(world: World) -> Things:
    evidence = validated_world(world)
    version, plan, run, report = evidence.version, evidence.plan, evidence.run, evidence.report
    gate = open_gate(world.owner, version.pk)
    given = {"title": "Noted", "description": "Seen in review.", "blocking": False}
    deviation = open_deviation(world.validator, version.pk, **given)
    trail_review = open_trail_review(world.owner, version.pk)
    finding = record_trail_finding(world.compliance2, trail_review.pk, text="Noted")
    pack = request_pack(world.compliance, version.pk, purpose="Inspection")
    change = propose_rules(world.compliance2, content=fewer_rules(), reason="Needed")
    run_queued()
    asked, asked_other = (
        request_assignment(
            world.registrar,
            person_id=world.stranger.pk,
            duty="monitor",
            scope_kind=parent.subject_kind,
            scope_id=parent.pk,
            reason="Needed",
        )
        for parent in (world.model, world.other_model)
    )
    token = create_token(world.approver, name="ci", days=30)
    waiver = request_waiver(
        world.owner,
        model_id=world.model.pk,
        person_id=world.author.pk,
        rule="ST8",
        control="Four eyes",
        expires_at=now() + timedelta(days=30),
        reason="Needed",
    )
    pipeline = service(world, by="author")
    pipeline_token = service_token(world, pipeline)
    trusted = asked_trust(pipeline, "https://ci.example")
    relate(world, version)
    # The stranger stays one: what a seat alone opens has tests of its own (tests/approvals/test_board_sight.py).
    board = founded(world, {**SEATED, "monitor": ("ethics", False)})
    seat = board.members.get(person=world.monitor)
    meeting = minuted(world, planned(world, gate, board), *SEATED)
    asked_change = amended(world, board)
    session = sessions.begin(world.approver, "s" * 32, address="192.0.2.1", browser="")
    slot = Slot.objects.get(gate=gate, code="approval")
    signature = Signature.objects.filter(subject_kind="registry.intended_use").earliest("pk")

    review, review_other = (opened(world, models=[each.pk]) for each in (world.model, world.other_model))
    sheet, sheet_other = sheet_of(review), sheet_of(review_other)
    trained = record(world, "stranger")
    matrix = adopt(world, {"monitor": ["system"]})

    def entry(scope: str) -> int:
        return Entry.objects.filter(scope=scope, kind="act").latest("pk").pk

    explanation = submitted(world, run)
    probes = ProbeReport.objects.select_related("plan").get()

    by_pk = {
        "api:version_probe_evidence": version.pk,
        "web:probe_files": version.pk,
        "web:probe_plan_new": plan.pk,
        "api:version_gate": version.pk,
        "api:suspend": version.pk,
        "api:version_plans": version.pk,
        "api:version_deviations": version.pk,
        "api:version_trail_reviews": version.pk,
        "web:trail_review_new": version.pk,
        "web:trail_finding_deviation": finding.pk,
        "api:gates-detail": gate.pk,
        "api:gates-minute": gate.pk,
        "api:gates-minute-file": gate.pk,
        "api:gates-verify-trail": gate.pk,
        "api:slots-detail": slot.pk,
        "api:slots-sign": slot.pk,
        "api:token-detail": token.pk,
        "api:token-end": token.pk,
        "api:waiver-detail": waiver.pk,
        "api:waiver-sign": waiver.pk,
        "api:waiver-revoke": waiver.pk,
        "api:rule-change-detail": change.pk,
        "api:rule-change-cases": change.pk,
        "api:rule-change-sign": change.pk,
        "api:rule-change-withdraw": change.pk,
        "api:rule-change-replay": change.pk,
        "web:rules_change": change.pk,
        "web:rules_replay": change.pk,
        "web:rules_withdraw": change.pk,
        "api:trust-detail": trusted.pk,
        "api:trust-approve": trusted.pk,
        "api:trust-refuse": trusted.pk,
        "api:trust-end": trusted.pk,
        "web:service": pipeline.pk,
        "web:service_token": pipeline.pk,
        "web:trust_new": pipeline.pk,
        "web:rotate_token": pipeline_token.pk,
        "web:waiver": waiver.pk,
        "web:board": board.pk,
        "web:board_amend": board.pk,
        "web:board_end": board.pk,
        "web:seat_new": board.pk,
        "web:meeting_new": gate.pk,
        "api:board-detail": board.pk,
        "api:board-seats": board.pk,
        "api:board-amend": board.pk,
        "api:board-end": board.pk,
        "api:board-change-detail": asked_change.pk,
        "api:board-change-approve": asked_change.pk,
        "api:board-change-refuse": asked_change.pk,
        "api:seat-detail": seat.pk,
        "api:seat-approve": seat.pk,
        "api:seat-refuse": seat.pk,
        "api:seat-end": seat.pk,
        "api:meeting-detail": meeting.pk,
        "api:meeting-minute": meeting.pk,
        "api:meeting-sign": meeting.pk,
        "api:meeting-conditions": meeting.pk,
        "api:meeting-withdraw": meeting.pk,
        "api:meeting-download": meeting.pk,
        "web:waiver_revoke": waiver.pk,
        "api:assignment-detail": asked.pk,
        "api:assignment-approve": asked.pk,
        "api:assignment-end": asked.pk,
        "api:assignment-refuse": asked.pk,
        "api:entry-detail": entry(world.model.scope),
        "api:intended-uses-detail": evidence.use.pk,
        "api:intended-uses-sign": evidence.use.pk,
        "api:versions-detail": version.pk,
        "api:versions-authors": version.pk,
        "api:versions-download": version.pk,
        "api:versions-freeze": version.pk,
        "api:dataset-versions-detail": evidence.train.pk,
        "api:dataset-versions-download": evidence.train.pk,
        "api:dataset-versions-profile": evidence.test.pk,
        "web:end_token": token.pk,
        "web:end_session": session.pk,
        "web:entry": entry(world.model.scope),
        "web:plan_new": version.pk,
        "web:deviation_new": version.pk,
        "web:add_author": version.pk,
        "web:freeze": version.pk,
        "web:download_artefact": version.pk,
        "web:verify_trail": gate.pk,
        "web:minute": gate.pk,
        "web:outside_minute": gate.pk,
        "web:outside_minute_file": gate.pk,
        "web:open_gate": version.pk,
        "web:suspend": version.pk,
        "web:review": review.pk,
        "web:review_withdraw": review.pk,
        "web:review_result_json": review.pk,
        "web:review_result_csv": review.pk,
        "web:review_sheet": sheet.pk,
        "web:training_evidence": trained.pk,
        "api:access-review-detail": review.pk,
        "api:access-review-withdraw": review.pk,
        "api:access-review-result": review.pk,
        "api:review-sheet-detail": sheet.pk,
        "api:review-sheet-decide": sheet.pk,
        "api:review-sheet-sign": sheet.pk,
        "api:training-detail": trained.pk,
        "api:training-evidence": trained.pk,
        "api:training-standing-detail": Assignment.objects.get(person=world.monitor).pk,
    }
    by_number = {
        "api:plan_probe_plans": plan.number,
        "api:probe_plans-detail": probes.plan.number,
        "api:probe_plans-reports": probes.plan.number,
        "api:probe_plans-sign-approval": probes.plan.number,
        "api:probe_plans-sign-author": probes.plan.number,
        "api:probe_reports-cancel": probes.number,
        "api:probe_reports-csv": probes.number,
        "api:probe_reports-detail": probes.number,
        "web:probe_cancel": probes.number,
        "web:probe_csv": probes.number,
        "web:probe_json": probes.number,
        "web:probe_plan": probes.plan.number,
        "web:probe_report": probes.number,
        "web:probe_request": probes.plan.number,
        "api:run_explanations": run.number,
        "api:run_submitted_explanations": run.number,
        "api:explanations-cancel": explanation.number,
        "api:explanations-csv": explanation.number,
        "api:explanations-detail": explanation.number,
        "api:explanations-review": explanation.number,
        "api:explanations-sign-expert": explanation.number,
        "api:explanations-sign-quality": explanation.number,
        "web:explanation": explanation.number,
        "web:explanation_cancel": explanation.number,
        "web:explanation_csv": explanation.number,
        "web:explanation_json": explanation.number,
        "web:explanation_request": run.number,
        "web:explanation_review": explanation.number,
        "web:explanation_submit": run.number,
        "api:run_bias_reports": run.number,
        "api:packs-detail": pack.number,
        "api:packs-download": pack.number,
        "api:plans-detail": plan.number,
        "api:plans-compare": plan.number,
        "api:plans-replace": plan.number,
        "api:plans-runs": plan.number,
        "api:plans-sign-approval": plan.number,
        "api:plans-sign-author": plan.number,
        "api:runs-detail": run.number,
        "api:runs-cases": run.number,
        "api:runs-cancel": run.number,
        "api:runs-paired": run.number,
        "api:bias_reports-sign": report.number,
        "api:bias_reports-cancel": report.number,
        "web:bias_cancel": report.number,
        "api:bias_reports-notes": report.number,
        "api:bias_reports-detail": report.number,
        "api:bias_reports-csv": report.number,
        "api:deviations-detail": deviation.number,
        "api:deviations-accept": deviation.number,
        "api:deviations-close": deviation.number,
        "web:pack": pack.number,
        "web:meeting": meeting.number,
        "web:meeting_minute": meeting.number,
        "web:meeting_file": meeting.number,
        "web:meeting_conditions": meeting.number,
        "web:meeting_withdraw": meeting.number,
        "web:pack_download": pack.number,
        "web:plan": plan.number,
        "web:run_start": plan.number,
        "web:plan_compare": plan.number,
        "web:plan_replace": plan.number,
        "web:run_cancel": run.number,
        "web:bias_note": report.number,
        "web:run": run.number,
        "web:bias_request": run.number,
        "web:run_cases": run.number,
        "web:bias_report": report.number,
        "web:bias_csv": report.number,
        "web:deviation": deviation.number,
        "api:trail_reviews-detail": trail_review.number,
        "api:trail_reviews-seen": trail_review.number,
        "api:trail_reviews-findings": trail_review.number,
        "api:trail_reviews-extend": trail_review.number,
        "api:trail_reviews-withdraw": trail_review.number,
        "api:trail_reviews-sign": trail_review.number,
        "web:trail_review": trail_review.number,
        "web:trail_review_seen": trail_review.number,
        "web:trail_review_finding": trail_review.number,
        "web:trail_review_extend": trail_review.number,
        "web:trail_review_withdraw": trail_review.number,
        "web:rules_version": change.base_version,
        "web:rules_file": change.base_version,
    }
    people = (
        "web:person",
        "web:deactivate_account",
        "web:renew_enrolment",
        "web:confirm_identity",
        "web:record_training",
        "web:unlock_account",
        "web:request_correction",
        "web:place_hold",
        "web:request_reset",
        "web:propose_link",
        "api:person-confirm-identity",
        "api:person-renew-enrolment",
        "api:person-unlock",
        "api:person-detail",
        "api:person-deactivate",
        "api:person_leaving",
    )
    lotx = {name: {"pk": pk} for name, pk in by_pk.items()}
    lotx |= {name: {"number": number} for name, number in by_number.items()}
    lotx |= {name: {"name": pipeline.name} for name, wanted in ROUTES.items() if wanted == {"name"}}
    lotx |= {name: {"username": "stranger"} for name in people}
    lotx |= {
        "api:rules-detail": {"version": change.base_version},
        "api:training-matrix-detail": {"version": matrix.version},
        "api:training-matrix-following": {"version": matrix.version},
        "web:training_version": {"number": matrix.version},
        "web:enrol": {"uid": "bm9ib2R5", "token": "cabcde-0123456789abcdef0123456789abcdef"},
        "web:service_decide": {"pk": pipeline.pk, "verb": "suspend"},
        "web:trust_decide": {"pk": trusted.pk, "verb": "approve"},
        "web:run_csv": {"number": run.number, "table": "figures"},
        "web:sign": {"act": "approvals.sign_approval", "pk": slot.pk},
        "web:signature": {"uid": uuid.UUID(str(signature.uuid))},
        "web:signature_receipt": {"uid": uuid.UUID(str(signature.uuid))},
        "web:decide_assignment": {"pk": asked.pk, "verb": "approve"},
        "web:seat_decide": {"pk": seat.pk, "verb": "end"},
        "web:board_change_decide": {"pk": asked_change.pk, "verb": "refuse"},
        "web:intended_use": {"slug": "lotx", "number": evidence.use.number},
        "web:pack_request": {"slug": "lotx", "label": version.label},
        "web:version": {"slug": "lotx", "label": version.label},
        "web:section": {"slug": "lotx", "label": version.label, "section": "validation"},
        "web:dataset_version": {"slug": "trial", "number": evidence.train.number},
        "web:read_test_profile": {"slug": "trial", "number": evidence.test.number},
        "web:dataset_download": {"slug": "trial", "number": evidence.train.number},
        **inspected(world, evidence.train),
        **secured(world),
        **verification(world, version),
    }
    visc: dict[str, dict[str, object]] = {
        "web:decide_assignment": {"pk": asked_other.pk, "verb": "approve"},
        "api:assignment-detail": {"pk": asked_other.pk},
        "api:assignment-approve": {"pk": asked_other.pk},
        "web:entry": {"pk": entry(world.other_model.scope)},
        "web:review": {"pk": review_other.pk},
        "web:review_sheet": {"pk": sheet_other.pk},
        "api:access-review-detail": {"pk": review_other.pk},
        "api:review-sheet-detail": {"pk": sheet_other.pk},
        "api:entry-detail": {"pk": entry(world.other_model.scope)},
    }
    for name, wanted in ROUTES.items():
        if wanted == {"slug"}:
            of_data = "dataset" in name
            lotx[name] = {"slug": "trial" if of_data else "lotx"}
            visc[name] = {"slug": "plant" if of_data else "visc"}
    return Things(lotx, visc, tuple(world.people), bearers(world, pipeline, pipeline_token))


def fewer_rules() -> bytes:
    """The rules that came with the portal without DY21, as the next version."""
    rules = newest_shipped()
    rules["version"] += 1
    rules["dynamic"] = [rule for rule in rules["dynamic"] if rule["id"] != "DY21"]
    return json.dumps(rules).encode()


def small_pack(_pack: Pack, _report) -> tuple[datetime, dict[str, object]]:
    """What the job of a pack puts into it here: a file of one line. Laying a pack out is tested elsewhere."""
    blob = blobs.put(FILE, area="results")
    return now(), {
        "content_digest": blob.digest,
        "pdf_digest": blob.digest,
        "pdf_size": blob.size,
        "pages": 1,
    }
