"""The security documentation, written from the tables that the code enforces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from apps.access import duties
from apps.access.acts.install import RULES_FILE
from apps.access.duties import Duty
from apps.access.policy import MEANINGS, REJECTION, TABLE, WHO, Policy
from apps.access.separation import ENGINE, UNTOUCHABLE, DynamicRule, StaticRule, parse
from apps.core.digests import digest

TARGET = Path(__file__).resolve().parents[2] / "docs" / "security" / "authorisation.md"
HEAD = """# Who may do what

Written by `python3 manage.py authorisation_doc` from the policy table and the separation rules that the code enforces.
Do not edit it: a test fails when it no longer says what they say.

An act that is not in the first table cannot happen. Who may do it, its row names. Where the row names duties, it needs
one of them, in force at that moment: a duty on a model or dataset counts for the records of that model or dataset, a
duty on the organisation for every record (the administrator's for the organisation and its accounts alone). Where it
names somebody else (a person in their own affairs, a member of a review board by their seat, a CI job, the portal's own
service), it needs what is named there. Besides, an act needs the training that the training matrix in force asks of the
duty; a signature needs a confirmed identity, signing that is not suspended, and the password or a fresh single sign-on,
with the second factor as the portal is set up; an act that administers asks for a recent sign-in
(`FRESH_SIGN_IN_SECONDS`). Then come the state of the record and the rules of separation below. No
account is exempt. Being signed in with an access token never signs and never gives a duty.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _who(row: Policy) -> str:
    if row.service:
        return "the portal's own service"
    if row.anyone:
        return "; ".join(WHO[each] for each in row.by)
    return ", ".join(duties.WORDS[d] for d in Duty if d in row.duties)


def _asks(row: Policy) -> str:
    asked = [f"signature ({row.meaning})"] if row.signs else []
    asked += ["reason"] if row.reason else []
    asked += ["second factor of who holds one"] if row.shows else []
    asked += ["recent sign-in"] if row.fresh else []
    asked += ["no token"] if not row.token and not row.signs else []
    return ", ".join(asked)


def _acts() -> str:
    return table(
        ("Act", "Does", "On", "Who may", "Asks", "Counts as"),
        [
            (f"`{row.act}`", row.sentence, row.subject, _who(row), _asks(row), ", ".join(sorted(row.verbs)))
            for row in TABLE.values()
        ],
    )


def _waivable(rule: StaticRule | DynamicRule) -> str:
    return "never" if rule.id in UNTOUCHABLE or not rule.waivable else "yes"


def _static(rules: Iterable[StaticRule]) -> str:
    def words(held: Iterable[str]) -> str:
        return ", ".join(duties.WORDS[d] for d in Duty if d in held)

    def told(rule: StaticRule) -> str:
        warns = (
            f" At the {' and '.join(sorted(rule.warn_tiers))} tier it only warns." if rule.warn_tiers else ""
        )
        return f"{rule.text}.{warns}" + (f" {rule.note[:1].upper()}{rule.note[1:]}." if rule.note else "")

    return table(
        ("Rule", "Says", "Duty", "And", "Where", "Waiver", "Source"),
        [(r.id, told(r), words(r.first), words(r.second), r.scope, _waivable(r), r.source) for r in rules],
    )


def _dynamic(rules: Iterable[DynamicRule]) -> str:
    def told(rule: DynamicRule) -> str:
        tiers = f" At the {' and '.join(sorted(rule.tiers))} tiers." if rule.tiers else ""
        return f"{rule.text}.{tiers}" + (f" ({rule.note}.)" if rule.note else "")

    def verb(name: str) -> str:
        return "any act" if name == "*" else f"`{name}`"

    return table(
        ("Rule", "Says", "Did", "And does", "Where", "Waiver", "Source"),
        [(r.id, told(r), verb(r.first), verb(r.second), r.scope, _waivable(r), r.source) for r in rules],
    )


def _opens(row: Policy) -> bool:
    """Whether an inspector holds what this reading act asks for."""
    return row.anyone or Duty.INSPECTOR in row.duties


def authorisation() -> str:
    """The whole page as Markdown."""
    data = json.loads(RULES_FILE.read_text(encoding="utf-8"))
    rules = parse(data)
    parts = [
        HEAD,
        "## Acts\n",
        _acts(),
        "\n## Duties\n",
        table(
            ("Duty", "Held on"),
            [
                (
                    duties.WORDS[d],
                    ", ".join(
                        place
                        for place, held in (
                            ("the organisation", duties.ORGANISATION_DUTIES),
                            ("a model", duties.MODEL_DUTIES),
                            ("a dataset", duties.DATASET_DUTIES),
                            ("a model or dataset, by an inspection", {Duty.INSPECTOR}),
                        )
                        if d in held
                    ),
                )
                for d in Duty
            ],
        ),
        "\n## What an inspector may do\n\n"
        "These acts, and the affairs of their own account (signing in and out, password, sessions, tokens). Every\n"
        "other act is refused to who holds the duty of inspector, before any other duty is looked at; each page view\n"
        "and each copy handed out is an entry.\n",
        table(
            ("Act", "Does"),
            [(f"`{row.act}`", row.sentence) for row in TABLE.values() if row.reads and _opens(row)],
        ),
        "\n## What a signature says\n",
        table(
            ("Meaning", "Sentence"),
            [*((name, said) for name, said in MEANINGS.items()), ("any, rejecting", REJECTION)],
        ),
        f"\n## Separation of duties\n\nVersion {rules.version} of the rules, `{digest(data)}`.\n"
        "A new installation takes them; the ones in force are in the portal and in every pack. What a person did\n"
        "counts, whatever duties they hold now.\n",
        "### Two duties one person may not hold\n",
        _static(rules.static),
        f"\nA seat on a review board decides and signs: where a rule holds everywhere, it is judged as the duty\n"
        f"{duties.WORDS[duties.SEAT_COUNTS_AS]} is. Past deeds count where a rule names them (ST5).\n",
        "### Two acts one person may not do\n",
        _dynamic([r for r in rules.dynamic if r not in ENGINE]),
        "\n### Rules about the rules\n\nThese stand in the code, in every version.\n",
        _dynamic(ENGINE),
        "",
    ]
    return "\n".join(parts)
