"""Section 8: the model card, for somebody who uses the version or is affected by it.

Fixed headings after Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019, doi:10.1145/3287560.3287596), with
what explains single answers and whom to ask. It says nothing of its own: every line is a record's, named beside it.
"""

from __future__ import annotations

from typing import Any

from apps.access.duties import WORDS, Duty
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Section, at, decimal, interval, named, short
from apps.packs.sections.evidence import verdict_cell
from apps.packs.sections.words import KIND_SIGNS, SIGNS, metric_words

Content = dict[str, Any]
# Who answers for the use, in the order somebody would ask them.
ASKED = (Duty.OWNER, Duty.PROCESS_EXPERT, Duty.APPROVER, Duty.MONITOR, Duty.SECURITY)


def card(content: Content) -> Chapter:
    part = Section("s8", "8", "Model card", at(content["as_of"]))
    _details(part, content)
    _use(part, content)
    _data(part, content)
    _performance(part, content)
    _groups(part, content)
    _reasons(part, content)
    _disturbance(part, content)
    _caveats(part, content)
    _people(part, content)
    return part.chapter()


def newest(records: list[dict[str, Any]], state: str = "done") -> dict[str, Any] | None:
    """The last of the records that came to an end with a result."""
    return next((each for each in reversed(records) if each["state"] == state), None)


def _details(part: Section, content: Content) -> None:
    version, use = content["version"], content["intended_use"]["content"]
    about = version["content"]
    part.text(
        f"{version['name']} {about['label']} is {version['state_word'].lower()}; "
        f"its use has the {use['tier']} tier of risk.",
        lead=True,
    )
    part.heading("Model")
    part.facts(
        [
            ("What it is", version["description"]),
            ("Made by", ", ".join(named(each) for each in version["authors"])),
            ("Derived from", about["parent"]),
            ("Model file", f"{about['artefact']['format']}, SHA-256 {short(about['artefact']['digest'])}"),
            ("Reads", ", ".join(about["features"])),
            ("What changed", about["note"]),
        ]
    )


def _use(part: Section, content: Content) -> None:
    record = content["intended_use"]
    use = record["content"]
    part.heading("Intended use")
    part.facts(
        [
            ("Record", record["ref"]),
            ("It answers", use["question"]),
            ("Its part in the decision", use["purpose"]),
            ("For these inputs", use["input_space"]),
            ("It is not for", use["misuse"]),
            ("Limits", use["limits"]),
            ("Who uses it must", use["operator_duties"]),
        ]
    )


def _data(part: Section, content: Content) -> None:
    part.heading("Data")
    part.table(
        "What it was made of and tested on; the datasheets are in section 9",
        [("Data", "w-25", ""), ("Used as", "w-20", ""), ("Rows", "w-10", "num"), ("Source", "w-45", "")],
        [
            (each["ref"], each["partition_word"], each["content"]["rows"], each["content"]["source"])
            for each in content["datasets"]
        ],
        small=True,
        responsible="data curator",
    )


def _performance(part: Section, content: Content) -> None:
    part.heading("How well it works")
    run = newest(content["runs"])
    if run is None:
        part.none("validator")
        return
    told = run["content"]
    part.table(
        f"{run['ref']} of {told['plan']}, by the portal on test data the makers have not seen; intervals 95 %",
        [
            ("Measure", "w-30", ""), ("Of", "w-15", ""), ("Value", "w-10", "num"), ("Interval", "w-18", ""),
            ("n", "w-7", "num"), ("Limit", "w-8", "num"), ("Verdict", "w-12", ""),
        ],
        [
            (
                metric_words(each), each["subgroup"] or "all cases", decimal(each["value"]),
                interval(each), each["n"], f"{SIGNS.get(each['direction'], '')} {each['limit']}",
                verdict_cell(each["verdict"]),
            )
            for each in told["results"]
        ],
        small=True,
        responsible="validator",
    )  # fmt: skip


