"""Every URL × method × person → status. A URL without its rows fails, and so does a row without a URL.

The rows stand in two files with the same keys: `access_matrix.txt` for the people of PEOPLE, `access_relations.txt`
for those of RELATED, who are named for how they stand to the objects (`matrix_people.py`). Posts carry no body: what
they answer tells who is let as far as the form's or the act's own questions (422, 409, 200, 302), and who is not
(401, 302 to sign-in, 403, 404).

A new URL: give its parameters in `things` (URLs whose only parameter is a slug need none), run this file, READ the
rows that the failure prints for each of the two files, and paste them: `python tests/house/matrix_paste.py <
failure.txt` puts them into both files, in the place of the old ones or at the end. `ONLY=pattern` in the environment
asks for the URLs whose names it matches alone.

Nothing that a cell does stays (each works in a savepoint), so facts, duties and deeds are the same for all cells and
are read once, within one `shared()`; what a POST learns it forgets at its end. `make soak` asks every cell afresh. The
pack is a small file: laying it out is tested elsewhere.
"""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.client import ClientHandler
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.access import sessions, sharing
from apps.access.acts import create_token, propose_rules, request_assignment, request_waiver
from apps.access.models import Assignment
from apps.access.rulesfile import newest_shipped
from apps.access.sharing import shared
from apps.approvals import board_acts
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core import blobs
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.packs import work
from apps.packs.acts import request_pack
from apps.packs.models import Pack
from apps.quality.acts import open_deviation
from apps.quality.review_acts import open_trail_review, record_trail_finding
from apps.robustness.models import ProbeReport
from apps.trail.models import Entry, Signature
from tests.access.test_reviews import opened, sheet_of
from tests.access.test_training import adopt, record
from tests.approvals.boards import SEATED, amended, founded, minuted, planned
from tests.factories.evidence import validated_world
from tests.factories.explanations import submitted
from tests.factories.services import asked_trust, service, service_token
from tests.house.matrix_inspections import inspected
from tests.house.matrix_people import relate
from tests.house.matrix_security import secured
from tests.house.matrix_verification import verification

pytestmark = pytest.mark.evidence("reported")

MATRIX = Path(__file__).parent / "access_matrix.txt"
RELATIONS = Path(__file__).parent / "access_relations.txt"
PEOPLE = (
    "anonymous",
    "stranger",
    "author",
    "validator",
    "approver",
    "owner",
    "compliance",
    "inspector",
    "administrator",
    "other_developer",
)
RELATED = (
    "bias_tester",
    "process_expert",
    "security",
    "registrar",
    "steward",
    "conflicted",
    "expired",
    "ended",
)
METHODS = ("GET", "POST")
ON_POSTGRESQL = 4  # there .ci/run asks every fourth URL, always the same ones; SQLite and `make soak` ask all


