"""May this risk, requirement, evidence, link or claim be recorded? Pure: facts in, Refused out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.core.entered import Entered
from apps.core.errors import BadInput, WrongState
from apps.core.rulewords import stands
from apps.verification.states import WORDS, Kind, Source, State, Target

MAX_CLAUSES = 30
MAX_FIGURES = 200
DECIDED = ("released", "rejected", "suspended")  # states of a version: apps.registry.states
SKEW = timedelta(minutes=5)  # between the clock of the tool's machine and ours
LEVELS = ("low", "medium", "high")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,17})?")


def checked_risk(given: Mapping[str, Any]) -> dict[str, Any]:
    """hazard, harm, severity, likelihood, control in their stored form; BadInput with each problem beside its field."""
    entered = Entered("The risk was not written.")
    cleaned: dict[str, Any] = {
        "hazard": entered.text("hazard", given.get("hazard", ""), missing="Say what may go wrong."),
        "harm": entered.text(
            "harm", given.get("harm", ""), missing="Say what follows from it, and for whom."
        ),
        "control": entered.text(
            "control", given.get("control", ""), missing="Say what is done about it; “none” is an answer."
        ),
    }
    for name in ("severity", "likelihood"):
        cleaned[name] = given.get(name, "")
        if cleaned[name] not in LEVELS:
            entered.wrong(name, "Choose low, medium or high.")
    entered.done()
    return cleaned


def checked_requirement(given: Mapping[str, Any], *, known_risks: Collection[int]) -> dict[str, Any]:
    """text, source, risks (numbers), clauses in their stored form. `known_risks`: numbers of the model's risks."""
    entered = Entered("The requirement was not written.")
    source = given.get("source", "")
    if source not in list(Source):
        entered.wrong("source", "Choose where the requirement comes from.")
    risks = given.get("risks", [])
    if not isinstance(risks, list) or not all(isinstance(each, int) for each in risks):
        entered.wrong("risks", "Name risks by their numbers.")
        risks = []
    unknown = sorted(set(risks) - set(known_risks))
    if unknown:
        named = ", ".join(f"RK-{number}" for number in unknown)
        entered.wrong("risks", f"This model has no risk {named}.")
    if source == Source.RISK and not risks:
        entered.wrong("risks", "Name the risk that it comes from.")
    clauses = given.get("clauses", [])
    if not isinstance(clauses, list) or not all(isinstance(each, str) for each in clauses):
        entered.wrong("clauses", "Name clauses, one a line.")
        clauses = []
    clauses = [entered.text("clauses", each, most=160) for each in clauses if each.strip()]
    if len(clauses) > MAX_CLAUSES:
        entered.wrong("clauses", f"At most {MAX_CLAUSES} clauses.")
    if source == Source.CLAUSE and not clauses:
        entered.wrong("clauses", "Name the clause that it comes from.")
    cleaned = {
        "text": entered.text(
            "text",
            given.get("text", ""),
            missing="Say in one sentence what the model has to do, so that a test can show it.",
        ),
        "source": source,
        "risks": sorted(set(risks)),
        "clauses": list(dict.fromkeys(clauses)),
    }
    entered.done()
    return cleaned


def may_revise(ref: str, state: str) -> None:
    """A requirement that was withdrawn is not taken up again under its number."""
    if state == State.WITHDRAWN:
        raise WrongState(
            f"{ref} is not revised.",
            fact="It was withdrawn.",
            rule="PC37",
            who=["a process expert or owner, by writing a new requirement"],
        )


def may_decide(ref: str, state: str) -> None:
    if state != State.DRAFT:
        raise WrongState(
            f"{ref} cannot be decided.",
            fact=stands(WORDS[State(state)]),
            rule="PC37",
            who=["nobody: a change is a new revision"],
        )


def may_withdraw(ref: str, state: str, *, later: bool) -> None:
    """`later`: whether a later revision was approved."""
    if state == State.APPROVED and not later:
        return
    fact = "A later revision was approved." if later else stands(WORDS[State(state)])
    raise WrongState(f"{ref} cannot be withdrawn.", fact=fact, rule="PC37", who=["nobody"])