def _groups(part: Section, content: Content) -> None:
    part.heading("For whom it works differently")
    report = newest(content["bias_reports"])
    if report is None:
        part.none("bias tester")
        return
    part.table(
        f"{report['ref']}; the levels of the intervals and every group are in section 15",
        [
            ("Compared", "w-35", ""), ("Value", "w-10", "num"), ("Interval", "w-20", ""), ("n", "w-13", "num"),
            ("Limit", "w-10", "num"), ("Verdict", "w-12", ""),
        ],
        [
            (
                f"{each['what']}: {' and '.join(each['pair'])}" if each["pair"] else each["what"],
                decimal(each["value"]), interval(each), " + ".join(map(str, each["pair_n"])) or each["n"],
                f"{KIND_SIGNS[each['kind']]} {each['limit']}", verdict_cell(each["verdict"]),
            )
            for each in report["content"]["summary"]
        ],
        small=True,
        responsible="bias tester",
    )  # fmt: skip


def _reasons(part: Section, content: Content) -> None:
    part.heading("Why it answers as it does")
    told = [each for each in content["explanations"] if each["results"]]
    # One of a single class says nothing of what led to the others.
    found = newest([each for each in told if not each["content"].get("explained_class")])
    if found is None:
        part.none("validator")
        return
    report, results = found["content"], found["results"]
    first = [each["feature"] for each in results["features"][:5]]
    part.text(
        f"{found['ref']}, {found['origin_word'].lower()}, {found['review_word'].lower()}. "
        f"It rests most on {', '.join(first)}. All features with their intervals are in section 16."
    )
    if report["origin"] == "computed":
        part.text(f"Stability. {report['summary']['stability']}")
    for each in results.get("examples", ()):
        part.text(each["sentence"])
    if results.get("examples_withheld"):
        part.text(results["examples_withheld"])


def _disturbance(part: Section, content: Content) -> None:
    part.heading("What disturbs it")
    report = newest(content["probe_reports"])
    if report is None:
        part.none("validator or bias tester")
        return
    part.table(
        f"{report['ref']}: each probe at its worst; the measures and all findings are in section 15",
        [
            ("Probe", "w-35", ""), ("Worst at", "w-25", ""), ("Value", "w-10", "num"), ("At most", "w-10", "num"),
            ("Verdict", "w-20", ""),
        ],
        [
            (
                each["what"], each["where"] or "all cases", decimal(each["value"]), each["limit"],
                verdict_cell(each["verdict"]),
            )
            for each in report["content"]["summary"]
        ],
        small=True,
    )  # fmt: skip


def _caveats(part: Section, content: Content) -> None:
    part.heading("What is known to be wrong or open")
    use = content["intended_use"]["content"]
    part.facts([("Residual risk", use["residual_risk"])])
    part.table(
        "Deviations of the version and waivers in force",
        [("Record", "w-15", ""), ("What", "w-55", ""), ("State", "w-30", "")],
        [
            *((each["ref"], each["content"]["title"], each["state_word"]) for each in content["deviations"]),
            *(
                (each["ref"], f"Waiver of {each['rule']} for {each['person']}", f"until {at(each['until'])}")
                for each in content["separation"]["waivers"]
                if each["state"] == "In force"
            ),
        ],
        small=True,
    )


def _people(part: Section, content: Content) -> None:
    part.heading("Whom to ask")
    here = content["version"]["content"]["model"]
    part.table(
        "Who holds these duties for the model; every duty over time is in section 20",
        [("Duty", "w-40", ""), ("Person", "w-60", "")],
        [
            (WORDS[duty], ", ".join(sorted(names)))
            for duty in ASKED
            if (
                names := {
                    named(each["person"])
                    for each in content["duties"]
                    if each["in_force"] and each["duty"] == duty and each["on"] == here
                }
            )
        ],
        small=True,
        responsible="owner",
    )
