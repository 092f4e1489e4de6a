"""Every URL × every kind of person → status. A URL without its rows fails, and so does a row without a URL.

The rows stand in `access_matrix.txt`. Posts carry no body: what they answer tells who is let as far as the form's or
the act's own questions (422, 409, 200, 302), and who is not (401, 302 to sign-in, 403, 404). When a door changes on
purpose, the failure prints the rows as they are now; read them before you paste them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.access import sessions
from apps.access.acts import create_token, request_assignment, request_waiver
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.packs.acts import request_pack
from apps.quality.acts import open_deviation
from apps.trail.models import Entry, Signature
from tests.factories.evidence import validated_world

MATRIX = Path(__file__).parent / "access_matrix.txt"
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
METHODS = ("GET", "POST")


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
def things(world) -> Things:
    evidence = validated_world(world)
    version, plan, run, report = evidence.version, evidence.plan, evidence.run, evidence.report
    gate = open_gate(world.owner, version.pk)
    given = {"title": "Noted", "description": "Seen in review.", "blocking": False}
    deviation = open_deviation(world.validator, version.pk, **given)
    pack = request_pack(world.compliance, version.pk, purpose="Inspection")
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
    session = sessions.begin(world.approver, "s" * 32, address="192.0.2.1", browser="")
    slot = Slot.objects.get(gate=gate, code="approval")
    signature = Signature.objects.filter(subject_kind="registry.intended_use").earliest("pk")

    def entry(scope: str) -> int:
        return Entry.objects.filter(scope=scope, kind="act").latest("pk").pk

    by_pk = {
        "api:version_gate": version.pk,
        "api:suspend": version.pk,
        "api:version_plans": version.pk,
        "api:version_deviations": version.pk,
        "api:gates-detail": gate.pk,
        "api:gates-minute": gate.pk,
        "api:gates-verify-trail": gate.pk,
        "api:slots-detail": slot.pk,
        "api:slots-sign": slot.pk,
        "api:token-detail": token.pk,
        "api:token-end": token.pk,
        "api:waiver-detail": waiver.pk,
        "api:waiver-sign": waiver.pk,
        "api:waiver-revoke": waiver.pk,
        "web:waiver": waiver.pk,
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
        "web:open_gate": version.pk,
        "web:suspend": version.pk,
    }
    by_number = {
        "api:run_bias_reports": run.number,
        "api:packs-detail": pack.number,
        "api:packs-download": pack.number,
        "api:plans-detail": plan.number,
        "api:plans-compare": plan.number,
        "api:plans-runs": plan.number,
        "api:plans-sign-approval": plan.number,
        "api:plans-sign-author": plan.number,
        "api:runs-detail": run.number,
        "api:runs-cases": run.number,
        "api:bias_reports-detail": report.number,
        "api:bias_reports-csv": report.number,
        "api:deviations-detail": deviation.number,
        "api:deviations-accept": deviation.number,
        "api:deviations-close": deviation.number,
        "web:pack": pack.number,
        "web:pack_download": pack.number,
        "web:plan": plan.number,
        "web:run_start": plan.number,
        "web:plan_compare": plan.number,
        "web:run": run.number,
        "web:bias_request": run.number,
        "web:run_cases": run.number,
        "web:bias_report": report.number,
        "web:bias_csv": report.number,
        "web:deviation": deviation.number,
    }
    people = (
        "web:person",
        "web:deactivate_account",
        "web:renew_enrolment",
        "web:confirm_identity",
        "web:unlock_account",
        "api:person-confirm-identity",
        "api:person-renew-enrolment",
        "api:person-unlock",
        "api:person-detail",
        "api:person-deactivate",
    )
    lotx = {name: {"pk": pk} for name, pk in by_pk.items()}
    lotx |= {name: {"number": number} for name, number in by_number.items()}
    lotx |= {name: {"username": "stranger"} for name in people}
    lotx |= {
        "web:enrol": {"uid": "bm9ib2R5", "token": "cabcde-0123456789abcdef0123456789abcdef"},
        "web:sign": {"act": "approvals.sign_approval", "pk": slot.pk},
        "web:signature": {"uid": uuid.UUID(str(signature.uuid))},
        "web:signature_receipt": {"uid": uuid.UUID(str(signature.uuid))},
        "web:decide_assignment": {"pk": asked.pk, "verb": "approve"},
        "web:intended_use": {"slug": "lotx", "number": evidence.use.number},
        "web:pack_request": {"slug": "lotx", "label": version.label},
        "web:version": {"slug": "lotx", "label": version.label},
        "web:section": {"slug": "lotx", "label": version.label, "section": "validation"},
        "web:dataset_version": {"slug": "trial", "number": evidence.train.number},
        "web:read_test_profile": {"slug": "trial", "number": evidence.test.number},
        "web:dataset_download": {"slug": "trial", "number": evidence.train.number},
    }
    visc: dict[str, dict[str, object]] = {
        "web:decide_assignment": {"pk": asked_other.pk, "verb": "approve"},
        "api:assignment-detail": {"pk": asked_other.pk},
        "api:assignment-approve": {"pk": asked_other.pk},
        "web:entry": {"pk": entry(world.other_model.scope)},
        "api:entry-detail": {"pk": entry(world.other_model.scope)},
    }
    for name, wanted in ROUTES.items():
        if wanted == {"slug"}:
            of_data = "dataset" in name
            lotx[name] = {"slug": "trial" if of_data else "lotx"}
            visc[name] = {"slug": "plant" if of_data else "visc"}
    return Things(lotx, visc)


def cookie_of(user) -> str:
    """A session of this person, as sign-in makes it."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key


