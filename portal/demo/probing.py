"""The demo's probes: what the two pipelines made of the same rows is compared, limits are locked, the probes are made.

The training pipeline is scikit-learn as it was saved, the serving pipeline the exported model under onnxruntime; both
score the tuning data, which the developers know anyway.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.access.signing import SignatureInput, content_digest
from apps.accounts.models import User
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.registry.models import Version
from apps.robustness import acts
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.robustness.states import PlanState, PrivateTraining
from apps.validations.models import Plan
from portal.demo.data import DemoData
from portal.demo.people import PASSWORD, by_duty
from portal.demo.training import Trained, read_table

ROWS = 200
BOUNDS = {
    "seed": "20261122",
    "rows": "1000",
    "cases": "100",
    "budget": "30",
    "epsilon": "0.1",
    "shift": "0.5",
}
# probe -> (at most, judged on, smallest n)
LIMITS: dict[str, tuple[str, str, int]] = {
    "noise_1": ("0.03", "near", 30),
    "noise_5": ("0.1", "near", 30),
    "missing_each": ("0.2", "near", 30),
    "unseen_category": ("0.2", "near", 30),
    "out_of_range": ("0", "near", 30),
    "far_rows": ("0.6", "near", 30),
    "units": ("0.6", "near", 30),
    "group_shift": ("0.1", "near", 30),
    "adversarial": ("0.3", "near", 30),
    "repeatability": ("0", "point", 30),
    "parity": ("0", "point", 30),
    "membership": ("0.6", "near", 100),
    "inversion": ("0.15", "near", 100),
}
WHY = (
    "Laboratory values repeat within 5 % between two measurements. Units are fixed by the form; what passes its ranges "
    "unnoticed may change at most three decisions in five, and is looked for when data arrive. A value that is missing "
    "may seldom change the decision."
)
NO_ANSWER = (
    "The form at the ward refuses an empty field before the model is asked; a value that came through empty would be "
    "asked for again, so a case without an answer is decided by a person."
)


def probe(
    version: Version,
    plan: Plan,
    made: Trained,
    data: DemoData,
    people: Mapping[str, User],
    say: Callable[[str], None],
) -> None:
    """Hand in the pipelines' files, write and lock the limits, make the probes: what is there already stays."""

    def of(duty: str) -> User:
        return people[by_duty(duty).username]

    if not ProbeEvidence.objects.filter(version=version).exists():
        say(f"Handing in what both pipelines made of the tuning data for {version.label}")
        trained, served = (
            blobs.put(_csv(scores)).digest
            for scores in (_trained_scores(made, data), _served_scores(made, data))
        )
        acts.submit_evidence(
            of("developer"),
            version.pk,
            kind="parity",
            file_digest=trained,
            file_name="scores-training-pipeline.csv",
            second_digest=served,
            second_name="scores-serving-pipeline.csv",
            key_column="row",
            tolerance="0.000001",
        )
    found = ProbePlan.objects.filter(validation_plan=plan).order_by("-number").first()
    if found is None:
        say(f"Writing limits of probes for {version.label}")
        limits = [
            {"id": name, "probe": name, "limit": limit, "rule": rule, "min_n": min_n}
            for name, (limit, rule, min_n) in LIMITS.items()
        ]
        found = acts.write_plan(
            of("validator"),
            plan.pk,
            bounds=BOUNDS,
            limits=limits,
            rationale=WHY,
            private_training=PrivateTraining.NOT_USED,
            no_answer=NO_ANSWER,
        )
    if found.state == PlanState.DRAFT:
        found = acts.sign_plan_author(of("validator"), found.pk, signature=_signature(found))
    if found.state == PlanState.AUTHORED:
        found = acts.sign_plan_approval(of("approver"), found.pk, signature=_signature(found))
    if not ProbeReport.objects.filter(plan=found).exists():
        say(f"Probing {version.label}")
        acts.request_report(of("bias_tester"), found.pk)
        run_queued()


def _signature(subject: Any) -> SignatureInput:
    return SignatureInput(digest=content_digest(subject), password=PASSWORD, decision="approved")


def _csv(scores: Sequence[float]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("row", "score"))
    writer.writerows((f"tune-{row}", repr(float(score))) for row, score in enumerate(scores, start=1))
    return out.getvalue().encode()


def _trained_scores(made: Trained, data: DemoData) -> list[float]:
    """By scikit-learn, from the file that training saved."""
    import skops.io

    inputs, _ = read_table(data.tune, made.features, made.texts)
    model = skops.io.load(made.skops, trusted=skops.io.get_untrusted_types(file=made.skops))
    scores: list[float] = model.predict_proba(inputs.slice(0, ROWS))[:, 1].tolist()
    return scores


def _served_scores(made: Trained, data: DemoData) -> list[float]:
    """By onnxruntime, from the file that is deployed."""
    import numpy as np
    import onnxruntime as ort

    inputs, _ = read_table(data.tune, made.features, made.texts)
    part = inputs.slice(0, ROWS)
    feed = {
        name: np.array(part[name].to_pylist(), dtype=object if name in made.texts else np.float32).reshape(
            -1, 1
        )
        for name in made.features
    }
    session = ort.InferenceSession(made.onnx.read_bytes(), providers=["CPUExecutionProvider"])
    scores: list[float] = session.run(None, feed)[1][:, 1].tolist()
    return scores
