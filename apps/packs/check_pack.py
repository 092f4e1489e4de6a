#!/usr/bin/env python3
"""Checks the files embedded in an inspection pack. Standard library only, no network.

    python3 -I check_pack.py FOLDER [CONTENT_DIGEST [MANIFEST_DIGEST]]

FOLDER holds what was taken out of the PDF (for example `pdfdetach -saveall -o FOLDER pack.pdf`). The digests are those
printed on the cover and in sections 2 and 34: with them, nothing in FOLDER can be exchanged for something else.
Checked: each file against manifest.json and the folder for files too many; content.json against its digest; each table
written again from content.json, cell by cell; each chart; each record; each signature against its statement, its row in
the trail, and the entry of its act; each printed entry of the trail, and that none is left out; every conflict of
duties, found again from the entries; and, by offline_verifier.py, that all entries lie in the log the checkpoint signs.
Exit code 0 everything holds, 1 something does not (each fault is named), 2 wrong usage.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

RECORDS = (
    "version",
    "intended_use",
    "datasets",
    "plans",
    "runs",
    "bias_reports",
    "explanations",
    "probe_plans",
    "probe_reports",
    "probe_evidence",
    "deviations",
    "requirements",
    "risks",
    "verification_evidence",
    "claims",
)
PROGRAMS = ("check_pack.py", "check_tables.py", "check_trail.py", "offline_verifier.py")
ALWAYS = ("content.json", "entries.log", "checkpoint.note", "log.pub", *PROGRAMS)
SOMETIMES = ("index.txt", "cover.txt", "earlier.note", "consistency.txt")


def load(path: Path) -> ModuleType:
    """A program of the pack by its path, without touching the folder."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785 for ASCII keys and no floats)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if twice:
        raise ValueError(f"the name {twice[0]} stands twice")
    return dict(pairs)


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes(), object_pairs_hook=no_twins)


# ------------------------------------------------------------------ the checks


def files(folder: Path, manifest: dict[str, Any], expected: set[str]) -> list[str]:
    wrong = []
    listed = Counter(file["name"] for file in manifest["files"])
    wrong += [f"manifest.json names {name} {times} times." for name, times in listed.items() if times > 1]
    here = {path.name for path in folder.iterdir()} - {"manifest.json"}
    wrong += [f"{name}: in the folder, but not in manifest.json." for name in sorted(here - set(listed))]
    wrong += [
        f"{name}: not part of a pack with this content."
        for name in sorted(set(listed) - expected - set(SOMETIMES))
    ]
    wrong += [f"{name}: missing in manifest.json." for name in sorted(expected - set(listed))]
    for file in manifest["files"]:
        path = folder / file["name"]
        if "/" in file["name"] or not path.is_file() or path.is_symlink():
            wrong.append(f"{file['name']}: missing.")
            continue
        data = path.read_bytes()
        if sha256(data) != file["sha256"] or len(data) != file["size"]:
            wrong.append(
                f"{file['name']}: manifest.json says {file['sha256']}, {file['size']} bytes; "
                f"the file is {sha256(data)}, {len(data)} bytes."
            )
    return wrong


def records(content: dict[str, Any]) -> tuple[int, list[str]]:
    every = [
        each
        for name in RECORDS
        if name in content  # a pack of before knows no explanations
        for each in (content[name] if isinstance(content[name], list) else [content[name]])
    ]
    return len(every), [
        f"content.json, {each['ref']}: its content does not have its digest."
        for each in every
        if sha256(canonical(each["content"])) != each["digest"]
    ]


def charts(folder: Path, content: dict[str, Any]) -> tuple[set[str], list[str]]:
    """The names of the charts that content.json tells of, and which of them is another."""
    digests = {
        chart["digest"]
        for report in content["bias_reports"]
        for chart in (*report["results"].get("charts", ()), *report["limit_charts"])
    }
    digests |= {each["chart"] for each in content.get("explanations", ()) if each["chart"]}
    probed = content.get("probe_reports", ())
    digests |= {chart["digest"] for each in probed for chart in each["results"].get("charts", ())}
    digests |= {chart["digest"] for run in content["runs"] for chart in run.get("charts", ())}
    names = {f"chart-{digest[7:19]}.svg": digest for digest in digests}
    return set(names), [
        f"{name}: not the chart that content.json tells of."
        for name, digest in sorted(names.items())
        if (folder / name).is_file() and sha256((folder / name).read_bytes()) != digest
    ]


