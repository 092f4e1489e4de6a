"""Sections 27, 28 and 34: who read or took what, the trail, and the files of the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from apps.access.telling import ending
from apps.core.outcomes import WORDS, CheckState
from apps.packs.qr import qr_svg
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, short
from apps.packs.sections.front import Generation

TRAIL_ROWS = 1000  # a chapter; chapters are what is laid out in parallel
SEEN_ROWS = 200  # lines of reviewers' comments that are printed
ENTRIES_A_LINE = 100  # a row of a table does not go over a page's end
PRINTED_ROWS = 5000  # the newest are printed, all are in trail.csv and entries.log


def _section(content: dict[str, Any], number: int, title: str) -> Section:
    return Section(f"s{number}", str(number), title, at(content["as_of"]))


def access_log(content: dict[str, Any]) -> Chapter:
    part = _section(content, 27, "Access and export log")
    part.table(
        "Who read or took out data, model file, per-case results and packs, with what justification",
        [
            ("Entry", "w-8", "num"),
            ("When", "w-20", ""),
            ("Who", "w-20", ""),
            ("Did", "w-27", ""),
            ("Reason", "w-25", ""),
        ],
        [
            (e["entry"], at(e["at"]), e["who"], f"{e['told']} ({e['record']})", e["reason"])
            for e in content["access_log"]
        ],
        small=True,
    )
    return part.chapter()


def trail(content: dict[str, Any], made: Generation) -> Iterator[Chapter]:
    """The trail, in as many chapters as its length asks for; the first tells what the verifier found."""
    entries = content["trail"]["entries"]
    printed = entries[-PRINTED_ROWS:]
    part = _section(content, 28, "Audit trail")
    found = made.verification
    checked = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in found["checked"].items())
    if found["ok"]:
        part.note(
            "Verified",
            f"The whole trail was verified when this pack was built: nothing found. Checked: {checked}.",
        )
    else:
        part.note("Not verified", f"{len(found['findings'])} findings when this pack was built.", "bad")
        part.table(
            "Findings",
            [
                ("Table", "w-20", ""),
                ("Row", "w-10", ""),
                ("Field", "w-15", ""),
                ("What is wrong", "w-55", ""),
            ],
            [(f["table"], f["row"], f["field"], f["detail"]) for f in found["findings"][:200]],
            small=True,
        )
    part.facts(
        [
            ("Acts on", ", ".join(content["trail"]["places"])),
            ("Entries up to the as-of", f"{len(entries)}, of which {len(printed)} are printed"),
            ("Extract in the bundle", f"{made.trail_entries} entries with the rows they wrote"),
            ("Checkpoint", f"signed over {made.trail_size} entries of the whole log"),
        ]
    )
    _reviews(part, content)
    numbers = iter(printed)
    first = True
    while batch := list(islice(numbers, TRAIL_ROWS)) or ([] if not first else [None]):
        if not first:
            part = Section(f"s28-{batch[0]['entry']}", "28", "Audit trail, continued", part.as_of)
        part.table(
            "Acts, events and refusals, oldest first",
            [
                ("Entry", "w-8", "num"), ("When", "w-22", ""), ("Who", "w-20", ""),
                ("What, on which record", "w-35", ""), ("Digest", "w-15", ""),
            ],
            [_line(e) for e in batch if e],
            small=True,
        )  # fmt: skip
        yield part.chapter()
        first = False


def _reviews(part: Section, content: dict[str, Any]) -> None:
    """Who went through the version's trail, what they were shown, and what they found."""
    reviews = content["trail_reviews"]
    part.heading("Reviews of the trail")
    if not reviews:
        part.text(f"None recorded as of {part.as_of}. Responsible: QA approver or compliance officer.")
        return
    part.table(
        "Reviews: range, what was shown, who signed, and whether acts came after",
        [
            ("Review", "w-8", ""), ("Range", "w-25", ""), ("Shown", "w-27", ""), ("Signed", "w-20", ""),
            ("Standing", "w-20", ""),
        ],
        [_review(each) for each in reviews],
        small=True,
    )  # fmt: skip
    seen = _commented(reviews)
    part.table(
        "Entries seen with a comment; those with the same comment together",
        [("Review", "w-8", ""), ("Entries", "w-40", ""), ("By", "w-15", ""), ("Comment", "w-37", "")],
        seen[:SEEN_ROWS],
        small=True,
    )
    if len(seen) > SEEN_ROWS:
        part.text(f"The first {SEEN_ROWS} of {len(seen)} lines are printed; all are in content.json.")
    findings = []
    for review in reviews:
        for each in review["content"]["findings"]:
            ref = f"{review['ref']}/{each['number']}"
            findings.append((ref, each["weight"], each["text"], review["deviations"].get(ref, "")))
    if findings:
        part.table(
            "Findings",
            [
                ("Finding", "w-12", ""),
                ("Weight", "w-13", ""),
                ("What", "w-60", ""),
                ("Deviation", "w-15", ""),
            ],
            findings,
            small=True,
        )
    else:
        part.text("Findings: none.")


