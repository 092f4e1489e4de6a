"""Which parser reads a file: by what is in it. A file of another kind is refused with the kind it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.verification.parsers import benchmark, coverage, junit, sarif, sbom
from apps.verification.parsers.found import FORMATS, Unreadable
from apps.verification.parsers.jsonread import load

_JSON: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "coverage-json": coverage.parse_json,
    "sarif-2.1.0": sarif.parse,
    "cyclonedx-json": sbom.parse_cyclonedx,
    "spdx-json": sbom.parse_spdx,
    "pytest-benchmark-json": benchmark.parse_json,
}
_XML = {"junit-xml": junit.parse, "cobertura-xml": coverage.parse_cobertura}
_WANTED = {
    "junit": "JUnit XML",
    "coverage": "Cobertura XML or the JSON of coverage.py",
    "sarif": "SARIF 2.1.0",
    "sbom": "CycloneDX JSON or SPDX 2.x JSON",
    "benchmark": "the JSON of pytest-benchmark or plain text",
}


def _of_json(found: dict[str, Any]) -> str:
    if found.get("bomFormat") == "CycloneDX":
        return "cyclonedx-json"
    if "spdxVersion" in found:
        return "spdx-json"
    if "runs" in found or "sarif" in str(found.get("$schema", "")):
        return "sarif-2.1.0"
    if "totals" in found and "meta" in found:
        return "coverage-json"
    if "benchmarks" in found:
        return "pytest-benchmark-json"
    return ""


def _of_xml(head: bytes) -> str:
    if b"<testsuite" in head:
        return "junit-xml"
    return "cobertura-xml" if b"<coverage" in head else ""


def parse(kind: str, data: bytes) -> dict[str, Any]:
    """What the file says, as `found.result` has it. Unreadable with a sentence for anything else.

    kind: one of KINDS. The format is told by the content, never by the file's name.
    """
    if kind not in _WANTED:
        raise Unreadable("Say what the file is: tests, coverage, findings, bill of materials or benchmarks.")
    if not data.strip():
        raise Unreadable("The file is empty.")
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith((b"\xff\xfe<", b"\xfe\xff", b"\xff\xfe")):
        head = head.replace(b"\x00", b"").lstrip(b"\xff\xfe")
    if head.startswith(b"<"):
        form = _of_xml(head) or {"junit": "junit-xml", "coverage": "cobertura-xml"}.get(kind, "")
        _refuse_other(kind, form)
        return _XML[form](data)
    if head.startswith((b"{", b"[")):
        found = load(data)
        form = _of_json(found)
        _refuse_other(kind, form)
        return _JSON[form](found)
    if kind == "benchmark":
        return benchmark.parse_text(data)
    raise Unreadable(f"This is neither XML nor JSON. Wanted is {_WANTED[kind]}.")


def _refuse_other(kind: str, form: str) -> None:
    known = FORMATS.get(form)
    if known is None:
        raise Unreadable(f"The file is of no kind that is read here. Wanted is {_WANTED[kind]}.")
    if known[0] != kind:
        raise Unreadable(
            f"This is {known[1]}. Wanted is {_WANTED[kind]}; choose the other kind of evidence for it."
        )