def check(folder: Path, content_digest: str = "", manifest_digest: str = "") -> tuple[list[str], list[str]]:
    """(what was checked, what does not hold), each a sentence. A file that cannot be read is named, not raised."""
    said: list[str] = []
    wrong: list[str] = []
    beside = Path(__file__).resolve().parent
    in_tables, in_trail = load(beside / "check_tables.py"), load(beside / "check_trail.py")

    def attempt(name: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            wrong.append(f"{name} cannot be read: {type(error).__name__} {error}.")
            return None

    manifest_data = (folder / "manifest.json").read_bytes()
    if manifest_digest and sha256(manifest_data) != manifest_digest:
        wrong.append(f"manifest.json is {sha256(manifest_data)}, not the {manifest_digest} that was given.")
    manifest = attempt("manifest.json", lambda: read_json(folder / "manifest.json"))
    content = attempt("content.json", lambda: read_json(folder / "content.json"))
    log = attempt("entries.log", lambda: in_trail.Log((folder / "entries.log").read_text(encoding="utf-8")))
    expected = set(ALWAYS)
    if content is not None:
        data = (folder / "content.json").read_bytes()
        for place, wanted in (
            ("given", content_digest),
            ("in manifest.json", (manifest or {}).get("content_digest")),
        ):
            if wanted and sha256(data) != wanted:
                wrong.append(f"content.json is {sha256(data)}, not the content digest {place}, {wanted}.")
        if data != canonical(content):
            wrong.append("content.json is not in its canonical form.")
        if manifest is not None and manifest.get("as_of") != content.get("as_of"):
            wrong.append("manifest.json, as_of: not the as-of of content.json.")
        names, faults = attempt("content.json", lambda: charts(folder, content)) or (set(), [])
        wrong += faults
        made = attempt("content.json", lambda: in_tables.tables(content)) or {}
        expected |= names | set(made)
        for name, table in made.items():
            wrong += (
                attempt(
                    name, lambda n=name, t=table: in_tables.compare_table(n, (folder / n).read_bytes(), t)
                )
                or []
            )
        said.append(f"{len(made)} tables and {len(names)} charts are those of the content")
        count, faults = attempt("content.json", lambda: records(content)) or (0, [])
        wrong += faults
        said.append(f"{count} records have their digests")
    if manifest is not None:
        wrong += attempt("manifest.json", lambda: files(folder, manifest, expected)) or []
        said.append(f"{len(manifest.get('files', ()))} files match the manifest, and there is no other")
    if content is not None and log is not None:
        wrong += attempt("The signatures", lambda: in_trail.signatures(content, log)) or []
        said.append(f"{len(content['signatures'])} signatures agree with statement, trail and record")
        wrong += attempt("The trail", lambda: in_trail.entries(content, log)) or []
        said.append(
            f"{len(content['trail']['entries'])} printed entries are those of the log, none is left out"
        )
        wrong += attempt("Separation of duties", lambda: in_trail.recount(content, log)) or []
        said.append(
            f"{len(content['separation']['conflicts_recorded'])} conflicts of duties, found again from the log"
        )
        said.append(f"the content digest is {sha256((folder / 'content.json').read_bytes())}")
        said.append(f"the digest of the manifest is {sha256(manifest_data)}")
    return said, wrong


def altered_programs(folder: Path) -> list[str]:
    """Programs in the folder that manifest.json does not vouch for: they are named and not run."""
    try:
        listed = {file["name"]: file["sha256"] for file in read_json(folder / "manifest.json")["files"]}
    except (KeyError, TypeError, ValueError) as error:
        return [f"manifest.json cannot be read: {type(error).__name__} {error}."]
    found = {name: folder / name for name in PROGRAMS}
    return [
        f"{name}: not the program that manifest.json names; nothing was run."
        for name, path in found.items()
        if not path.is_file() or sha256(path.read_bytes()) != listed.get(name)
    ]


def main(arguments: list[str]) -> int:
    sys.dont_write_bytecode = True
    if not 2 <= len(arguments) <= 4 or not Path(arguments[1]).is_dir():
        print("Usage: python3 -I check_pack.py FOLDER [CONTENT_DIGEST [MANIFEST_DIGEST]]", file=sys.stderr)
        return 2
    folder = Path(arguments[1])
    if not (folder / "manifest.json").is_file():
        print("WRONG: manifest.json: missing.")
        return 1
    if altered := altered_programs(folder):
        print("".join(f"WRONG: {sentence}\n" for sentence in altered), end="")
        return 1
    said, wrong = check(folder, *arguments[2:])
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    if not wrong:
        print("".join(f"{sentence}.\n" for sentence in said), end="")
        if len(arguments) < 4:
            print("Compare both digests with those printed in the pack: on the cover, and in section 34.")
    try:
        code: int = load(folder / "offline_verifier.py").main([str(folder)])
    except SyntaxError:  # vouched for again by whoever damaged it
        print("WRONG: offline_verifier.py: it is damaged, and the log was not verified.")
        return 1
    return 1 if wrong else code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
