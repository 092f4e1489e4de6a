"""May this version be registered, frozen; may this use be signed? Pure: facts in, Refused out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from apps.core.errors import BadInput, WrongState
from apps.registry.states import Format, Level, State

LABEL = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")
# Labels that would be taken for pages of the model.
RESERVED = frozenset({"people", "intended-use", "new-version", "compare", "register"})
COMMIT = re.compile(r"[0-9a-f]{7,64}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_JSON = 50_000
USE_TEXTS = {
    "question": "Say in one sentence which question the model answers.",
    "purpose": "Say what the output is used for, by whom, beside which other evidence.",
    "input_space": "Say which inputs the model may see: ranges, sites, rare cases.",
    "subgroups": "Name the groups whose results are looked at apart.",
    "limits": "Say what the model does not do well.",
    "misuse": "Say which misuse is foreseeable.",
    "operator_duties": "Say what the person using the output has to do.",
    "gmp_rationale": "Say why the use is or is not GMP-critical.",
    "influence_rationale": "Say why the influence is what you chose.",
    "consequence_rationale": "Say why the consequence is what you chose.",
    "residual_risk": "Say which risk remains when all of this is followed.",
}


def refuse_bad_version(given: Mapping, *, known_labels: Sequence[str]) -> None:
    """Everything a version must say about itself; each problem beside its field."""
    problems: dict[str, list[str]] = {}
    if not LABEL.fullmatch(given["label"]) or given["label"] in RESERVED:
        problems["label"] = [
            "1 to 40 letters, digits, dots, dashes or underscores, such as 1.2.0; not the name of a page."
        ]
    elif given["label"] in known_labels:
        problems["label"] = ["This model has a version with this label. Labels are never reused."]
    if given["artefact_format"] not in list(Format):
        problems["artefact"] = ["The model file must be ONNX, or scikit-learn saved by skops."]
    if not COMMIT.fullmatch(given["code_commit"]):
        problems["code_commit"] = ["A commit is 7 to 64 hex digits, in small letters."]
    if given["image_digest"] and not DIGEST.fullmatch(given["image_digest"]):
        problems["image_digest"] = ["Give sha256: and 64 hex digits, or leave it empty."]
    for name in ("hyperparameters", "claimed_metrics"):
        if not isinstance(given[name], dict):
            problems[name] = ['Give a JSON object, such as {"C": 1.0}.']
        elif len(json.dumps(given[name])) > MAX_JSON:
            problems[name] = [f"At most {MAX_JSON} characters of JSON."]
    features = given["features"]
    if not isinstance(features, list) or not all(isinstance(f, str) and f.strip() for f in features):
        problems["features"] = ["Name the input columns, one each."]
    elif len(set(features)) != len(features):
        problems["features"] = ["A column is named twice."]
    if not given["author_ids"]:
        problems["authors"] = ["Name at least one author: everybody whose work is in this version."]
    if not given["data_version_ids"]:
        problems["data_versions"] = ["Name the dataset versions it was trained or tuned on."]
    if problems:
        raise BadInput("The version was not registered.", fields=problems)


def refuse_bad_use(given: Mapping) -> None:
    """Every part of an intended use is said; levels are levels."""
    problems = {name: [words] for name, words in USE_TEXTS.items() if not str(given[name]).strip()}
    for name in ("influence", "consequence"):
        if given[name] not in list(Level):
            problems[name] = ["Choose low, medium or high."]
    if given["raised_by_one"] and not given["raised_rationale"].strip():
        problems["raised_rationale"] = [
            "Say why the tier is raised: vulnerable people, no later detection, or a first use."
        ]
    if problems:
        raise BadInput("The intended use was not written.", fields=problems)


def may_freeze(state: str) -> None:
    if state != State.REGISTERED:
        raise WrongState(
            "This version is frozen already.",
            fact=f"It is {state.replace('_', ' ')}.",
            rule="frozen-is-frozen",
        )


def refuse_unless_complete(missing: Sequence[str]) -> None:
    """Freezing fixes the digest of everything, so everything must be there."""
    if missing:
        raise WrongState(
            "This version cannot be frozen yet.",
            fact=" ".join(missing),
            rule="G3",
            who=["those named beside each open check of its release page"],
        )


def may_declare_author(state: str) -> None:
    """Authors may be added at any time before a decision; they are never removed."""
    if state in (State.RELEASED, State.REJECTED, State.SUSPENDED):
        raise WrongState(
            "This version is decided: its record of authors is closed.",
            fact=f"It is {state}. Report what was found as a deviation.",
            rule="frozen-is-frozen",
        )
