"""The demo's people are trained: records by another person, a matrix in force, and one training that has lapsed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from apps.access import acts
from apps.access.models import TrainingMatrix, TrainingRecord
from apps.access.training import BOARD, book_in_force, shipped
from apps.access.training_models import POLICY
from apps.accounts.models import User
from apps.core.clock import now
from apps.registry.models import Model
from portal.demo import people, story
from portal.demo.board import SEATS

DAYS_AGO = 120
# T. Ito works beside R. Silva, who made both versions: the portal refuses her what a developer does, and says why.
LAPSED = {("tito", "data_integrity"): 24}  # months ago
SOON = {("rsilva", "security"): 345}  # days ago: it lapses within three weeks, and his work says so


def train_everybody(everybody: Mapping[str, User]) -> None:
    """Record what the shipped matrix asks of each person, then put it into force. Nothing twice."""
    if TrainingMatrix.objects.exists():
        return
    compliance, registrar = (everybody[people.by_duty(duty).username] for duty in ("compliance", "registrar"))
    models = list(Model.objects.filter(slug__in=[story.MODEL_SLUG, story.HOLD_SLUG]).order_by("pk"))
    book = shipped()
    for person in people.PEOPLE:
        held = [duty for duty, _where in person.duties] + ([BOARD] if person.username in SEATS else [])
        wanted = {kind for each in held for kind in book.duties[each]}
        user = everybody[person.username]
        recorder = registrar if user.pk == compliance.pk else compliance
        for kind in [each for each in book.kinds if each in wanted]:
            if kind == POLICY:
                if not TrainingRecord.objects.filter(person=user, kind=kind).exists():
                    acts.accept_signature_policy(user, user.pk, edition=book.edition(POLICY))
                continue
            for model_id in [each.pk for each in models] if book.kinds[kind].per_model else [0]:
                if TrainingRecord.objects.filter(person=user, kind=kind, model_id=model_id).exists():
                    continue
                acts.record_training(
                    recorder,
                    user.pk,
                    kind=kind,
                    completed_on=_done(person.username, kind),
                    evidence=f"Learning portal, course “{book.kinds[kind].title}”, passed",
                    model_id=model_id,
                )
    acts.adopt_training_matrix(
        compliance,
        seen=book_in_force().version,
        needs=book.duties,
        reason="Training plan of the clinical units, section 4",
    )


def _done(username: str, kind: str) -> date:
    today = now().date()
    if (username, kind) in LAPSED:
        return today - timedelta(days=31 * LAPSED[username, kind])
    return today - timedelta(days=SOON.get((username, kind), DAYS_AGO))
