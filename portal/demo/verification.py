"""The demo's risks, requirements and verification evidence. Its tests are run here, on the demo's own model files.

The files say what was found just now: the JUnit file holds the checks below with their real outcome and duration, the
bill of materials the libraries the model was trained with, the scan what is in the model file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from apps.access.signing import SignatureInput, content_digest
from apps.accounts.models import User
from apps.analysis.metrics import LABELS
from apps.core import blobs, uploads
from apps.core.clock import now
from apps.core.digests import sha256_hex
from apps.registry.models import IntendedUse, Model, Version
from apps.verification import acts
from apps.verification.models import Claim, Evidence, Link, Requirement, Risk
from apps.verification.receiving import receive
from portal.demo import story, training
from portal.demo.data import DemoData
from portal.demo.people import PASSWORD, by_duty
from portal.demo.training import Trained

Say = Callable[[str], None]
People = Mapping[str, User]
TITLE = "Checks of the model file"
# Whose control a requirement is: the fourth risk of the story is met by how people work, not by the model.
RISKS = story.RISKS[:3]


@dataclass(frozen=True)
class Stated:
    """A requirement of the demo. risks: places in RISKS, from 1; shown: targets that link it to the plan."""

    text: str
    source: str
    risks: tuple[int, ...] = ()
    clauses: tuple[str, ...] = ()
    shown: tuple[tuple[str, str], ...] = ()


REQUIREMENTS = (
    Stated(
        "It ranks patients who progress above patients who do not, and finds more than half of them.",
        "use",
        clauses=("EU GMP Annex 22 draft 4.1",),
        shown=(("criterion", "C1"), ("criterion", "C2")),
    ),
    Stated(
        "It finds progression in women and in men, and no group is flagged far less often than another.",
        "risk",
        risks=(1,),
        clauses=("EU GMP Annex 22 draft 3.2",),
        shown=(("criterion", "C3"), ("criterion", "C4"), ("limit", "F1")),
    ),
    Stated("It is trained on data in which the outcomes of women are complete.", "risk", risks=(2,)),
    Stated("It takes the declared inputs and no others, counts as numbers.", "risk", risks=(3,)),
    Stated("The same inputs give the same score.", "clause", clauses=("EU GMP Annex 22 draft 1",)),
)


def _of(everybody: People, duty: str) -> User:
    return everybody[by_duty(duty).username]


def _number(kind: type[Risk] | type[Requirement], model: Model, place: int) -> int | None:
    """The number, of all models, of the `place`-th risk or requirement of this one; None before it is written."""
    given = sorted(set(kind.objects.filter(model=model).values_list("number", flat=True)))
    return given[place - 1] if place <= len(given) else None


def require(use: IntendedUse, everybody: People, say: Say) -> None:
    """The risks and requirements of an intended use, or their next revisions for it, written and approved."""
    expert, approver, model = _of(everybody, "process_expert"), _of(everybody, "approver"), use.model
    if not Requirement.objects.filter(model=model, intended_use=use).exists():
        say(f"Writing the requirements of {use.ref}")
    for place, risk in enumerate(RISKS, start=1):
        known = _number(Risk, model, place)
        if known is None or not Risk.objects.filter(number=known, intended_use=use).exists():
            given = {
                name: getattr(risk, name) for name in ("hazard", "harm", "severity", "likelihood", "control")
            }
            acts.write_risk(expert, model.pk, given=given, revises=known, reason="Risk workshop")
    for place, stated in enumerate(REQUIREMENTS, start=1):
        known = _number(Requirement, model, place)
        row = Requirement.objects.filter(number=known, intended_use=use).order_by("-revision").first()
        if row is None:
            risks = [_number(Risk, model, each) for each in stated.risks]
            given = {"text": stated.text, "source": stated.source, "risks": risks}
            given["clauses"] = list(stated.clauses)
            row = acts.write_requirement(
                expert, model.pk, given=given, revises=known, reason=f"From {use.ref}"
            )
        if row.state == "draft":
            signature = SignatureInput(digest=content_digest(row), password=PASSWORD)
            acts.approve_requirement(approver, row.pk, signature=signature)


def verify(version: Version, made: Trained, data: DemoData, everybody: People, say: Say) -> None:
    """Tests, bill of materials, scan and claim of a version, and the links that a plan's criteria need."""
    if Evidence.objects.filter(version=version).exists():
        return
    say(f"Verifying {version.label}")
    developer, path = _of(everybody, "developer"), blobs.path(version.artefact_digest)
    files = (
        ("junit", TITLE, "model-checks.xml", _junit(version.model, made, path, data)),
        ("sbom", "Libraries of the training", "training.cdx.json", _sbom(made)),
        ("sarif", "Scan of the model file", "model-file.sarif", _scan(path)),
    )
    for kind, title, name, content in files:
        received = receive(uploads.of(blobs.put(content), name), kind)
        acts.attach_evidence(
            developer, version.pk, received=received, title=title, commit=version.code_commit,
            tool="countersign demo", tool_version=metadata.version("numpy") if kind == "sbom" else "1",
        )  # fmt: skip
    for place, stated in enumerate(REQUIREMENTS, start=1):
        for target, pattern in stated.shown:
            if not Link.objects.filter(
                version=version, target=target, pattern=pattern, ended_at=None
            ).exists():
                acts.link_requirement(
                    _of(everybody, "validator"), version.pk, target=target, pattern=pattern,
                    requirement=f"REQ-{_number(Requirement, version.model, place)}",
                    reason="The plan judges it on data the developers have not seen.",
                )  # fmt: skip
    if not Claim.objects.filter(version=version).exists():
        acts.submit_claim(developer, version.pk, given=_claim(made, data))


