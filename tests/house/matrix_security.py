"""Second factors, resets and links for the matrix: a stranger's own ones, and what is asked for an author."""

from __future__ import annotations

from django.test import override_settings

from apps.access.acts import (
    ask,
    place_hold,
    propose_link,
    request_correction,
    request_erasure,
    request_reset,
    withdraw_correction,
)
from apps.approvals.models import Slot
from apps.trail import sealer
from apps.trail.models import Entry
from tests.factories.factors import app_for

PROVIDER = {"key": "corp", "name": "Corporate", "issuer": "https://id.example/", "client_id": "x"}


def sealed_entry(world) -> Entry:
    """An entry of the organisation with words of somebody's."""
    wish = request_correction(
        world.administrator, world.bias_tester.pk, email="b@example.org", reason="Married"
    )
    withdraw_correction(world.administrator, wish.pk, reason="Married in May")
    sealer.seal()
    return Entry.objects.filter(act="access.withdraw_correction").latest("id")


def secured(world) -> dict[str, dict[str, object]]:
    """Parameters by URL name."""
    factor, _ = app_for(world.stranger)
    entry = sealed_entry(world)  # before what is asked for: the newest of each kind is judged
    reset = request_reset(world.administrator, world.author.pk, what="password", reason="Lost")
    correction = request_correction(
        world.administrator, world.author.pk, printed_name="Anna Author", reason="Typo"
    )
    with override_settings(OIDC_PROVIDERS=[PROVIDER]):
        link = propose_link(world.administrator, world.stranger.pk, provider="corp", subject="abc")
    hold = place_hold(world.compliance, world.stranger.pk, reason="A matter")
    erasure = request_erasure(
        world.compliance, entry.pk, passages=["Married"], basis="17-1-d", reason="Not to stand here"
    )
    slot = Slot.objects.get(code="approval")
    asked = ask(world.process_expert, "approvals.sign_approval", slot.pk, person_id=world.approver.pk)
    by_pk = {
        "web:ask": asked.pk,
        "api:ask-detail": asked.pk,
        "api:ask-respond": asked.pk,
        "web:name_factor": factor.pk,
        "web:end_factor": factor.pk,
        "api:second-factor-detail": factor.pk,
        "web:correction": correction.pk,
        "web:approve_correction": correction.pk,
        "web:refuse_correction": correction.pk,
        "web:withdraw_correction": correction.pk,
        "api:correction-detail": correction.pk,
        "api:correction-approve": correction.pk,
        "api:correction-refuse": correction.pk,
        "api:correction-withdraw": correction.pk,
        "web:erasure": erasure.pk,
        "web:approve_erasure": erasure.pk,
        "web:refuse_erasure": erasure.pk,
        "web:withdraw_erasure": erasure.pk,
        "web:request_erasure": entry.pk,
        "web:lift_hold": hold.pk,
        "api:erasure-detail": erasure.pk,
        "api:erasure-approve": erasure.pk,
        "api:erasure-refuse": erasure.pk,
        "api:erasure-withdraw": erasure.pk,
        "api:hold-detail": hold.pk,
        "api:hold-lift": hold.pk,
        "web:reset": reset.pk,
        "web:approve_reset": reset.pk,
        "web:refuse_reset": reset.pk,
        "web:withdraw_reset": reset.pk,
        "api:reset-detail": reset.pk,
        "api:reset-approve": reset.pk,
        "api:reset-refuse": reset.pk,
        "api:reset-withdraw": reset.pk,
        "web:confirm_link": link.pk,
        "web:end_own_link": link.pk,
        "web:end_link": link.pk,
        "api:sign-on-detail": link.pk,
        "api:sign-on-end": link.pk,
    }
    return {name: {"pk": pk} for name, pk in by_pk.items()} | {
        "web:ask_somebody": {"act": "approvals.sign_approval", "pk": slot.pk},
        "web:other_access": {"kind": "tokens"},
        "api:access-register-other": {"kind": "tokens"},
        "web:sso_leave": {"key": "corp"},
        "web:sso_return": {"key": "corp"},
    }
