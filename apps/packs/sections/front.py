"""Cover and how to verify."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.template.loader import render_to_string

from apps.core.outcomes import CheckState
from apps.packs.qr import qr_svg
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Section, at, counted, named
from apps.packs.sections.gaps import gaps, missing_evidence

STATE_MARKS = {
    "released": CheckState.MET,
    "rejected": CheckState.NOT_MET,
    "suspended": CheckState.NOT_MET,
    "validated": CheckState.WAITING,
    "plan_approved": CheckState.WAITING,
    "frozen": CheckState.WAITING,
    "registered": CheckState.NOT_STARTED,
}


@dataclass(frozen=True)
class Generation:
    """What belongs to this one building of the pack and stays outside the content digest. Times canonical."""

    ref: str
    file_name: str  # of the PDF as it is downloaded
    requester: dict[str, str]
    purpose: str
    requested_at: str
    generated_at: str
    content_digest: str
    verification: dict[str, Any]  # {"ok", "checked", "findings"} of the trail's verifier
    trail_size: int  # entries under the checkpoint
    trail_entries: int  # entries in the extract
    later_entries: int  # entries in these scopes between as-of and generation
    manifest_digest: str
    log_key: str  # the verifier key in log.pub
    files: list[dict[str, Any]] = field(default_factory=list)  # name, sha256, size, description


def cover(content: dict[str, Any], made: Generation) -> Chapter:
    version = content["version"]
    use = content["intended_use"]["content"]
    notes = []
    if not made.verification["ok"]:
        findings = made.verification["findings"]
        notes.append(
            ("Verification failed", f"{len(findings)} in the trail. First: {findings[0]['detail']}.", "bad")
        )
    void = sum(not s["valid"] for s in content["signatures"])
    if void:
        notes.append(
            ("Signatures out of date", f"{void} no longer match their record; see section 18.", "bad")
        )
    conflicts = len(content["separation"]["conflicts"])
    if conflicts:
        notes.append(("Separation of duties", f"{conflicts} conflicts found; see section 19.", "bad"))
    if content["sign_in"] and not content["sign_in"]["second_factors_required"]:
        notes.append(("Second factors", "Not required at sign-in and signing; see section 20.", "warn"))
    open_lines = len(gaps(content))
    if open_lines:
        word = "point is" if open_lines == 1 else "points are"
        notes.append(
            ("Open", f"{open_lines} {word} open, accepted by deviation or failed; see section 3.", "warn")
        )
    if missing := missing_evidence(content):
        kinds = counted(len(missing), "piece of evidence", "pieces of evidence")
        notes.append(("Not recorded", f"{kinds} that no check asks for; see section 3.", ""))
    notes.append(
        (
            "Between as-of and generation",
            f"{counted(made.later_entries, 'entry', 'entries')} on these records (this pack's own among them).",
            "",
        )
    )
    checked = made.verification["checked"].get("entries", 0)
    html = render_to_string(
        "pdf/pack_cover.html",
        {
            "ref": made.ref,
            "title": f"{version['name']}, version {version['content']['label']}",
            "use": use["question"],
            "state": str(STATE_MARKS[version["state"]]),
            "word": version["state_word"],
            "notes": notes,
            "qr": qr_svg(made.content_digest),
            "facts": [
                ("Version", version["ref"], "code"),
                ("Model file", version["content"]["artefact"]["digest"], "code"),
                ("Risk tier", use["tier"].capitalize()),
                ("As of", at(content["as_of"])),
                ("Generated at", at(made.generated_at)),
                ("Zone", "All times in this pack are UTC."),
                ("Requester", named(made.requester)),
                ("Purpose", made.purpose),
                ("Scope", f"{content['scope']} with its data, plans, runs, reports, gate and people"),
                ("Portal version", content["portal_version"]),
                ("Separation rules", f"version {content['separation']['rules_version']}"),
                (
                    "Trail at generation",
                    f"{'verified' if made.verification['ok'] else 'NOT VERIFIED'}, {checked} entries",
                ),
                ("Content digest", made.content_digest, "code"),
            ],
        },
    )
    return Chapter("cover", "Cover", "1", html, late=True, bare=True)


def take_out(file_name: str) -> str:
    """The command that writes the embedded files into the new folder `pack`."""
    return f"mkdir pack && pdfdetach -saveall -o pack {file_name}"


def check_lines(content_digest: str, manifest_digest: str = "") -> list[str]:
    """The command that checks them, in lines that a shell reads as one."""
    given = [digest for digest in (content_digest, manifest_digest) if digest]
    lines = ["python3 -I pack/check_pack.py pack", *given]
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def how_to_verify(content: dict[str, Any], made: Generation) -> Chapter:
    part = Section("s2", "2", "How to verify", at(content["as_of"]))
    part.text("Nothing here asks you to trust the portal: the evidence is embedded in this file.", lead=True)
    part.put(
        "pack_steps",
        steps=[
            (
                "Take the embedded files out of the PDF into a new folder (poppler; any tool for attachments does).",
                [take_out(made.file_name)],
            ),
            (
                "Check every file, record, signature and trail entry with Python 3 alone, without network. The two "
                "digests are those of the content, printed on the cover, and of the manifest, printed in section 34.",
                check_lines(made.content_digest, made.manifest_digest),
            ),
            (
                "Compare the log's public key with one you hold from elsewhere: this one cannot vouch for itself.",
                [],
            ),
        ],
    )
    part.text(f"The public key is the file log.pub: {made.log_key}")
    part.heading("What is checked")
    part.table(
        "Digests and proofs",
        [("What", "w-25", ""), ("How", "w-75", "")],
        [
            ("Records", "SHA-256 of the canonical JSON (RFC 8785) of each record in content.json."),
            (
                "Signatures",
                "The statement signed against what is printed, the table, the row in the trail and the act's entry; "
                "its digest; the digest of the record it names.",
            ),
            (
                "Tables and charts",
                "Each CSV file is written again from content.json and compared cell by cell; each chart has the digest "
                "that content.json gives it; the folder holds these files and no other.",
            ),
            (
                "Separation of duties",
                "Every conflict is found again from the entries of the trail, by the rules printed in section 19.",
            ),
            (
                "Trail",
                "Each entry of the extract lies in the Merkle tree (RFC 6962) whose root the checkpoint signs.",
            ),
            (
                "Content digest",
                "Of all this pack says, without who asked and when it was built: the same moment gives the same.",
            ),
        ],
    )
    return part.chapter()
