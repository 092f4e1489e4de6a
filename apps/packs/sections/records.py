"""Sections 4 to 13: what it is, what for, on which data."""

from __future__ import annotations

from typing import Any

from apps.analysis.metrics import LABELS, canonical_name
from apps.packs.render import Chapter
from apps.packs.sections.answers import acceptances, who_accepted
from apps.packs.sections.blocks import Cell, Section, at, named
from apps.packs.sections.words import value_words


def _section(content: dict[str, Any], number: int, title: str) -> Section:
    return Section(f"s{number}", str(number), title, at(content["as_of"]))


def inventory(content: dict[str, Any]) -> Chapter:
    part, version = _section(content, 4, "Inventory entry and state timeline"), content["version"]
    part.facts(
        [
            ("Model", f"{version['name']} ({version['content']['model']})"),
            ("Version", version["content"]["label"]),
            ("Description", version["description"]),
            ("State", version["state_word"]),
            ("Registered", f"{at(version['registered_at'])} by {named(version['registered_by'])}"),
            ("Declared authors", ", ".join(named(a) for a in version["authors"])),
            ("Frozen", at(version["frozen_at"])),
            ("Derived from", version["content"]["parent"]),
        ]
    )
    part.heading("States over time")
    part.table(
        "From the version's history",
        [("State", "w-20", ""), ("Since", "w-30", ""), ("Entered by", "w-25", ""), ("Reason", "w-25", "")],
        [(s["word"], at(s["at"]), s["who"], s["reason"]) for s in content["timeline"]],
    )
    part.heading("Other versions of the model")
    part.table(
        "Same model family",
        [("Version", "w-40", ""), ("State", "w-25", ""), ("Registered", "w-35", "")],
        [(v["ref"], v["state_word"], at(v["registered_at"])) for v in version["siblings"]],
    )
    return part.chapter()


def intended_use(content: dict[str, Any]) -> Chapter:
    part, record = _section(content, 5, "Intended use"), content["intended_use"]
    use = record["content"]
    part.facts(
        [
            ("Record", record["ref"]),
            ("Written", f"{at(record['written_at'])} by {named(record['written_by'])}"),
            ("Digest", record["digest"], "code"),
        ]
    )
    for title, name in (
        ("Question of interest", "question"),
        ("Purpose and role beside other evidence", "purpose"),
        ("Input space", "input_space"),
        ("Subgroups", "subgroups"),
        ("Limits", "limits"),
        ("Misuse, what it is not for", "misuse"),
        ("Duties of the operator", "operator_duties"),
    ):
        part.heading(title)
        part.text(use[name])
    part.heading("Signatures on the intended use")
    _signed(part, content, record["ref"])
    return part.chapter()


def _signed(part: Section, content: dict[str, Any], ref: str) -> None:
    part.table(
        f"Signatures on {ref}",
        [("Name", "w-25", ""), ("Meaning", "w-40", ""), ("Signed at", "w-20", ""), ("Verdict", "w-15", "")],
        [
            (s["printed_name"], f"{s['meaning_text']} ({s['decision']})", at(s["signed_at"]), s["verdict"])
            for s in content["signatures"]
            if s["record"] == ref
        ],
        responsible="process expert and owner",
    )


def risk(content: dict[str, Any]) -> Chapter:
    part, use = _section(content, 6, "Risk assessment and tier"), content["intended_use"]["content"]
    part.text(f"Tier: {use['tier']}.", lead=True)
    part.table(
        "Influence of the model and consequence of a wrong decision (FDA credibility draft, step 3)",
        [("What", "w-25", ""), ("Level", "w-15", ""), ("Why", "w-60", "")],
        [
            ("Influence", use["influence"], use["influence_rationale"]),
            ("Consequence", use["consequence"], use["consequence_rationale"]),
            ("Raised by one", "yes" if use["raised_by_one"] else "no", use["raised_rationale"]),
            ("GMP-critical", "yes" if use["gmp_critical"] else "no", use["gmp_rationale"]),
            ("Affects people", "yes" if use["affects_people"] else "no", ""),
        ],
    )
    part.heading(f"Residual risk, {who_accepted(content)}")
    part.text(use["residual_risk"] or f"None recorded as of {part.as_of}. Responsible: process expert.")
    part.table(
        "Signatures that take responsibility for it",
        [
            ("Name", "w-20", ""), ("Duty then", "w-15", ""), ("On", "w-25", ""), ("Decision", "w-10", ""),
            ("Signed at", "w-15", ""), ("Verdict", "w-15", ""),
        ],
        [
            (s["printed_name"], s["duty_words"], s["record"], s["decision"], at(s["signed_at"]), s["verdict"])
            for s in acceptances(content)
        ],
        small=True,
        responsible="owner",
    )  # fmt: skip
    return part.chapter()


