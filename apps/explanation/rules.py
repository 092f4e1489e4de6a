"""What a feature review must say, pure: facts in, BadInput out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.errors import BadInput, WrongState
from apps.explanation.states import DECISION_WORDS, Decision
from apps.registry.states import WORDS as VERSION_WORDS
from apps.registry.states import State as VersionState

MAX_REASON = 2000
DECIDED = (VersionState.RELEASED, VersionState.REJECTED, VersionState.SUSPENDED)
ALLOWED = frozenset(str(each) for each in Decision)


def wanted(tier: str, affects_people: bool) -> bool:
    """Whether a release must be explained: at high tier, and where decisions materially affect people (PC27)."""
    return tier == "high" or affects_people


def refuse_decided(state: str, ref: str, what: str) -> None:
    """A decision rests on the explanation that was there: nothing is added once the version is decided."""
    if VersionState(state) in DECIDED:
        raise WrongState(
            what,
            fact=f"{ref} is {VERSION_WORDS[VersionState(state)].lower()}.",
            rule="PC28",
            who=["nobody: its release was decided"],
        )


def checked_class(name: str, classes: Sequence[str]) -> str:
    """The class to explain, empty for none. classes: of the plan, empty where it is not about several."""
    name = str(name).strip()
    if name and name not in classes:
        known = f"One of: {', '.join(classes)}." if classes else "The plan is not about several classes."
        message = f"{known} Or leave it empty."
        raise BadInput(
            "The explanation was not asked for.",
            rule="explained-class",
            fields={"explained_class": [message]},
        )
    return name


def checked_review(
    features: Sequence[str],
    *,
    decisions: Mapping[str, Any],
    surrogate: Mapping[str, Any],
    conclusion: str,
) -> dict[str, Any]:
    """The review as it is kept: {"features": [{"feature", "decision", "reason"}], "surrogate": {…}, "conclusion"}.

    decisions: feature -> {"decision", "reason"}. Every feature and the surrogate are decided; whatever is not plausible
    has a reason, and the whole has a conclusion. Raises BadInput whose fields are `features.<place from 0>.decision`,
    `features.<place>.reason`, `surrogate.decision`, `surrogate.reason`, `conclusion`, `decisions`.
    """
    problems: dict[str, list[str]] = {}
    kept = []
    for place, feature in enumerate(features):
        given = decisions.get(feature)
        kept.append({"feature": feature} | _decided(given, f"features.{place}", f"“{feature}”", problems))
    if unknown := sorted(set(decisions) - set(features)):
        problems["decisions"] = [f"The report has no feature {', '.join(map(str, unknown[:5]))}."]
    of_tree = _decided(surrogate, "surrogate", "the surrogate tree", problems)
    said = str(conclusion).strip()
    if not said:
        problems["conclusion"] = ["Say in a sentence or two why the model may be believed, or not."]
    elif len(said) > MAX_REASON:
        problems["conclusion"] = [f"At most {MAX_REASON:,} characters."]
    if problems:
        raise BadInput("The review was not written.", rule="PC27", fields=problems)
    return {"features": kept, "surrogate": of_tree, "conclusion": said}


def _decided(given: Any, field: str, what: str, problems: dict[str, list[str]]) -> dict[str, str]:
    given = given if isinstance(given, Mapping) else {}
    decision, reason = str(given.get("decision") or ""), str(given.get("reason") or "").strip()
    if decision not in ALLOWED:
        words = ", ".join(DECISION_WORDS.values()).lower()
        problems[f"{field}.decision"] = [f"Decide on {what}: {words}."]
    elif decision != Decision.PLAUSIBLE and not reason:
        problems[f"{field}.reason"] = [f"Say why {what} is not plausible, or what is to be followed up."]
    if len(reason) > MAX_REASON:
        problems[f"{field}.reason"] = [f"At most {MAX_REASON:,} characters."]
    return {"decision": decision, "reason": reason}


def doubts(review: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a review does not find plausible: [{"id", "what", "decision", "reason"}], features first."""
    if not review:
        return []
    found = [
        {"id": f"feature {each['feature']}"[:120], "what": each["feature"], **_said(each)}
        for each in review["features"]
    ]
    found.append({"id": "surrogate", "what": "the surrogate tree", **_said(review["surrogate"])})
    return [each for each in found if each["decision"] != Decision.PLAUSIBLE]


def _said(given: Mapping[str, str]) -> dict[str, str]:
    return {"decision": given["decision"], "reason": given["reason"]}
