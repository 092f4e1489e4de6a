#!/usr/bin/env python3
"""Checks the files embedded in an inspection pack: `python3 -I check_pack.py FOLDER`. Standard library only.

FOLDER holds what was taken out of the PDF (for example `pdfdetach -saveall -o FOLDER pack.pdf`). Checked:
every file against manifest.json; the content digest printed on the cover; the digest of each record; each
signature's statement, its record's digest and its verdict, and that the trail holds it; each printed line of the
trail; and, by offline_verifier.py, that all entries lie in the log the checkpoint signs.
Exit code 0 everything holds, 1 something does not, 2 bad input.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

RECORDS = ("version", "intended_use", "datasets", "plans", "runs", "bias_reports", "deviations")


def digest(value: Any) -> str:
    """`sha256:` of the canonical JSON (RFC 8785 for ASCII keys and no floats)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def check(folder: Path) -> tuple[list[str], list[str]]:
    """(what was checked, what does not hold), each a sentence."""
    said, wrong = [], []
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for file in manifest["files"]:
        path = folder / file["name"]
        found = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        if found != file["sha256"]:
            wrong.append(f"{file['name']}: the manifest says {file['sha256']}, the file is {found}.")
    said.append(f"{len(manifest['files'])} files match the manifest")
    content = json.loads((folder / "content.json").read_bytes())
    if digest(content) != manifest["content_digest"]:
        wrong.append("content.json does not have the content digest of the manifest.")
    said.append(f"the content digest is {digest(content)}")
    records = 0
    for name in RECORDS:
        for record in content[name] if isinstance(content[name], list) else [content[name]]:
            records += 1
            if digest(record["content"]) != record["digest"]:
                wrong.append(f"{record['ref']}: its content does not have its digest.")
    said.append(f"{records} records have their digests")
    log = (folder / "entries.log").read_text(encoding="utf-8")
    wrong += signatures(content["signatures"], log)
    said.append(f"{len(content['signatures'])} signatures recomputed")
    told = content["trail"]["entries"]
    in_log = {line.split(" ", 1)[0] for line in log.splitlines()[::2]}
    missing = [str(entry["entry"]) for entry in told if entry["digest"] not in in_log]
    if missing:
        wrong.append(f"Entries printed but not in entries.log: {', '.join(missing[:10])}.")
    said.append(f"{len(told)} printed entries are in the log's extract")
    return said, wrong


def signatures(rows: list[dict[str, Any]], log: str) -> list[str]:
    """What does not hold among the signatures."""
    wrong = []
    for row in rows:
        name = f"Signature {row['uuid']} of {row['printed_name']} on {row['record']}"
        statement = json.loads(row["statement"])
        if "sha256:" + hashlib.sha256(row["statement"].encode()).hexdigest() != row["statement_digest"]:
            wrong.append(f"{name}: the statement does not have its digest.")
        printed = (row["printed_name"], row["meaning"], row["decision"], row["content_digest"])
        stated = (
            statement["signer"]["name"],
            statement["meaning"],
            statement["decision"],
            statement["content_digest"],
        )
        if printed != stated:
            wrong.append(f"{name}: what is printed is not what was signed.")
        today = digest(row["content"]) if row["content"] is not None else ""
        if today != row["recomputed_digest"]:
            wrong.append(f"{name}: the record does not have the recomputed digest.")
        if (today == row["content_digest"]) != (row["verdict"] == "VALID"):
            wrong.append(f"{name}: the verdict {row['verdict']} does not follow from the digests.")
        if row["statement_digest"] not in log:
            wrong.append(f"{name}: the trail does not hold it.")
    return wrong


def trail(folder: Path) -> int:
    """The log's own proof, by the verifier shipped beside this file."""
    spec = importlib.util.spec_from_file_location("offline_verifier", folder / "offline_verifier.py")
    if spec is None or spec.loader is None:
        return 2
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    code: int = module.main([str(folder)])
    return code


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or not (Path(arguments[1]) / "manifest.json").is_file():
        print("Usage: python3 -I check_pack.py FOLDER, where FOLDER holds manifest.json", file=sys.stderr)
        return 2
    folder = Path(arguments[1])
    try:
        said, wrong = check(folder)
    except (OSError, KeyError, TypeError, ValueError) as error:
        print(f"The files cannot be read: {error!r}", file=sys.stderr)
        return 2
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    if not wrong:
        print("".join(f"{sentence}.\n" for sentence in said), end="")
    code = trail(folder)
    return 1 if wrong else code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
