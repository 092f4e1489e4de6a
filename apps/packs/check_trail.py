"""What a pack says against the entries of its trail: signatures, printed entries, conflicts of duties.

Part of the checker that is embedded in every pack: Python 3 standard library only, nothing of the portal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import Any

TOLD = ("act", "event", "refusal")
SHOWN = 20  # faults of one kind that are named one by one
# What a signature says: name in the pack -> (name in its statement, name in its row of the trail).
SAID = {
    "printed_name": ("signer.name", "printed_name"),
    "username": ("signer.username", "username"),
    "duties": ("signer.duties", "duties"),
    "meaning": ("meaning", "meaning"),
    "meaning_text": ("meaning_text", "meaning_text"),
    "decision": ("decision", "decision"),
    "reason": ("reason", "reason"),
    "record": ("subject.ref", "subject_ref"),
    "kind": ("subject.kind", "subject_kind"),
    "id": ("subject.id", "subject_id"),
    "record_version": ("subject.version", "record_version"),
    "content_digest": ("content_digest", "content_digest"),
    "factors": ("factors", "factors"),
    "signed_at": ("signed_at", "signed_at"),
    "uuid": ("uuid", "uuid"),
}


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785 for ASCII keys and no floats)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def cut(wrong: list[str]) -> list[str]:
    return (
        wrong if len(wrong) <= SHOWN else [*wrong[:SHOWN], f"… and {len(wrong) - SHOWN} more of this kind."]
    )


class Log:
    """The entries of the extract: `heads` and `bodies` by id, `rows` of signatures by their uuid."""

    def __init__(self, text: str) -> None:
        self.digests: dict[int, str] = {}
        self.heads: dict[int, dict[str, Any]] = {}
        self.bodies: dict[int, dict[str, Any]] = {}
        self.signatures: dict[str, dict[str, Any]] = {}
        self.acts: dict[str, int] = {}
        lines = text.split("\n")
        for head_line, body_line in zip(lines[0:-1:2], lines[1::2], strict=True):
            digest, _, head_text = head_line.partition(" ")
            head, body = json.loads(head_text), json.loads(body_line.partition(" ")[2])
            number = head["id"]
            self.digests[number], self.heads[number], self.bodies[number] = digest, head, body
            if head["kind"] == "row" and head["table_name"] == "trail_signature":
                self.signatures[body["row"]["uuid"].replace("-", "")] = body["row"]
            elif head["kind"] == "act":
                self.acts[head["act_id"]] = number


def instant(text: str) -> str:
    """A time in UTC as digits to the microsecond, however a database spells it."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|[+-]00(?::?00)?)?", text)
    return f"{found[1]} {found[2]}.{found[3] or '':0<6}" if found else f"not a time in UTC: {text}"