def status_of(cookie: str, method: str, address: str) -> int:
    """What is answered; whatever it did is undone."""
    client = Client(raise_request_exception=False)
    if cookie:
        client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    before = transaction.savepoint()
    try:
        response = client.generic(method, address)
        if response.streaming:
            b"".join(response.streaming_content)  # a download holds its file until it was read
        return response.status_code
    finally:
        transaction.savepoint_rollback(before)


def expected() -> dict[tuple[str, str, str], tuple[int, ...]]:
    rows = {}
    for line in MATRIX.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, method, thing, *statuses = line.split()
            assert (name, method, thing) not in rows, f"{name} {method} {thing} stands twice"
            rows[name, method, thing] = tuple(int(status) for status in statuses)
    return rows


def test_every_url_has_its_rows_and_every_row_its_url():
    rows = expected()
    wanted = {(name, method) for name in ROUTES for method in METHODS}
    said = {(name, method) for name, method, _ in rows}
    assert not wanted - said, f"URLs without a row in {MATRIX.name}: {sorted(wanted - said)}"
    assert not said - wanted, f"rows without a URL: {sorted(said - wanted)}"
    assert {len(statuses) for statuses in rows.values()} == {len(PEOPLE)}


@pytest.mark.django_db
def test_everybody_gets_what_the_matrix_says(world, things):
    cookies = {name: "" if name == "anonymous" else cookie_of(world.people[name]) for name in PEOPLE}
    got = {
        (name, method, thing): tuple(status_of(cookies[person], method, address) for person in PEOPLE)
        for name, thing, address in things.addresses()
        for method in METHODS
    }
    rows = expected()
    differing = [" ".join(map(str, (*key, *found))) for key, found in got.items() if rows.get(key) != found]
    assert not differing, "as it is now:\n" + "\n".join(differing)
    assert set(rows) == set(got), f"rows nobody asked for: {sorted(set(rows) - set(got))}"


@pytest.mark.django_db
def test_no_url_changes_anything_without_the_csrf_token(world, things):
    """Every POST of a browser session without the token is refused before any act is asked: nothing is recorded."""
    cookie = cookie_of(world.owner)
    before = Entry.objects.count()
    for name, thing, address in things.addresses():
        client = Client(enforce_csrf_checks=True)
        client.cookies[settings.SESSION_COOKIE_NAME] = cookie
        answer = client.post(address)
        assert answer.status_code == 403, (
            f"{name} {thing} answered {answer.status_code} without the CSRF token"
        )
    assert Entry.objects.count() == before
