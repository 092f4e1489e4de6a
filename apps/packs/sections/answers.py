"""The answers: five questions of an inspection in whole sentences, each with its facts; then the gate, line by line."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from apps.analysis.disclosure import LEAST
from apps.analysis.disparities import ALL_DISPARITIES, ERRORS, UNDECIDED
from apps.analysis.verdicts import label_of
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, estimate, interval, named, short
from apps.packs.sections.gaps import LEFT_OUT, gaps, missing_evidence
from apps.packs.sections.words import (
    END_WORDS,
    KIND_SIGNS,
    PARTITIONS,
    SIGNS,
    level_words,
    listed,
    metric_words,
)

Content = dict[str, Any]
Part = str | list[str]  # a sentence, or the items that the sentence before announces
VERDICTS = {
    "met": "met", "not_met": "not met", "undecided": "undecided: too little data to tell",
    "within": "within the limit", "breached": "limit breached",
}  # fmt: skip


def acceptances(content: Content) -> list[dict[str, Any]]:
    """Signatures by which somebody took responsibility for the residual risk, rejections among them."""
    return [
        s
        for s in content["signatures"]
        if s["meaning"] == "responsibility" and s["belongs"] in ("version", "use")
    ]


def accepted_for_release(content: Content) -> list[dict[str, Any]]:
    """Those of them that stand at this version's own gate."""
    return [s for s in acceptances(content) if s["belongs"] == "version"]


def who_accepted(content: Content) -> str:
    """One clause that follows the facts: accepted by whom, refused by whom, or by nobody."""
    mine = accepted_for_release(content)
    if not mine:
        return f"not accepted for this version as of {at(content['as_of'])}"
    last = mine[-1]
    done = "accepted" if last["decision"] == "approved" else "refused"
    standing = "" if last["valid"] else ", but the record changed after the signature"
    return f"{done} for this version by {last['printed_name']} on {at(last['signed_at'])}{standing}"


def _what(content: Content) -> list[str]:
    version, use = content["version"], content["intended_use"]["content"]
    since = at(content["timeline"][-1]["at"]) if content["timeline"] else ""
    state = f"{version['ref']} is in the state {version['state_word'].lower()}"
    return [
        f"{version['name']}: {_ended(use['purpose'])}",
        f"{state}{f', since {since}' if since else ''}.",
        f"Its risk tier is {use['tier']}: influence {use['influence']}, consequence {use['consequence']}.",
        f"The residual risk, {who_accepted(content)}, reads: {_ended(use['residual_risk'])}",
    ]


def _which(content: Content) -> list[str]:
    version = content["version"]
    record = version["content"]
    data = [f"{d['ref']} ({PARTITIONS.get(d['partition'], d['partition'])})" for d in record["data"]]
    parent = (
        f"It is derived from {record['parent']}."
        if record["parent"]
        else "It is derived from no other version."
    )
    frozen = at(version["frozen_at"]) if version["frozen_at"] else ""
    return [
        f"The version is {version['ref']}, registered {at(version['registered_at'])} by "
        f"{named(version['registered_by'])} and {f'frozen {frozen}' if frozen else 'not frozen'}.",
        f"Its model file is {record['artefact']['name']}, SHA-256 {short(record['artefact']['digest'])}; "
        f"its code is commit {record['code']['commit'] or 'not recorded'}.",
        f"It was made of {listed(data)}." if data else "No data are declared that it was made of.",
        parent,
    ]