def inside(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[name]
    return value


def plain(name: str, value: Any) -> Any:
    """One spelling of a field of a signature, whichever of its three places it comes from."""
    if name == "duties" and isinstance(value, list):
        return "; ".join(value)
    if name == "factors" and isinstance(value, str):
        return json.loads(value)
    if name == "signed_at":
        return instant(value)
    return value.replace("-", "") if name == "uuid" else value


def signature(row: dict[str, Any], log: Log) -> list[str]:
    """What does not hold of one signature."""
    name = f"Signature {row['uuid']} of {row['printed_name']} on {row['record']}"
    statement = json.loads(row["statement"])
    wrong = []
    if sha256(row["statement"].encode()) != row["statement_digest"]:
        wrong.append("the statement does not have its digest.")
    stored = log.signatures.get(row["uuid"].replace("-", ""))
    if stored is None:
        wrong.append("the trail (entries.log) does not hold it.")
    elif stored["statement"] != row["statement"] or stored["statement_digest"] != row["statement_digest"]:
        wrong.append("the statement is not the one in the trail (entries.log).")
    for field, (in_statement, in_row) in SAID.items():
        printed, said = plain(field, row[field]), plain(field, inside(statement, in_statement))
        if printed != said:
            wrong.append(f"{field}: printed is {printed!r}, which is not what was signed: {said!r}.")
        if stored is not None and plain(field, stored[in_row]) != said:
            wrong.append(f"{field}: the trail (entries.log) holds {stored[in_row]!r}, signed was {said!r}.")
    number = log.acts.get(statement["act_id"])
    if number is None:
        wrong.append("the trail (entries.log) does not hold the act that signed.")
    else:
        body, given = log.bodies[number], statement["signer"]
        for field, said, entered in (
            ("signer", given, {key: body["actor"].get(key) for key in given}),
            ("reason", statement["reason"], body["reason"]),
            ("decision", statement["decision"], body["facts"].get("decision", statement["decision"])),
        ):
            if said != entered:
                wrong.append(f"{field}: the entry {number} of its act says {entered!r}, signed was {said!r}.")
        if statement["uuid"] not in body["facts"].get("signatures", ()):
            wrong.append(f"the entry {number} of its act does not name it.")
    today = sha256(canonical(row["content"])) if row["content"] is not None else ""
    if today != row["recomputed_digest"]:
        wrong.append("recomputed_digest: the record does not have it.")
    valid = today == row["content_digest"]
    if valid != (row["verdict"] == "VALID") or valid != row["valid"]:
        wrong.append(f"verdict: {row['verdict']} does not follow from the digests.")
    return [f"{name}: {each}" for each in wrong]


def signatures(content: dict[str, Any], log: Log) -> list[str]:
    wrong = [fault for row in content["signatures"] for fault in signature(row, log)]
    given = {row["uuid"].replace("-", "") for row in content["signatures"]}
    use = content["intended_use"]
    about = {tuple(pair) for pair in content["separation"]["closures"]["version"]} | {
        (use["kind"], use["id"])
    }
    for uuid, row in log.signatures.items():
        if uuid not in given and (row["subject_kind"], row["subject_id"]) in about:
            told = json.loads(row["statement"])["uuid"]
            name = f"Signature {told} of {row['printed_name']} on {row['subject_ref']}"
            wrong.append(f"{name}: in the trail, but not in the pack.")
    return wrong


def entries(content: dict[str, Any], log: Log) -> list[str]:
    """Each line of the trail as printed against its entry; and whether a line is left out."""
    wrong = []
    lists = [("trail.csv", content["trail"]["entries"]), ("section 27", content["access_log"])]
    for where, lines in [*lists, ("section 19", content["separation"]["refusals"])]:
        for line in lines:
            number = line["entry"]
            if number not in log.heads:
                if where == "trail.csv":
                    wrong.append(f"{where}, entry {number}: not in entries.log.")
                continue
            head, body, facts = log.heads[number], log.bodies[number], log.bodies[number].get("facts", {})
            held = {
                "at": head["at"], "kind": head["kind"], "act": head["act"], "who": head["actor_name"],
                "on_behalf": head["on_behalf_name"], "record": body.get("subject", {}).get("ref", ""),
                "reason": body.get("reason", ""), "username": body.get("actor", {}).get("username", ""),
                "decision": facts.get("decision") or "", "signed": bool(facts.get("signatures")),
                "digest": log.digests[number], "erased_by": log.acts.get(body.get("erased", "")),
            }  # fmt: skip
            wrong += [
                f"{where}, entry {number}, {field}: {line[field]!r}, but entries.log says {value!r}."
                for field, value in held.items()
                if (instant(line[field]) != instant(value) if field == "at" else line[field] != value)
            ]
    told = {line["entry"] for line in content["trail"]["entries"]}
    scopes, until = set(content["trail"]["scopes"]), instant(content["as_of"])
    for number, head in log.heads.items():
        if (
            head["kind"] in TOLD
            and head["scope"] in scopes
            and instant(head["at"]) <= until
            and number not in told
        ):
            wrong.append(f"Entry {number} ({head['act']}) is in entries.log, but not in trail.csv.")
    return cut(wrong)


def recount(content: dict[str, Any], log: Log) -> list[str]:
    """Conflicts of duties, found again from the entries: who did two things on the same records that a rule parts."""
    told = content["separation"]
    closures = {scope: {tuple(pair) for pair in pairs} for scope, pairs in told["closures"].items()}
    one_of = {tuple(part): tuple(whole) for part, whole in told["as_one"]}
    until = instant(content["as_of"])
    deeds = [(d["person"], d["verb"], (d["kind"], d["id"]), "") for d in told["declared"]]
    for head in log.heads.values():
        if head["kind"] == "act" and instant(head["at"]) <= until:
            pair = (head["subject_kind"], head["subject_id"])
            verbs = told["counts_as"].get(head["act"], ())
            deeds += [(head["actor_uuid"], verb, pair, instant(head["at"])) for verb in verbs]
    found: Counter[tuple[str, str]] = Counter()
    for rule in (each for each in told["dynamic"] if each["judged"]):
        alone = rule["scope"] in ("record", "account")
        within = closures.get("version" if alone else rule["scope"], set())
        here = [
            (person, verb, one_of.get(pair, pair), at) for person, verb, pair, at in deeds if pair in within
        ]
        firsts = [d for d in here if rule["first"] in (d[1], "*")]
        for two in (d for d in here if d[1] == rule["second"]):
            for one in (d for d in firsts if d[0] == two[0]):
                same = one[2] == two[2]
                if (alone and not same) or (rule["scope"] == "siblings" and same):
                    continue
                if rule["first"] == rule["second"] and one[2] >= two[2]:
                    continue
                if rule["first"] == "*" and (one[1] == rule["second"] or one[3] > two[3]):
                    continue
                found[rule["id"], rule["text"]] += 1
    told_of = Counter((pair["rule"], pair["text"]) for pair in told["conflicts_recorded"])
    return [
        f"Separation of duties, {rule} ({text}): the entries give {found[rule, text]} conflicts, "
        f"the pack tells of {told_of[rule, text]}."
        for rule, text in sorted(set(found) | set(told_of))
        if found[rule, text] != told_of[rule, text]
    ]