def refuse_rejection(decision: str) -> None:
    """Withdrawing is signed as such; not withdrawing is leaving it in force."""
    if decision != "approved":
        raise BadInput(
            "A requirement is withdrawn, or stays in force.",
            rule="signature",
            fields={"decision": ["To keep the requirement, leave it as it is."]},
        )


def may_add(ref: str, state: str, what: str) -> None:
    """Evidence, links and claims belong before the decision on a version."""
    if state in DECIDED:
        raise WrongState(
            f"{what} {ref} any more.",
            fact=f"{ref} is {state}: what was decided on stays as it was.",
            rule="decided",
            who=["a developer, on a new version; what is found later is a deviation"],
        )


def same_commit(one: str, other: str) -> bool:
    """Two spellings of one commit: the shorter begins the longer."""
    return bool(one and other) and (one.startswith(other) or other.startswith(one))


def checked_evidence(
    given: Mapping[str, Any], read: Mapping[str, Any], *, version: str, version_commit: str, moment: datetime
) -> dict[str, Any]:
    """What is recorded beside the file. What the file itself says goes before what was typed, and must agree with it.

    given: title, tool, tool_version, commit, produced_at (aware datetime or None). read: what the parser gave.
    """
    entered = Entered("The evidence was not attached.")
    cleaned: dict[str, Any] = {
        "title": entered.text("title", given["title"], most=120, missing="Name it, such as “Unit tests”."),
        "tool": read["tool"]
        or entered.text(
            "tool", given["tool"], most=120, missing="The file does not name the tool that made it: enter it."
        ),
        "tool_version": read["tool_version"]
        or entered.text(
            "tool_version",
            given["tool_version"],
            most=60,
            missing="The file does not say which version of the tool.",
        ),
    }
    typed = entered.commit("commit", given["commit"])
    stated = read["commit"].lower()
    if typed and stated and not same_commit(typed, stated):
        entered.wrong("commit", f"The file says it is of commit {stated}.")
    commit = stated or typed
    if not commit and "commit" not in entered.problems:
        entered.wrong("commit", "Enter the commit that was tested: the file does not name it.")
    elif commit and not same_commit(commit, version_commit):
        entered.wrong(
            "commit",
            f"This is of commit {commit}; {version} is of commit {version_commit}. "
            "Results of other code say nothing about it: attach them to the version of that commit.",
        )
    cleaned["commit"] = commit
    produced = datetime.fromisoformat(read["produced_at"]) if read["produced_at"] else given["produced_at"]
    if produced is None:
        entered.wrong("produced_at", "The file names no time with a zone: enter when it was made, in UTC.")
    elif produced > moment + SKEW:
        entered.wrong("produced_at", f"It would be made at {produced:%Y-%m-%d %H:%M} UTC, which lies ahead.")
    cleaned |= {"produced_at": produced, "zone_stated": bool(read["produced_at"])}
    entered.done()
    return cleaned


def checked_link(
    target: str,
    pattern: str,
    *,
    tests: Collection[str],
    known: Collection[str],
    matches: Sequence[str],
) -> str:
    """The pattern in its stored form; BadInput where nothing of this version has that name.

    `known`: what may be named of this kind of target; `matches`: ids of tests that the pattern matches, where the
    target is tests.
    """
    entered = Entered("The link was not made.")
    pattern = entered.text(
        "pattern", pattern, most=500, missing="Name the test, limit, report or claim that shows it."
    )
    if target not in list(Target):
        entered.wrong("target", "Choose what shows it.")
    elif target == Target.TEST and pattern and not matches:
        near = next((each for each in tests if pattern.strip("*?").lower() in each.lower()), "")
        hint = f" Did you mean “{near}”?" if near else ""
        entered.wrong("pattern", f"No test of the attached results is called so.{hint}")
    elif target != Target.TEST and pattern and pattern not in known:
        named = ", ".join(sorted(known)[:20]) or "there is none yet"
        entered.wrong("pattern", f"Not known for this version. Known: {named}.")
    entered.done()
    return pattern