def routes(patterns: list, namespace: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """(name, names of its parameters) of every URL."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from routes(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            names = pattern.pattern.converters or pattern.pattern.regex.groupindex
            assert pattern.name, f"{pattern.pattern} has no name: nothing can be said of it here"
            yield f"{namespace}{pattern.name}", frozenset(names)


ROUTES = dict(routes(get_resolver().url_patterns))


@dataclass
class Things:
    """Parameters of each URL: for the model lotx that the cast works on, and for visc that they may not see."""

    lotx: dict[str, dict[str, object]]
    visc: dict[str, dict[str, object]]

    def addresses(self) -> Iterator[tuple[str, str, str]]:
        """(name, thing, address) of everything that is asked for."""
        for name, wanted in ROUTES.items():
            if not wanted:
                yield name, "-", reverse(name)
                continue
            for thing in ("lotx", "visc"):
                given = getattr(self, thing).get(name)
                if given is not None:
                    yield name, thing, reverse(name, kwargs=given)


@pytest.fixture
def things(world, monkeypatch, settings) -> Things:
    settings.SESSION_IDLE_SECONDS = (
        86400  # a session's last request is undone with its cell, and a machine may be slow
    )
    evidence = validated_world(world)
    version, plan, run, report = evidence.version, evidence.plan, evidence.run, evidence.report
    gate = open_gate(world.owner, version.pk)
    given = {"title": "Noted", "description": "Seen in review.", "blocking": False}
    deviation = open_deviation(world.validator, version.pk, **given)
    trail_review = open_trail_review(world.owner, version.pk)
    finding = record_trail_finding(world.compliance2, trail_review.pk, text="Noted")
    pack = request_pack(world.compliance, version.pk, purpose="Inspection")
    change = propose_rules(world.compliance2, content=fewer_rules(), reason="Needed")
    monkeypatch.setattr(work, "build", small_pack)
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
    monkeypatch.setattr(board_acts, "wants_board", lambda gate: True)  # the gate is of medium tier
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
        "web:bias_cancel": report.number,
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
    return Things(lotx, visc)


def fewer_rules() -> bytes:
    """The rules that came with the portal without DY21, as the next version."""
    rules = newest_shipped()
    rules["version"] += 1
    rules["dynamic"] = [rule for rule in rules["dynamic"] if rule["id"] != "DY21"]
    return json.dumps(rules).encode()


def small_pack(_pack: Pack, _report) -> tuple[datetime, dict[str, object]]:
    """What the job of a pack puts into it here: a file of one line. Laying a pack out is tested elsewhere."""
    blob = blobs.put(b"%PDF-1.7 of the access matrix", area="results")
    return now(), {
        "content_digest": blob.digest,
        "pdf_digest": blob.digest,
        "pdf_size": blob.size,
        "pages": 1,
    }


def cookie_of(user) -> str:
    """A session of this person, as sign-in makes it."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["began"] = session["seen"] = int(now().timestamp())
    session.create()
    return session.session_key


def branch(cache: dict | None) -> dict | None:
    """What is known so far, in a copy."""
    if cache is None:
        return None
    return {key: dict(value) if isinstance(value, dict) else value for key, value in cache.items()}


class Door:
    """Requests through the whole middleware, without the test client's record of every template."""

    def __init__(self) -> None:
        self.handler = ClientHandler(enforce_csrf_checks=False)
        self.handler.load_middleware()
        self.requests = RequestFactory()

    def status(self, cookie: str, method: str, address: str) -> int:
        """What is answered; whatever it did is undone."""
        headers = {"HTTP_COOKIE": f"{settings.SESSION_COOKIE_NAME}={cookie}"} if cookie else {}
        request = self.requests.generic(method, address, **headers)
        before = transaction.savepoint()
        # What a cell learns after it wrote something is forgotten together with what it wrote.
        known = sharing._cache.set(branch(sharing._cache.get())) if method == "POST" else None
        try:
            response = self.handler(request.environ)
            if response.streaming:
                b"".join(response.streaming_content)  # a download holds its file until it was read
            return response.status_code
        finally:
            if known is not None:
                sharing._cache.reset(known)
            transaction.savepoint_rollback(before)


def expected(path: Path, people: tuple[str, ...]) -> dict[tuple[str, str, str], tuple[int, ...]]:
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, method, thing, *statuses = line.split()
            assert (name, method, thing) not in rows, f"{name} {method} {thing} stands twice in {path.name}"
            assert len(statuses) == len(people), f"{path.name}: {line}"
            rows[name, method, thing] = tuple(int(status) for status in statuses)
    return rows


FILES = ((MATRIX, PEOPLE), (RELATIONS, RELATED))


@pytest.mark.parametrize(("path", "people"), FILES, ids=lambda each: getattr(each, "name", ""))
@pytest.mark.evidence(None)
def test_every_url_has_its_rows_and_every_row_its_url(path, people):
    rows = expected(path, people)
    wanted = {(name, method) for name in ROUTES for method in METHODS}
    said = {(name, method) for name, method, _ in rows}
    assert not wanted - said, f"URLs without a row in {path.name}: {sorted(wanted - said)}"
    assert not said - wanted, f"rows without a URL in {path.name}: {sorted(said - wanted)}"
    assert set(rows) == set(expected(MATRIX, PEOPLE)), "both files have the same rows"


@pytest.mark.evidence(None)
def test_the_matrix_is_as_large_as_it_should_be():
    assert sum(len(expected(path, people)) * len(people) for path, people in FILES) >= 5000


@pytest.mark.long
@pytest.mark.django_db
@pytest.mark.parametrize("door", ["api", "web"])
def test_everybody_gets_what_the_matrix_says(world, things, door):
    with shared():
        compare(world, things, door)


@pytest.mark.soak
@pytest.mark.django_db
def test_everybody_gets_the_same_when_nothing_is_shared(world, things):
    compare(world, things, "")


def compare(world, things: Things, part: str) -> None:
    """Ask every cell of one door ("api", "web", the rest with "web"; "" for all) and compare with both files."""
    everybody = (*PEOPLE, *RELATED)
    cookies = {name: "" if name == "anonymous" else cookie_of(world.people[name]) for name in everybody}
    door, only = Door(), os.environ.get("ONLY", "")

    def wanted(name: str) -> bool:
        if part and connection.vendor == "postgresql" and zlib.crc32(name.encode()) % ON_POSTGRESQL:
            return False
        return re.search(only, name) is not None and (not part or (part == "api") == name.startswith("api:"))

    addresses = [each for each in things.addresses() if wanted(each[0])]
    logging.disable(logging.WARNING)  # each refusal would be a line
    try:
        got = {
            (name, method, thing): {who: door.status(cookies[who], method, address) for who in everybody}
            for method in METHODS
            for name, thing, address in addresses
        }
    finally:
        logging.disable(logging.NOTSET)
    told = []
    for path, people in FILES:
        rows = expected(path, people)
        found = {key: tuple(by_name[who] for who in people) for key, by_name in got.items()}
        lines = [
            " ".join(map(str, (*key, *statuses)))
            for key, statuses in sorted(found.items(), key=lambda each: addresses_order(addresses, each[0]))
            if rows.get(key) != statuses
        ]
        told += [f"{path.name}, as it is now:", *lines] if lines else []
        unasked = {key for key in rows if wanted(key[0])} - set(found)
        assert not unasked, f"{path.name}: rows nobody asked for: {sorted(unasked)}"
    assert not told, "\n".join(told)


def addresses_order(addresses: list, key: tuple[str, str, str]) -> tuple[int, str]:
    """Where a row stands: its URL's place, GET before POST."""
    return next(i for i, (name, thing, _) in enumerate(addresses) if (name, thing) == (key[0], key[2])), key[
        1
    ]


@pytest.mark.long
@pytest.mark.django_db
def test_no_url_changes_anything_without_the_csrf_token(world, things):
    """Every POST of a browser session without the token is refused before any act is asked: nothing is recorded."""
    cookie = cookie_of(world.owner)
    before = Entry.objects.count()
    for name, thing, address in things.addresses():
        if name == "api:ci_token":
            continue  # it knows no session: what a browser brings along by itself says nothing there
        client = Client(enforce_csrf_checks=True)
        client.cookies[settings.SESSION_COOKIE_NAME] = cookie
        answer = client.post(address)
        assert answer.status_code == 403, (
            f"{name} {thing} answered {answer.status_code} without the CSRF token"
        )
    assert Entry.objects.count() == before