def _slots(content: Content) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(slots of the newest gate, or those the tier asks for, signatures on them by this version's people)."""
    gates = content["gate"]["gates"]
    slots = gates[-1]["slots"] if gates else content["gate"]["wanted"]
    by_uuid = {s["uuid"]: s for s in content["signatures"]}
    given = [by_uuid[s["signature"]] for s in slots if s.get("signature") in by_uuid]
    return slots, given


def _who(content: Content) -> list[Part]:
    slots, given = _slots(content)
    binding = [s for s in given if s["valid"]]
    signed = [s.get("signature") for s in slots]
    missing = [f"{s['title']} ({s['duty']})" for s, mine in zip(slots, signed, strict=True) if not mine]
    gate = (
        "The release gate" if content["gate"]["gates"] else "No release gate is opened; the gate of this tier"
    )
    said: list[Part] = [
        f"{gate} wants {counted(len(slots), 'signature')}; {len(given)} given, {len(binding)} binding now.",
        [
            f"{named(s)}, {s['duty_words'] or 'no duty'}, {s['decision']} on {at(s['signed_at'])}"
            f"{'' if s['valid'] else ' (no longer binding: the record changed)'}: “{_ended(s['meaning_text'])}”"
            f"{_reason(s)}"
            for s in given
        ],
        f"Missing: {listed(missing)}." if missing else "No signature is missing.",
    ]
    conflicts = content["separation"]["conflicts"]
    waived = content["separation"]["waived"]
    if waived:
        said.append(
            f"{counted(len(waived), 'conflict')} of duties covered by a signed waiver; see section 19."
        )
    elif not conflicts:
        said.append("They were independent: no person's recorded acts break a rule on separation of duties.")
    if conflicts:
        people = sorted({c["person"] for c in conflicts})
        said.append(f"{counted(len(conflicts), 'conflict')} of duties found, of {listed(people)}.")
    return said


def _reason(signature: dict[str, Any]) -> str:
    return f" Reason: {_ended(signature['reason'])}" if signature["reason"] else ""


def _works(content: Content) -> list[Part]:
    runs = [r for r in content["runs"] if r["state"] == "done"]
    if not runs:
        return ["It is not known: no validation run has ended."]
    first, last = runs[0], runs[-1]
    results = last["content"]["results"]
    met = sum(r["verdict"] == "met" for r in results)
    said: list[Part] = [
        f"The criteria were locked {at(last['plan_locked_at'])}, {_order(content, first)}.",
        f"Run {last['ref']} met {met} of {len(results)} criteria:",
        [
            f"{r['criterion']}: {metric_words(r)}, {_cases(r['subgroup'])}, {estimate(r)}, "
            f"limit {SIGNS.get(r['direction'], '')} {r['limit']} ({END_WORDS[r['rule']]}): {VERDICTS[r['verdict']]}."
            for r in results
        ],
    ]
    return [*said, *_worst(content)]


def _order(content: Content, first: dict[str, Any]) -> str:
    """Where the first run of the version stands to the lock of its own plan."""
    started, locked = first["content"]["requested_at"], first["plan_locked_at"]
    if not locked:
        return f"but the plan of the first run {first['ref']} was never locked"
    word = "before" if locked <= started else "AFTER"
    return f"{word} the first run {first['ref']} was asked for on {at(started)}"


def _cases(subgroup: str) -> str:
    return "all cases" if subgroup in ("", "all") else subgroup


def _worst(content: Content) -> list[Part]:
    reports = [r for r in content["bias_reports"] if r["state"] == "done"]
    if not reports:
        return ["For whom it works worst is not known: no bias report is done."]
    last = reports[-1]
    lines = last["content"]["summary"]
    if not lines:
        return [f"Bias report {last['ref']} judges no limit, because the plan sets none."]
    return [
        f"Bias report {last['ref']} found, for each judged metric, the worst group and the difference or ratio that "
        "is held against its limit:",
        [
            f"{line['id']}: {_worst_group(line, last)}; {line['what'][:1].lower()}{line['what'][1:]} "
            f"{_judged(line, last)}."
            for line in lines
        ],
    ]


def _worst_group(line: dict[str, Any], report: dict[str, Any]) -> str:
    """The group on the worse side of a judged pair, with its own value, n and interval."""
    metric = ALL_DISPARITIES[line["metric"]][1][0]
    label = label_of(metric)
    if not line["pair"]:
        return f"{label} by {line['column']}: {_why_none(line)}"
    higher, lower = line["pair"]
    name = higher if metric in ERRORS else lower
    for grouping in report["results"].get("report", {}).get("groupings", ()):
        if grouping["attributes"] == [line["column"]]:
            for group in grouping["groups"]:
                if group["name"] == name:
                    return f"{label} {name}, {estimate(group['metrics'][metric])}"
    return f"{label} {name}"


def _why_none(line: dict[str, Any]) -> str:
    """Why a judged limit names no pair: what is decided without one rests on a group of few cases."""
    if line["verdict"] == UNDECIDED:
        return "too little data to tell"
    return f"not told, because a group of fewer than {LEAST} cases decides it or would follow from it"


def _judged(line: dict[str, Any], report: dict[str, Any]) -> str:
    limit = f"limit {KIND_SIGNS[line['kind']]} {line['limit']} ({END_WORDS[line['rule']]})"
    if line["value"] == "":
        said = "has no value" if line["verdict"] == UNDECIDED else "is not told"
        return f"{said} ({limit}): {VERDICTS[line['verdict']]}"
    level = level_words(report["levels"].get(line["id"], ""))
    value = f"{float(line['value']):z.3f} ({level} interval {interval(line)}), n = {line['n']}"
    return f"{value}, {limit}: {VERDICTS[line['verdict']]}"


def _wrong(content: Content) -> list[str]:
    found, missing = gaps(content), missing_evidence(content)
    deviations, gates = content["deviations"], content["gate"]["gates"]
    said = [
        f"{counted(len(deviations), 'deviation')} recorded"
        + (
            ": "
            + "; ".join(
                f"{d['ref']} {_short(d['content']['title'])} ({d['state_word'].lower()})" for d in deviations
            )
            if deviations
            else ""
        )
        + "."
    ]
    rejected = [s for g in gates for s in g["slots"] if s["decision"] == "rejected"]
    said += [
        f"{s['signer']} rejected at the gate on {at(s['signed_at'])}: {_ended(s['reason'])}" for s in rejected
    ]
    if not rejected:
        said.append("Nobody rejected this version.")
    refused = len(content["separation"]["refusals"])
    said.append(f"{counted(refused, 'attempt')} on its records refused by the portal.")
    if found:
        said.append(f"Open or failed now: {'; '.join(_short(what) for _, what, _ in found[:6])}"
                    f"{f' and {len(found) - 6} more' if len(found) > 6 else ''}.")  # fmt: skip
    else:
        said.append("Nothing is open or failed now.")
    names = "; ".join(what for what, _, _ in missing[:12])
    if missing:
        said.append(f"Evidence that nobody recorded: {names}{' and more' if len(missing) > 12 else ''}.")
    return said


def _ended(text: str) -> str:
    """A record's words on one line, ended as a sentence."""
    said = " ".join(text.split()) or "nothing recorded"
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _short(text: str, length: int = 90) -> str:
    said = " ".join(text.split())
    return said if len(said) <= length else f"{said[: length - 1].rstrip()}…"


QUESTIONS = (
    ("What is it, what may it be used for, what harm could it do, and who accepted that?", _what,
     (("s4", "States"), ("s5", "Intended use"), ("s6", "Risk"))),
    ("Which exact version, data and code, and since when?", _which,
     (("s13", "Registry entry"), ("s11", "Snapshots"))),
    ("Who approved it, were they independent, what did they sign, what is missing?", _who,
     (("s18", "Signatures"), ("s19", "Separation"))),
    ("How do you know it works, for whom does it work worst, against which limits set when?", _works,
     (("s14", "Validation"), ("s15", "Fairness"), ("s16", "Explanation"))),
    ("What went wrong, what did you do, and what is not there?", _wrong,
     (("s3", "Gaps"), ("s14", "Deviations"), ("s17", "Gate ledger"))),
)  # fmt: skip


def told(content: Content) -> list[dict[str, Any]]:
    """The five answers: question, text in whole sentences, links to sections."""
    return [
        {"question": question, "parts": _parts(answer(content)), "links": links}
        for question, answer, links in QUESTIONS
    ]


def _parts(answer: list[Any]) -> list[dict[str, Any]]:
    """Sentences that follow each other as one paragraph; items as a list."""
    parts: list[dict[str, Any]] = []
    for each in answer:
        if isinstance(each, list):
            if each:
                parts.append({"points": each})
        elif parts and "text" in parts[-1]:
            parts[-1]["text"] += f" {each}"
        else:
            parts.append({"text": each})
    return parts


def answers(content: Content) -> Chapter:
    part = Section("answers", "", "Answers", at(content["as_of"]))
    part.table(
        "Release gate, one line a check",
        [("State", "w-20", ""), ("Check", "w-35", ""), ("Evidence, or why not", "w-45", "")],
        [
            (Cell(row["word"], "state", row["state"]), row["title"], row["evidence"] or row["why"])
            for row in content["gate"]["now"]["rows"]
        ],
        small=True,
    )
    html = render_to_string(
        "pdf/pack_answers.html",
        {
            "answers": told(content),
            "gate": part.chapter().html,
            "left_out": "; ".join(f"{number} {title}" for number, (title, *_) in LEFT_OUT.items()),
        },
    )
    return Chapter("answers", "Answers", "", html, late=True)