def _commented(reviews: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Review, entries, reviewer and comment: a comment given to many entries at once is one line, or several."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for review in reviews:
        for mark in review["content"]["seen"]:
            if mark["comment"]:
                groups.setdefault((review["ref"], mark["by"], mark["comment"]), []).append(str(mark["entry"]))
    return [
        (ref, ", ".join(entries[first : first + ENTRIES_A_LINE]), by, comment)
        for (ref, by, comment), entries in groups.items()
        for first in range(0, len(entries), ENTRIES_A_LINE)
    ]


def _review(review: dict[str, Any]) -> tuple[Any, ...]:
    content = review["content"]
    within, sample = content["range"], content["sample"]
    caught = ", ".join(
        f"{each['title'].lower()} {each['count']}" for each in content["filters"] if each["count"]
    )
    drawn = f"sample of {sample['size']}, seed {sample['seed']}"
    shown = f"{within['entries']} entries; {caught or 'no exception'}; {drawn}"
    signed = (
        "; ".join(f"{each['who']}, {at(each['at'])}" for each in review["signed"]) or review["state_word"]
    )
    standing = review["state_word"]
    if review["state"] == "signed":
        count = len(review["came_after"])
        standing = f"out of date: {count} acts came after" if count else "current"
    until = f"leaf {within['from_leaf']} to a tree of {within['tree_size']}, up to {at(within['until'])}"
    return review["ref"], until, shown, signed, standing


def _line(entry: dict[str, Any]) -> tuple[Any, ...]:
    who = f"{entry['who']} for {entry['on_behalf']}" if entry["on_behalf"] else entry["who"]
    if entry["kind"] == "refusal":
        told = f"REFUSED: {entry['refused']} {entry['rule']}"
    else:
        told = f"{entry['told']} ({entry['record']})" + ending(
            {"signatures": entry["signed"], "decision": entry["decision"]}
        )
    if entry["reason"]:
        told += f". Reason: {entry['reason']}"
    if entry["erased_by"]:
        told += f" (words erased by the act of entry {entry['erased_by']})"
    return entry["entry"], at(entry["at"]), who, told, Cell(short(entry["digest"]), "code")


def appendix(content: dict[str, Any], made: Generation) -> Chapter:
    part = _section(content, 34, "Appendices and file manifest")
    erased = [e["entry"] for e in content["trail"]["entries"] if e["erased_by"]]
    withheld = (
        f"Words of {counted(len(erased), 'entry', 'entries')} of the trail were erased for good, on a ground of law; "
        "there stands [erased], and section 28 names the act. Nothing else is withheld: this pack has no redaction."
        if erased
        else "Nothing is withheld: this pack has no redaction."
    )
    part.text(f"{withheld} Test data and per-case results are never in a pack.")
    part.heading("Embedded files")
    part.table(
        "Files in this PDF",
        [("File", "w-22", ""), ("What", "w-33", ""), ("Bytes", "w-10", "num"), ("SHA-256", "w-35", "")],
        [
            (f["name"], f["description"], f["size"], Cell(f["sha256"].removeprefix("sha256:"), "code"))
            for f in made.files
        ],
        small=True,
    )
    part.facts([("manifest.json", made.manifest_digest, "code")])
    part.heading("States of a check")
    part.text(", ".join(WORDS[state] for state in CheckState) + ".")
    part.heading("Methods")
    part.text(
        "Proportions: Wilson score interval. Area under the ROC curve: DeLong on the logit scale. Both two-sided 95 %. "
        "Differences of proportions: Newcombe. Ratios: Katz, logarithmic. Their level is 95 % for all judged pairs of "
        "a grouping together (Bonferroni): it stands beside each interval in section 15 and is higher than 95 % where "
        "there are several pairs. Training minus test: from the two 95 % intervals (MOVER). A verdict is given on the "
        "value or the end of the interval that the locked rule names, and is “too little data to tell” below the least "
        "n. Figures are rounded once, from the stored exact values, to three places."
    )
    part.heading("Content digest")
    part.put("pack_qr", qr=qr_svg(made.content_digest), digest=made.content_digest)
    return part.chapter()