def datasheets(content: dict[str, Any]) -> Chapter:
    part = _section(content, 9, "Datasheets")
    if not content["datasets"]:
        part.none("data curator and test-data steward")
    for each in content["datasets"]:
        data = each["content"]
        part.heading(f"{each['ref']}: {each['partition_word']}")
        part.facts(
            [
                ("Dataset", each["name"]),
                ("Partition", each["partition_word"]),
                ("State", each["state"]),
                ("Rows", data["rows"]),
                ("One physical unit", data["entity_column"]),
                ("Source", data["source"]),
                ("Collection", data["collection"]),
                ("Transformation commit", data["transformation_commit"]),
                ("File", f"{data['file']['name']}, {data['file']['size']} bytes"),
                ("Uploaded", f"{at(data['uploaded_at'])} by {named(each['uploaded_by'])}"),
                ("Kept", "in the vault: handed out to nobody" if each["in_vault"] else "in the file store"),
            ]
        )
        part.table(
            f"Columns of {each['ref']}",
            [("Column", "w-60", ""), ("Type", "w-40", "")],
            [(c["name"], c["type"]) for c in data["columns"]],
            small=True,
        )
    return part.chapter()


def snapshots(content: dict[str, Any]) -> Chapter:
    part, version = _section(content, 11, "Snapshots"), content["version"]["content"]
    part.table(
        "What this version was made from, by digest",
        [("What", "w-25", ""), ("SHA-256", "w-75", "")],
        [
            *(
                (label, Cell(value or "–", "code"))
                for d in content["datasets"]
                for label, value in (
                    (f"{d['ref']}, file as uploaded", d["content"]["file"]["digest"]),
                    (f"{d['ref']}, canonical table", d["content"]["table_digest"]),
                    (f"{d['ref']}, record", d["digest"]),
                )
            ),
            ("Code commit", Cell(version["code"]["commit"] or "–", "code")),
            ("Code archive", Cell(version["code"]["archive"] or "–", "code")),
            ("Environment lock", Cell(version["environment"]["lock"] or "–", "code")),
            ("Image", Cell(version["environment"]["image"] or "–", "code")),
        ],
    )
    return part.chapter()


def independence(content: dict[str, Any]) -> Chapter:
    part = _section(content, 12, "Test-data independence")
    if not content["independence"]:
        part.none("validator: a plan names the test data")
    for each in content["independence"]:
        part.heading(each["test_data"])
        uses = f"{each['uses']} runs, {each['uses_by_this_version']} of them of this version"
        part.facts([("Rows", each["rows"]), ("Used", uses), ("One physical unit", each["entity_column"])])
        part.table(
            f"Overlap of {each['test_data']} with what the version was made of",
            [
                ("With", "w-25", ""),
                ("Its rows", "w-15", "num"),
                ("Shared rows", "w-15", "num"),
                ("Shared units", "w-15", "num"),
                ("Compared at", "w-30", ""),
            ],
            [
                (
                    c["with"],
                    c["rows"],
                    c["shared_rows"],
                    "not told" if c["shared_units"] is None else c["shared_units"],
                    at(c["compared_at"]),
                )
                for c in each["comparisons"]
            ],
            responsible="validator",
        )
        part.table(
            f"Everybody who read {each['test_data']} or per-case results on it",
            [("Entry", "w-10", "num"), ("When", "w-30", ""), ("Who", "w-30", ""), ("Act", "w-30", "")],
            [(r["entry"], at(r["at"]), r["who"], r["act"]) for r in each["reads"]],
        )
    return part.chapter()


def registry_entry(content: dict[str, Any]) -> Chapter:
    part, record = _section(content, 13, "Registry entry"), content["version"]
    version = record["content"]
    part.facts(
        [
            ("Version", record["ref"], "code"),
            ("Record digest", record["digest"], "code"),
            ("Digest at freezing", record["closure_digest"], "code"),
            (
                "Model file",
                f"{version['artefact']['name']}, {version['artefact']['format']}, {version['artefact']['size']} bytes",
            ),
            ("Model file SHA-256", version["artefact"]["digest"], "code"),
            ("Features in order", ", ".join(version["features"])),
            ("Code commit", version["code"]["commit"], "code"),
            ("Note", version["note"]),
        ]
    )
    part.heading("Hyperparameters")
    part.table(
        "As declared",
        [("Name", "w-40", ""), ("Value", "w-60", "")],
        [(name, value_words(value)) for name, value in sorted(version["hyperparameters"].items())],
    )
    part.heading("Claims of the makers")
    part.table(
        "Nothing is judged on these; the portal's own results are in section 14",
        [("Metric", "w-40", ""), ("Claimed value", "w-60", "")],
        [
            (LABELS.get(canonical_name(name), name), value_words(value))
            for name, value in sorted(version["claimed_metrics"].items())
        ],
    )
    return part.chapter()
