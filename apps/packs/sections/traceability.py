"""Verification evidence (part of section 14) and the traceability matrix (section 30)."""

from __future__ import annotations

from typing import Any

from apps.analysis.verdicts import label_of
from apps.core.outcomes import CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, named, short
from apps.verification.states import LACK_WORDS, OUTCOME_WORDS, TARGET_WORDS, TOLD_ONLY, Lack, Outcome, Target

MARKS = {"passed": CheckState.MET, "failed": CheckState.NOT_MET}
SHOWN = 400  # lines of the matrix that are printed; traceability.csv has all of them


def verification(part: Section, content: dict[str, Any]) -> None:
    """Files of other tools, and figures computed elsewhere."""
    part.heading("Verification evidence")
    part.table(
        "Files of other tools, attached to the version",
        [
            ("Evidence", "w-10", ""), ("Kind, title", "w-20", ""), ("What it says", "w-25", ""), ("Tool", "w-15", ""),
            ("Made; attached", "w-30", ""),
        ],
        [
            (
                each["ref"],
                f"{each['kind_word']}, {each['content']['title']}" + ("" if each["counts"] else " (replaced)"),
                each["told"],
                f"{each['content']['tool']['name']} {each['content']['tool']['version']}",
                f"{at(each['content']['produced_at'])}; {at(each['content']['uploaded_at'])} by "
                f"{named(each['uploaded_by'])}. Commit {each['content']['commit']}, "
                f"file {short(each['content']['file']['digest'])}",
            )
            for each in content["verification_evidence"]
        ],
        small=True,
        responsible="developer",
    )  # fmt: skip
    if not content["claims"]:
        return
    part.heading("Computed elsewhere")
    part.text(
        "These figures were submitted, not computed by the portal. No criterion is judged on them.",
        before=True,
    )
    part.table(
        "Claims with the digests of script and data",
        [
            ("Claim", "w-8", ""), ("Metric, cases", "w-20", ""), ("n", "w-8", "num"), ("Value", "w-8", "num"),
            ("Interval as stated", "w-15", ""), ("By; script; data", "w-40", ""),
        ],
        [
            (
                each["ref"], f"{label_of(figure['metric'])}, {figure['subgroup']}", figure["n"], figure["value"],
                f"{figure['low']} to {figure['high']}" if figure["low"] else "not given",
                f"{each['content']['origin']}, submitted by {named(each['submitted_by'])}; "
                f"{short(each['content']['script']['digest'])}; {short(each['content']['data_digest'])}",
            )
            for each in content["claims"]
            for figure in each["content"]["figures"]
        ],
        small=True,
    )  # fmt: skip


def traceability(content: dict[str, Any]) -> Chapter:
    part = Section("s30", "30", "Traceability matrix", at(content["as_of"]))
    lines, ends = content["traceability"]["lines"], content["traceability"]["open_ends"]
    if ends:
        part.table(
            "Open ends, in both directions",
            [
                ("What lacks its other half", "w-60", ""),
                ("Lines", "w-12", "num"),
                ("Stands against the release", "w-27", ""),
            ],
            [(LACK_WORDS[Lack(lack)], n, "no" if lack in TOLD_ONLY else "yes") for lack, n in ends.items()],
        )
    else:
        part.text(
            "No open end: each requirement is approved and shown by a result, each test shows a requirement."
        )
    _requirements(part, content)
    shown = [line for line in lines if line["lacks"] not in TOLD_ONLY]
    part.heading("Risk, requirement, test, result, signature, clause")
    if len(shown) < len(lines) or len(shown) > SHOWN:
        left = len(lines) - min(len(shown), SHOWN)
        part.text(
            f"{counted(left, 'line')} more in traceability.csv, tests that show no requirement among them."
        )
    part.table(
        "The matrix",
        [
            ("Risks", "w-8", ""), ("Requirement", "w-14", ""), ("Shown by", "w-20", ""), ("Result", "w-12", ""),
            ("Evidence", "w-10", ""), ("Signed by", "w-12", ""), ("Signed at", "w-12", ""),
            ("Clauses; open end", "w-12", ""),
        ],
        [
            (
                line["risks"],
                line["requirement"] or "none",
                f"{TARGET_WORDS[Target(line['shown_by'])]}: {line['test']}" if line["shown_by"] else line["text"],
                _result(line),
                line["evidence"] + (f", accepted by {line['accepted_by']}" if line["accepted_by"] else ""),
                line["signed_by"] or "nobody",
                line["signed_at"],
                "; ".join(filter(None, (line["clauses"], LACK_WORDS[Lack(line["lacks"])] if line["lacks"] else ""))),
            )
            for line in shown[:SHOWN]
        ],
        small=True,
        responsible="process expert",
    )  # fmt: skip
    return part.chapter()


def _result(line: dict[str, Any]) -> Cell:
    if not line["outcome"]:
        return Cell("–")
    state = MARKS.get(line["outcome"], CheckState.WAITING)
    return Cell(OUTCOME_WORDS[Outcome(line["outcome"])], "state", str(state))


def _requirements(part: Section, content: dict[str, Any]) -> None:
    part.heading("Requirements and risks")
    part.table(
        "Requirements the version inherits",
        [
            ("Requirement", "w-14", ""), ("What the model has to do", "w-35", ""), ("From", "w-15", ""),
            ("Written; decided", "w-35", ""),
        ],
        [
            (
                each["ref"], each["content"]["text"],
                ", ".join([each["source_word"], *each["content"]["risks"]]),
                f"{at(each['content']['written_at'])} by {named(each['written_by'])}; {each['state_word'].lower()} "
                f"{at(each['decided_at'])}",
            )
            for each in content["requirements"]
        ],
        small=True,
        responsible="process expert",
    )  # fmt: skip
    part.table(
        "Risks",
        [
            ("Risk", "w-10", ""), ("What may go wrong; what follows", "w-40", ""), ("Severity, likelihood", "w-15", ""),
            ("Control", "w-35", ""),
        ],
        [
            (
                each["ref"], f"{each['content']['hazard']}. {each['content']['harm']}",
                f"{each['content']['severity']}, {each['content']['likelihood']}", each["content"]["control"],
            )
            for each in content["risks"]
        ],
        small=True,
        responsible="process expert",
    )  # fmt: skip
