"""Of one attempt: not there (404), not yours (403), not now (409), and only then what is wrong with the input (422)."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, reverse
from rest_framework.test import APIClient

from apps.access.acts import request_assignment
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.quality.acts import open_deviation
from apps.quality.review_acts import open_trail_review
from apps.trail.models import Entry
from apps.verification.acts import link_requirement
from tests.factories.evidence import validated_world
from tests.factories.explanations import submitted
from tests.factories.verification import approved
from tests.house.test_access_matrix import routes

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]
BACKEND = "django.contrib.auth.backends.ModelBackend"

# URL name -> who sees the record and lacks the duty; the parent named in the body where the URL names none.
ACTS = {
    "api:person-list": ("author", {}),
    "api:person-deactivate": ("compliance", {}),
    "api:person-confirm-identity": ("administrator", {}),
    "api:person-unlock": ("compliance", {}),
    "api:assignment-list": ("author", {"on": "models/lotx"}),
    "api:assignment-refuse": ("author", {}),
    "api:assignment-end": ("author", {}),
    "api:model_people_request": ("author", {}),
    "api:models-list": ("author", {}),
    "api:models-intended-uses": ("author", {}),
    "api:models-uploads": ("validator", {}),
    "api:intended-uses-sign": ("author", {"signing_as": "owner"}),
    "api:versions-list": ("validator", {"model": "lotx"}),
    "api:versions-authors": ("validator", {}),
    "api:versions-download": ("approver", {}),
    "api:datasets-list": ("author", {}),
    "api:dataset-versions-list": ("author", {"dataset": "trial", "partition": "train"}),
    "api:dataset-versions-download": ("inspector", {}),
    "api:version_plans": ("author", {}),
    "api:version_deviations": ("author", {}),
    "api:suspend": ("author", {}),
    "api:plans-sign-author": ("author", {}),
    "api:plans-sign-approval": ("author", {}),
    "api:plans-replace": ("author", {}),
    "api:runs-cases": ("author", {}),
    "api:runs-cancel": ("author", {}),
    "api:bias_reports-sign": ("author", {}),
    "api:bias_reports-cancel": ("author", {}),
    "api:bias_reports-notes": ("approver", {}),
    "api:run_submitted_explanations": ("author", {}),
    "api:explanations-cancel": ("author", {}),
    "api:explanations-review": ("author", {}),
    "api:explanations-sign-expert": ("author", {}),
    "api:explanations-sign-quality": ("author", {}),
    "api:deviations-accept": ("author", {}),
    "api:deviations-close": ("author", {}),
    "api:gates-minute": ("author", {}),
    "api:version_trail_reviews": ("author", {}),
    "api:trail_reviews-findings": ("author", {}),
    "api:trail_reviews-seen": ("author", {}),
    "api:trail_reviews-sign": ("author", {}),
    "api:trail_reviews-withdraw": ("author", {}),
    "api:slots-sign": ("author", {}),
    "api:risks-list": ("author", {"model": "lotx"}),
    "api:requirements-list": ("author", {"model": "lotx"}),
    "api:requirements-approve": ("author", {}),
    "api:requirements-withdraw": ("author", {}),
    "api:version_evidence": ("approver", {}),
    "api:version_links": ("approver", {}),
    "api:version_link_end": ("approver", {}),
    "api:version_claims": ("approver", {}),
}
# POSTs that take no input, or that everybody may who sees the record.
WITHOUT = {
    # Several records in one ceremony are asked in tests/access/test_ceremony.py.
    "api:sign_together",
    "api:assignment-approve",
    # Several at once are asked in tests/access/test_approving.py.
    "api:assignment-approve-many",
    # Review boards are asked in tests/api/test_boards.py.
    "api:board-amend",
    "api:board-change-approve",
    "api:board-change-refuse",
    "api:board-end",
    "api:board-list",
    "api:board-seats",
    "api:meeting-conditions",
    "api:meeting-download",
    "api:meeting-list",
    "api:meeting-minute",
    "api:meeting-sign",
    "api:meeting-withdraw",
    "api:seat-approve",
    "api:seat-end",
    "api:seat-refuse",
    "api:dataset-versions-profile",
    "api:evidence-file",
    "api:gates-minute-file",
    "api:gates-verify-trail",
    "api:packs-download",
    "api:packs-list",
    "api:person-renew-enrolment",
    "api:plans-compare",
    "api:plans-runs",
    # Probes are asked in tests/api/test_probes.py.
    "api:plan_probe_plans",
    "api:probe_plans-reports",
    "api:probe_plans-sign-approval",
    "api:probe_plans-sign-author",
    "api:probe_reports-cancel",
    "api:version_probe_evidence",
    "api:run_bias_reports",
    "api:run_explanations",
    "api:token-end",
    "api:trail_export",
    "api:trail_reviews-extend",
    "api:version_gate",
    "api:versions-freeze",
    # Changes of the rules are asked in tests/access/test_rule_doors.py.
    "api:rule-change-list",
    "api:rule-change-replay",
    "api:rule-change-sign",
    "api:rule-change-withdraw",
    # Trying duties out is no act: tests/access/test_together.py.
    "api:model_people_simulate",
    # Training and access reviews are asked in tests/api/test_training_and_reviews.py.
    "api:access-review-list",
    "api:access-review-withdraw",
    "api:review-sheet-decide",
    "api:review-sheet-sign",
    "api:training-accept-policy",
    "api:training-evidence",
    "api:training-list",
    "api:training-matrix-list",
    # Resets and links are asked in tests/api/test_security.py.
    # Who may is judged of the record that the body names: tests/access/test_asks.py.
    "api:ask-list",
    "api:ask-respond",
    # Corrections are asked in tests/accounts/test_corrections.py.
    "api:correction-approve",
    "api:correction-list",
    "api:correction-refuse",
    "api:correction-withdraw",
    # Erasures and holds are asked in tests/web/test_erasures.py.
    "api:erasure-approve",
    "api:erasure-list",
    "api:erasure-refuse",
    "api:erasure-withdraw",
    "api:hold-lift",
    "api:hold-list",
    "api:reset-approve",
    "api:reset-list",
    "api:reset-refuse",
    "api:reset-withdraw",
    "api:sign-on-end",
    "api:sign-on-list",
    # Service accounts and trusts are asked in test_services.py, the exchange in tests/access/test_ci_identity.py.
    "api:ci_token",
    "api:service-approve",
    "api:service-end",
    "api:service-list",
    "api:service-refuse",
    "api:service-resume",
    "api:service-suspend",
    "api:service-trusts",
    "api:trust-approve",
    "api:trust-end",
    "api:trust-refuse",
    # Inspections and sensitive data are asked in tests/api/test_inspections.py.
    "api:dataset-mark",
    "api:dataset-unmark",
    "api:inspection-approve",
    "api:inspection-end",
    "api:inspection-list",
    "api:inspection-refuse",
    "api:read-grant-end",
    "api:read-grant-grant",
    "api:read-grant-list",
    "api:read-grant-refuse",
    "api:unmarking-approve",
    "api:unmarking-refuse",
    # Waivers are asked in tests/access/test_waivers.py.
    "api:waiver-list",
    "api:waiver-revoke",
    "api:waiver-sign",
}
MULTIPART = {
    "api:run_submitted_explanations",
    "api:models-uploads",
    "api:gates-minute",
    "api:version_evidence",
}


def posts() -> set[str]:
    """URL names of the API that take a POST."""
    found = set()

    def walk(patterns, namespace):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, pattern.namespace or namespace)
            elif namespace == "api" and pattern.name:
                made = pattern.callback
                actions = getattr(made, "actions", None)
                view = getattr(made, "cls", None) or getattr(made, "view_class", None)
                takes = "post" in actions if actions else hasattr(view, "post")
                if takes:
                    found.add(f"api:{pattern.name}")

    walk(get_resolver().url_patterns, "")
    return found


def test_every_act_of_the_api_is_asked_here():
    assert posts() == set(ACTS) | WITHOUT
    assert {name for name, _ in routes(get_resolver().url_patterns)} >= set(ACTS)


@pytest.fixture
def addresses(world) -> dict[str, dict]:
    evidence = validated_world(world)
    version, plan = evidence.version, evidence.plan
    gate = open_gate(world.owner, version.pk)
    given = {"title": "Noted", "description": "Seen in review.", "blocking": False}
    deviation = open_deviation(world.validator, version.pk, **given)
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind=world.model.subject_kind,
        scope_id=world.model.pk,
        reason="Needed",
    )
    required = approved(world)
    link = link_requirement(
        world.validator,
        version.pk,
        requirement=required.ref,
        target="criterion",
        pattern="C1",
        reason="The criterion shows it",
    )
    by_kind = {
        "person": {"username": "stranger"},
        "assignment": {"pk": asked.pk},
        "models": {"slug": "lotx"},
        "model_people_request": {"slug": "lotx"},
        "intended-uses": {"pk": evidence.use.pk},
        "versions": {"pk": version.pk},
        "version_plans": {"pk": version.pk},
        "version_deviations": {"pk": version.pk},
        "version_trail_reviews": {"pk": version.pk},
        "trail_reviews": {"number": open_trail_review(world.owner, version.pk).number},
        "version_evidence": {"pk": version.pk},
        "version_links": {"pk": version.pk},
        "version_link_end": {"pk": version.pk, "link_id": link.pk},
        "version_claims": {"pk": version.pk},
        "requirements": {"pk": required.pk},
        "suspend": {"pk": version.pk},
        "dataset-versions": {"pk": evidence.train.pk},
        "plans": {"number": plan.number},
        "runs": {"number": evidence.run.number},
        "bias_reports": {"number": evidence.report.number},
        "run_submitted_explanations": {"number": evidence.run.number},
        "explanations": {"number": submitted(world, evidence.run).number},
        "deviations": {"number": deviation.number},
        "gates": {"pk": gate.pk},
        "slots": {"pk": Slot.objects.get(gate=gate, code="approval").pk},
    }
    made = {}
    for name in ACTS:
        rest = name.removeprefix("api:")
        kind = next((k for k in sorted(by_kind, key=len, reverse=True) if rest.startswith(k)), "")
        made[name] = {} if rest.endswith("-list") else by_kind[kind]
    return made


def test_who_may_not_hears_that_before_anything_of_the_input(world, addresses):
    wrong = {}
    for name, (person, named) in ACTS.items():
        client = APIClient()
        client.force_login(world.people[person], backend=BACKEND)
        refusals = Entry.objects.filter(kind="refusal").count()
        url = reverse(name, kwargs=addresses[name])
        form = "multipart" if name in MULTIPART else "json"
        answer = client.post(url, named | {"nonsense": "x"}, format=form)
        entered = Entry.objects.filter(kind="refusal").count() - refusals
        if (answer.status_code, entered) != (403, 1) or not answer.json()["eligible"]:
            wrong[name] = (answer.status_code, entered, answer.json())
    assert wrong == {}


def test_who_sees_nothing_is_told_404_whatever_they_send(world, addresses):
    client = APIClient()
    client.force_login(world.other_developer, backend=BACKEND)
    wrong = {}
    for name, given in addresses.items():
        if given:
            form = "multipart" if name in MULTIPART else "json"
            answer = client.post(reverse(name, kwargs=given), {"nonsense": "x"}, format=form)
            if answer.status_code != 404:
                wrong[name] = answer.status_code
    assert wrong == {}


def test_a_signature_without_its_reason_by_who_may_not_sign_is_403(world, addresses):
    """The act demands reason and password before it looks at the record: the duty still comes first."""
    client = APIClient()
    client.force_login(world.author, backend=BACKEND)
    body = {"digest": f"sha256:{'0' * 64}", "password": "wrong"}
    url = reverse("api:deviations-accept", kwargs=addresses["api:deviations-accept"])
    answer = client.post(url, body)
    assert (answer.status_code, answer.json()["rule"]) == (403, "duty")


def test_a_wrong_password_is_entered_on_the_record_that_was_to_be_signed(world, addresses):
    given = addresses["api:slots-sign"]
    slot = Slot.objects.get(pk=given["pk"])
    client = APIClient()
    client.force_login(world.approver, backend=BACKEND)
    shown = client.get(reverse("api:slots-detail", kwargs=given)).json()["digest"]
    answer = client.post(
        reverse("api:slots-sign", kwargs=given), {"digest": shown, "password": "wrong", "reason": "Read"}
    )
    assert answer.status_code == 403
    entry = Entry.objects.filter(kind="refusal", act="approvals.sign_approval").latest("id")
    assert (entry.subject_kind, entry.subject_id) == ("approvals.slot", str(slot.pk))
    assert entry.scope == slot.scope == world.model.scope
