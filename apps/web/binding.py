"""Whether signatures bind their records as they are now: bound, out of date, or invalid, with why.

A page of signatures costs a constant number of queries; an export loads all it holds at its first row.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from apps.access.sharing import grouped, shared
from apps.access.signing import still_signed
from apps.approvals.loading import prime_content
from apps.core import registries
from apps.core.digests import sha256_hex
from apps.core.subjects import models_by_kind
from apps.trail.identity import keys
from apps.trail.models import Signature
from apps.trail.preimages import stamp
from apps.trail.statements import expected_columns, signature_mac_content

# What the content of each kind reads, so that many records cost what one does.
_VERSION = ("model", "intended_use__model", "intended_use__written_by", "parent__model", "registered_by")
_JOINED: dict[str, tuple[str, ...]] = {
    "registry.intended_use": ("model", "written_by"),
    "validations.plan": (
        "version__model",
        "version__intended_use__model",
        "test_data__dataset",
        "written_by",
    ),
    "quality.deviation": ("version__model", "raised_by", "raised_on_behalf_of"),
    "quality.trail_review": ("version__model", "opened_by"),
    "approvals.slot": ("gate__minute", *(f"gate__version__{name}" for name in _VERSION)),
}


@dataclass(frozen=True)
class Bond:
    """`state`: valid | out_of_date | invalid, as the marks name them; `why` is empty for a bound one."""

    state: str
    why: str = ""

    @property
    def word(self) -> str:
        return {"valid": "bound", "out_of_date": "out of date", "invalid": "invalid"}[self.state]

    @property
    def told(self) -> str:
        return f"{self.word}: {self.why}" if self.why else self.word


def fault_of(signature: Signature) -> str:
    """What is wrong with the signature itself, whatever became of the record; empty when nothing is."""
    if not hmac.compare_digest(keys().mac(signature_mac_content(signature)), signature.mac):
        return "it is not as the portal wrote it"
    if signature.statement_digest != f"sha256:{sha256_hex(signature.statement.encode())}":
        return "its statement does not have its digest"
    for column, said in expected_columns(json.loads(signature.statement)).items():
        have: Any = getattr(signature, column)
        have = stamp(have) if column == "signed_at" else str(have) if column == "uuid" else have
        if have != said:
            return f"its {column.replace('_', ' ')} is not what was signed"
    return ""


class Bonds:
    """Bonds of many signatures. `everything` gives all that an export may ask for."""

    def __init__(self, everything: Callable[[], Iterable[Signature]]) -> None:
        self.everything = everything
        self.known: dict[int, Bond] = {}

    def of(self, signature: Signature) -> Bond:
        if signature.pk not in self.known:
            self.load([signature, *self.everything()])
        return self.known[signature.pk]

    def load(self, signatures: Iterable[Signature]) -> None:
        """Judge these. Records of one kind are read together."""
        rows = list(signatures)
        with shared():
            for kind, mine in grouped(rows, lambda row: row.subject_kind).items():
                records = _records(kind, {row.subject_id for row in mine})
                for row in mine:
                    self.known[row.pk] = _bond(row, records.get(row.subject_id))


def _bond(signature: Signature, record: Any) -> Bond:
    if fault := fault_of(signature):
        return Bond("invalid", fault)
    if record is None:
        return Bond("invalid", "its record is not there")
    if not still_signed(record, signature.content_digest):
        return Bond("out_of_date", "the record changed after it was signed")
    return Bond("valid")


def _records(kind: str, ids: set[str]) -> dict[str, Any]:
    """Id -> the record, for those that are there, with what its content reads."""
    model = models_by_kind().get(kind)
    if model is None or kind not in registries.content:
        return {}
    rows = model._default_manager.filter(pk__in=[pk for pk in ids if pk.isdigit()])
    records = list(rows.select_related(*_JOINED[kind]) if kind in _JOINED else rows)
    if kind == "approvals.slot":
        prime_content({record.gate.version_id for record in records})
    return {str(record.pk): record for record in records}