# The checks: each returns nothing, or says what is wrong.


def _sessions(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _scores(made: Trained, path: Path, table: Path) -> list[float]:
    import numpy

    inputs, _ = training.read_table(table, made.features, made.texts)
    feeds = {
        name: inputs[name].to_numpy().astype(object if name in made.texts else numpy.float32).reshape(-1, 1)
        for name in made.features
    }
    return [float(row[1]) for row in _sessions(path).run(None, feeds)[1]]


def _same_scores(made: Trained, path: Path, data: DemoData) -> str:
    return "" if _scores(made, path, data.tune) == _scores(made, path, data.tune) else "two runs differ"


def _scores_in_range(made: Trained, path: Path, data: DemoData) -> str:
    wrong = sum(not 0 <= score <= 1 for score in _scores(made, path, data.tune))
    return f"{wrong} scores lie outside 0 to 1" if wrong else ""


def _declared_inputs(made: Trained, path: Path, _data: DemoData) -> str:
    found = [each.name for each in _sessions(path).get_inputs()]
    return "" if found == list(made.features) else f"the file takes {found}"


def _numbers_are_numbers(made: Trained, path: Path, _data: DemoData) -> str:
    wrong = [
        e.name for e in _sessions(path).get_inputs() if (e.type != "tensor(float)") != (e.name in made.texts)
    ]
    return f"of another type: {wrong}" if wrong else ""


def _outcomes_complete(made: Trained, _path: Path, data: DemoData) -> str:
    """Women progress about as often in the training data as in the tuning data; where forms are missing, far less."""
    rates = []
    for table in (getattr(data, made.training), data.tune):
        inputs, labels = training.read_table(table, ("sex",), ("sex",))
        rates.append(float(labels[inputs["sex"].to_numpy() == "female"].mean()))
    return (
        f"event rate of women {rates[0]:.3f}, in the tuning data {rates[1]:.3f}"
        if rates[0] < rates[1] / 2
        else ""
    )


CHECKS: tuple[tuple[str, int, Callable[[Trained, Path, DemoData], str]], ...] = (
    ("test_scores_lie_between_0_and_1", 1, _scores_in_range),
    ("test_outcomes_of_women_are_complete", 3, _outcomes_complete),
    ("test_file_takes_the_declared_inputs", 4, _declared_inputs),
    ("test_counts_are_numbers", 4, _numbers_are_numbers),
    ("test_same_rows_give_same_scores", 5, _same_scores),
)


def _junit(model: Model, made: Trained, path: Path, data: DemoData) -> bytes:
    cases = []
    for name, place, check in CHECKS:
        requirement = _number(Requirement, model, place)
        begun = time.perf_counter()
        wrong = check(made, path, data)
        took = time.perf_counter() - begun
        failure = f"<failure message={quoteattr(wrong)}/>" if wrong else ""
        cases.append(
            f'<testcase classname="model_file" name="{name}" time="{took:.3f}"><properties>'
            f'<property name="requirement" value="REQ-{requirement}"/></properties>{failure}</testcase>'
        )
    return (
        f'<testsuites><testsuite name="model_file" tests="{len(cases)}" timestamp="{now().isoformat()}">'
        f"{''.join(cases)}</testsuite></testsuites>"
    ).encode()


def _licence(name: str) -> str:
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    return (told.get("License-Expression") or told.get("License") or "").splitlines()[0][:80] if told else ""


def _sbom(made: Trained) -> bytes:
    parts = []
    for name, number in sorted(made.environment.items()):
        said = "PSF-2.0" if name == "python" else _licence(name)
        licences = [{"license": {"name": said}}] if said else []
        parts.append({"type": "library", "name": name, "version": number, "licenses": licences})
    head = {
        "timestamp": now().isoformat(),
        "tools": {"components": [{"name": "countersign demo", "version": "1"}]},
    }
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": head, "components": parts}
    ).encode()


def _scan(path: Path) -> bytes:
    """Operators of unknown makers and data outside the file, each a finding of level error."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    found = [
        f"operator set {each.domain}" for each in model.opset_import if each.domain not in ("", "ai.onnx.ml")
    ]
    found += [f"external data of {each.name}" for each in model.graph.initializer if each.external_data]
    run = {
        "tool": {"driver": {"name": "countersign demo scan of model files", "version": "1"}},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": now().strftime("%Y-%m-%dT%H:%M:%SZ")}],
        "results": [{"ruleId": "foreign", "level": "error", "message": {"text": text}} for text in found],
    }
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


def _claim(made: Trained, data: DemoData) -> dict[str, Any]:
    """What the developers computed themselves on the tuning data, with the digest of the script that did."""
    names = {"recall": "tpr"}
    figures = [
        {"metric": names.get(name, name), "subgroup": "all", "value": str(each["value"]), "low": "", "high": "",
         "n": int(each["n"])}
        for name, each in made.claims.items()
        if names.get(name, name) in LABELS
    ]  # fmt: skip
    script = Path(training.__file__)
    return {
        "origin": "The developers, on the tuning data",
        "figures": figures,
        "script_digest": f"sha256:{sha256_hex(script.read_bytes())}",
        "script_name": script.name,
        "data_digest": f"sha256:{sha256_hex(data.tune.read_bytes())}",
        "tool": "scikit-learn",
        "tool_version": made.environment["scikit-learn"],
        "computed_at": now(),
        "note": "",
    }
