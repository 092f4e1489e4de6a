"""May this version be registered, frozen; may this use be signed? Pure: facts in, Refused out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from apps.core.entered import Entered
from apps.core.errors import WrongState
from apps.registry.states import Format, Level, State

LABEL = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")
# Labels that would be taken for pages of the model.
RESERVED = frozenset({"people", "intended-use", "new-version", "compare", "register"})
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
# A registration or a rejection of the same bytes stands in nobody's way; anything frozen does.
NO_TWIN = (State.REGISTERED, State.REJECTED)


def checked_version(given: Mapping[str, Any], *, known_labels: Collection[str]) -> dict[str, Any]:
    """What a version says about itself in its stored form; BadInput with each problem beside its field.

    Decimals of hyperparameters, claims and interface are kept as text, so that no database rounds them.
    """
    entered = Entered("The version was not registered.")
    label = entered.text("label", given["label"], most=40)
    if not LABEL.fullmatch(label) or label in RESERVED:
        entered.wrong(
            "label",
            "1 to 40 letters, digits, dots, dashes or underscores, such as 1.2.0; not the name of a page.",
        )
    elif label in known_labels:
        entered.wrong("label", "This model has a version with this label. Labels are never reused.")
    if given["artefact_format"] not in list(Format):
        entered.wrong("artefact", "The model file must be ONNX, or scikit-learn saved by skops.")
    cleaned = {
        "label": label,
        "artefact_format": given["artefact_format"],
        "artefact_digest": entered.digest(
            "artefact", given["artefact_digest"], missing="Choose a model file."
        ),
        "artefact_name": entered.text(
            "artefact", given["artefact_name"], most=200, missing="The file has no name."
        ),
        "interface": entered.settings("artefact", given["interface"]),
        "code_commit": entered.commit(
            "code_commit", given["code_commit"], missing="Enter the code's commit."
        ),
        "code_archive_digest": entered.digest("code_archive", given["code_archive_digest"]),
        "environment_digest": entered.digest("environment", given["environment_digest"]),
        "image_digest": entered.digest("image_digest", given["image_digest"]),
        "note": entered.text("note", given["note"]),
    }
    for name in ("hyperparameters", "claimed_metrics"):
        cleaned[name] = entered.settings(name, given[name])
        if len(json.dumps(cleaned[name])) > MAX_JSON:
            entered.wrong(name, f"At most {MAX_JSON} characters of JSON.")
    features = given["features"]
    if not isinstance(features, list) or not all(isinstance(f, str) and f.strip() for f in features):
        entered.wrong("features", "Name the input columns, one each.")
    elif len(set(features)) != len(features):
        entered.wrong("features", "A column is named twice.")
    elif problem := unfit_features(features, cleaned["interface"]):
        entered.wrong("features", problem)
    else:
        cleaned["features"] = features or cleaned["interface"].get("columns") or []
    if not given["author_ids"]:
        entered.wrong("authors", "Name at least one author: everybody whose work is in this version.")
    if not given["data_version_ids"]:
        entered.wrong("data_versions", "Name the dataset versions it was trained or tuned on.")
    entered.done()
    return cleaned


def unfit_features(features: Sequence[str], interface: Mapping[str, Any]) -> str:
    """Why the declared features cannot be the model's inputs, as a sentence; empty when they can."""
    columns, inputs = interface.get("columns"), interface.get("inputs") or []
    shape = inputs[0]["shape"] if len(inputs) == 1 else []
    width = shape[1] if len(shape) == 2 else None
    if width == 1:
        return ""  # one input of one number: named or not, the file alone does not tell
    if columns:
        odd = sorted(set(features) ^ set(columns))
        if features and odd:
            return f"The model names its own inputs; these differ: {', '.join(odd[:12])}."
        return ""
    if inputs and not features:
        return f"The model takes {width or 'its'} numbers without names: name the columns, in their order."
    if width is not None and len(features) != width:
        return f"The model takes {width} numbers a row; {len(features)} columns are named."
    return ""


def checked_use(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every part of an intended use in its stored form; BadInput with each problem beside its field."""
    entered = Entered("The intended use was not written.")
    cleaned: dict[str, Any] = {
        name: entered.text(name, given.get(name, ""), missing=words) for name, words in USE_TEXTS.items()
    }
    for name in ("influence", "consequence"):
        cleaned[name] = given.get(name, "")
        if cleaned[name] not in list(Level):
            entered.wrong(name, "Choose low, medium or high.")
    for name in ("gmp_critical", "affects_people", "raised_by_one"):
        cleaned[name] = given.get(name, False)
        if not isinstance(cleaned[name], bool):
            entered.wrong(name, "Say yes or no.")
    cleaned["raised_rationale"] = entered.text(
        "raised_rationale",
        given.get("raised_rationale", ""),
        missing="Say why the tier is raised: vulnerable people, no later detection, or a first use."
        if cleaned["raised_by_one"]
        else "",
    )
    for name in sorted(set(given) - set(cleaned)):
        entered.wrong(name, "There is no such field.")
    entered.done()
    return cleaned


def may_sign_use(ref: str, words: str, *, newest: bool, signed: bool) -> None:
    """The newest number, once by each of the two."""
    what = f"{ref} cannot be signed by the {words}."
    if signed:
        raise WrongState(
            what,
            fact=f"It has the {words}'s valid signature already.",
            rule="once-only",
            who=["nobody: it is signed"],
        )
    if not newest:
        raise WrongState(
            what,
            fact="A newer number was written since.",
            rule="PC20: the intended use in force is the newest",
            who=[f"the {words}, on the newest number"],
        )


def may_freeze(state: str) -> None:
    if state != State.REGISTERED:
        raise WrongState(
            "This version is frozen already.",
            fact=f"It is {state.replace('_', ' ')}.",
            rule="frozen-is-frozen",
            who=["nobody: a change is a new version"],
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
            who=["nobody"],
        )