def _decimal(entered: Entered, row: int, name: str, value: Any, *, needed: bool) -> str:
    said = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not said and not needed and value in ("", None):
        return ""
    try:
        if not _NUMBER.fullmatch(said):
            raise InvalidOperation
        Decimal(said)
    except InvalidOperation:
        entered.wrong(
            "figures", f"Figure {row}: “{str(value)[:40]}” is no {name}. Give a decimal number, such as 0.91."
        )
    return said


def checked_figures(entered: Entered, given: Any, *, metrics: Collection[str]) -> list[dict[str, Any]]:
    """Figures of a claim: metric, subgroup, value, low, high, n."""
    if not isinstance(given, list) or not given:
        entered.wrong("figures", "Give at least one figure: metric, group, value, lower and upper end, n.")
        return []
    if len(given) > MAX_FIGURES:
        entered.wrong("figures", f"At most {MAX_FIGURES} figures.")
        return []
    rows = []
    for number, each in enumerate(given, start=1):
        metric = str(each.get("metric", "")).strip()
        if metric not in metrics:
            entered.wrong(
                "figures", f"Figure {number}: “{metric[:40]}” is no metric the portal knows by name."
            )
        n = each.get("n")
        if isinstance(n, bool) or not isinstance(n, int) or not 0 < n < 2**53:
            entered.wrong("figures", f"Figure {number}: n is the number of cases, a whole number above 0.")
        row = {
            "metric": metric,
            "subgroup": str(each.get("subgroup", "") or "all").strip()[:160],
            "value": _decimal(entered, number, "value", each.get("value"), needed=True),
            "low": _decimal(entered, number, "lower end", each.get("low", ""), needed=False),
            "high": _decimal(entered, number, "upper end", each.get("high", ""), needed=False),
            "n": n,
        }
        if bool(row["low"]) != bool(row["high"]):
            entered.wrong("figures", f"Figure {number}: give both ends of the interval, or none.")
        elif row["low"] and "figures" not in entered.problems:
            low, value, high = (Decimal(row[key]) for key in ("low", "value", "high"))
            if not low <= value <= high:
                entered.wrong("figures", f"Figure {number}: the value lies outside its interval.")
        rows.append(row)
    return rows


def checked_claim(given: Mapping[str, Any], *, metrics: Collection[str], moment: datetime) -> dict[str, Any]:
    """A claim in its stored form; BadInput with each problem beside its field."""
    entered = Entered("The claim was not submitted.")
    cleaned: dict[str, Any] = {
        "origin": entered.text(
            "origin",
            given["origin"],
            most=200,
            missing="Say who computed it, and where: laboratory, supplier, cluster.",
        ),
        "figures": checked_figures(entered, given["figures"], metrics=metrics),
        "script_digest": entered.digest(
            "script_digest",
            given["script_digest"],
            missing="Give the digest of the script that computed it, or the file.",
        ),
        "script_name": entered.text("script_name", given["script_name"], most=200),
        "data_digest": entered.digest(
            "data_digest", given["data_digest"], missing="Give the digest of the data it was computed on."
        ),
        "tool": entered.text("tool", given["tool"], most=120, missing="Name the software that computed it."),
        "tool_version": entered.text(
            "tool_version", given["tool_version"], most=60, missing="Say which version of it."
        ),
        "note": entered.text("note", given["note"]),
        "computed_at": given["computed_at"],
    }
    if cleaned["computed_at"] is None:
        entered.wrong("computed_at", "Say when it was computed, in UTC.")
    elif cleaned["computed_at"] > moment + SKEW:
        entered.wrong("computed_at", "That lies ahead.")
    entered.done()
    return cleaned


def claim_counts(tier: str) -> bool:
    """Whether a claim can show that a requirement is kept: at low tier, beside its mark. It never meets a criterion."""
    return tier == "low"


def failures_of(kind: str, summary: Mapping[str, Any]) -> int:
    """What of the evidence speaks against the version: failed tests, findings of level error."""
    if kind == Kind.JUNIT:
        return int(summary["failed"])
    return int(summary["error"]) if kind == Kind.SARIF else 0
