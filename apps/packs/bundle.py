"""The machine-readable part of a pack: canonical content, CSV, the trail's extract with its proofs, two verifiers."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from apps.core.clock import iso
from apps.core.digests import canonical_json, sha256_hex
from apps.packs import check_pack, check_tables, check_trail
from apps.packs.gather import Gathered
from apps.packs.render import Attachment
from apps.packs.tables import of_content
from apps.trail import export

SCHEMA = "countersign.pack-manifest/2"
MIMES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
}
SAID = {
    "content.json": "Everything this pack says, canonical JSON",
    "trail.csv": "The trail of the version, sortable",
    "signatures.csv": "Signatures with stored and recomputed digest",
    "results.csv": "Results of validation runs, n and interval",
    "probes.csv": "Findings of robustness and privacy probes",
    "traceability.csv": "Traceability matrix with its open ends",
    "duties.csv": "Duties over time",
    "entries.log": "The trail's entries, head and body, for the proof",
    "index.txt": "Place of each entry in the log",
    "cover.txt": "Hashes of the parts of the log that are not in the extract",
    "checkpoint.note": "Signed state of the log",
    "log.pub": "Public key of the log",
    "cosigned.note": "A checkpoint of the log, cosigned by witnesses",
    "cosigned.txt": "Proof that the log only grew since the cosigned checkpoint",
    "witnesses.txt": "Public keys of the witnesses",
    "stamped.note": "A checkpoint of the log that was stamped",
    "stamped.txt": "Proof that the log only grew since the stamped checkpoint",
    "stamped.tsr": "Its time stamp (RFC 3161)",
    "stamped.pem": "Certificates of the time-stamping authority",
    "offline_verifier.py": "Verifies the trail's extract",
    "check_pack.py": "Verifies the whole bundle",
    "check_tables.py": "Part of check_pack.py: tables",
    "check_trail.py": "Part of check_pack.py: trail",
}


@dataclass(frozen=True)
class Bundle:
    """files: name, sha256, size, description. manifest_digest: of manifest.json, which names all other files."""

    attachments: list[Attachment]
    files: list[dict]
    manifest_digest: str
    log_key: str
    trail_entries: int
    trail_size: int


def make(gathered: Gathered, ref: str) -> Bundle:
    """Put the bundle together. Seals what is pending in the trail, so that the extract is complete to the as-of."""
    contents = {"content.json": canonical_json(gathered.content), **of_content(gathered.content)}
    for chart_digest, svg in sorted(gathered.charts.items()):
        contents[f"chart-{chart_digest.removeprefix('sha256:')[:12]}.svg"] = svg.encode()
    for program in (check_pack, check_tables, check_trail):
        path = Path(program.__file__)
        contents[path.name] = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="countersign-pack-") as name:
        extract = export.write(Path(name), gathered.content["trail"]["scopes"], until=gathered.as_of)
        for path in sorted(Path(name).iterdir()):
            contents[path.name] = path.read_bytes()
    files = [
        {
            "name": file,
            "sha256": f"sha256:{sha256_hex(data)}",
            "size": len(data),
            "description": SAID.get(file, "Figures of a bias report" if file.endswith(".csv") else "A chart"),
        }
        for file, data in sorted(contents.items())
    ]
    manifest = json.dumps(
        {
            "schema": SCHEMA,
            "pack": ref,
            "as_of": iso(gathered.as_of),
            "content_digest": gathered.digest,
            "files": files,
        },
        indent=1,
        ensure_ascii=False,
    ).encode()
    attachments = [
        Attachment(
            f["name"], MIMES.get(Path(f["name"]).suffix, "text/plain"), contents[f["name"]], f["description"]
        )
        for f in files
    ]
    attachments.append(Attachment("manifest.json", "application/json", manifest, "Every file by SHA-256"))
    return Bundle(
        attachments,
        files,
        f"sha256:{sha256_hex(manifest)}",
        contents["log.pub"].decode().strip(),
        extract.entries,
        extract.size,
    )
