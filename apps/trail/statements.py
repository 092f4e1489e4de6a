"""What a signature says, as one canonical text (21 CFR 11.50 and 11.70): who, as what, on which exact content, when.

The statement names the content by digest and the log's state by its last checkpoint, so that a signature can
neither be moved to another record nor dated back before what the log already held.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from apps.core.digests import canonical_json, sha256_hex
from apps.trail.current import current
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Signature
from apps.trail.preimages import stamp
from apps.trail.writer import Subject, Who, database_now

TABLE = Signature._meta.db_table


def build(
    *,
    uuid: str,
    signer: Who,
    meaning: str,
    meaning_text: str,
    decision: str,
    reason: str,
    subject: Subject,
    record_version: str,
    content_digest: str,
    nonce: str,
    checkpoint: Mapping[str, Any],
    factors: Iterable[str],
    signed_at: datetime,
    act_id: str,
    origin: str,
) -> tuple[str, str]:
    """(statement as canonical JSON text, its `sha256:` digest). `checkpoint`: {"size", "root"}."""
    statement = {
        "v": 1,
        "uuid": uuid,
        "log": origin,
        "signer": signer.facts(),
        "meaning": meaning,
        "meaning_text": meaning_text,
        "decision": decision,
        "reason": reason,
        "subject": {"kind": subject.kind, "id": subject.id, "ref": subject.ref, "version": record_version},
        "content_digest": content_digest,
        "nonce": nonce,
        "checkpoint": dict(checkpoint),
        "factors": list(factors),
        "signed_at": stamp(signed_at),
        "act_id": act_id,
    }
    raw = canonical_json(statement)
    return raw.decode(), f"sha256:{sha256_hex(raw)}"


def sign(
    *,
    signer: Any,
    duties: Iterable[str],
    meaning: str,
    meaning_text: str,
    decision: str,
    subject: Any,
    content_digest: str,
    factors: Iterable[str],
    act_id: str,
    reason: str = "",
    record_version: str = "",
) -> Signature:
    """Write a signature inside the act under way; its digest joins the rows the act's entry names.

    The ceremony (components, the digest shown, the meaning allowed) is the caller's: apps.access.signing.
    """
    act = current()
    who, about = Who.of(signer, duties), Subject.of(subject)
    last = Checkpoint.objects.order_by("-size").first()
    seen: dict[str, Any] = {"size": last.size if last else 0, "root": last.root if last else ""}
    row = Signature(
        uuid=uuid.uuid4(),
        signer=signer,
        printed_name=who.name,
        username=who.username,
        duties="; ".join(who.duties),
        meaning=meaning,
        meaning_text=meaning_text,
        decision=decision,
        reason=reason,
        subject_kind=about.kind,
        subject_id=about.id,
        subject_ref=about.ref,
        record_version=record_version,
        content_digest=content_digest,
        nonce=secrets.token_hex(16),
        checkpoint_size=seen["size"],
        factors=list(factors),
        signed_at=database_now(),
        act_id=act_id,
    )
    row.statement, row.statement_digest = build(
        uuid=str(row.uuid),
        signer=who,
        meaning=meaning,
        meaning_text=meaning_text,
        decision=decision,
        reason=reason,
        subject=about,
        record_version=record_version,
        content_digest=content_digest,
        nonce=row.nonce,
        checkpoint=seen,
        factors=row.factors,
        signed_at=row.signed_at,
        act_id=act_id,
        origin=keys().origin,
    )
    row.mac = keys().mac(signature_mac_content(row))
    row.save(force_insert=True)
    act.rows.append((TABLE, row.pk, row.statement_digest))
    return row


def signature_mac_content(row: Signature) -> bytes:
    """What the signature's MAC covers: its statement."""
    return f"{TABLE} {row.statement_digest} {row.statement}".encode()


def expected_columns(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of `Signature` as the statement gives them; the verifier compares them with the row."""
    signer, subject = statement["signer"], statement["subject"]
    return {
        "uuid": statement["uuid"],
        "printed_name": signer["name"],
        "username": signer["username"],
        "duties": "; ".join(signer["duties"]),
        "meaning": statement["meaning"],
        "meaning_text": statement["meaning_text"],
        "decision": statement["decision"],
        "reason": statement["reason"],
        "subject_kind": subject["kind"],
        "subject_id": subject["id"],
        "subject_ref": subject["ref"],
        "record_version": subject["version"],
        "content_digest": statement["content_digest"],
        "nonce": statement["nonce"],
        "checkpoint_size": statement["checkpoint"]["size"],
        "factors": statement["factors"],
        "signed_at": statement["signed_at"],
        "act_id": statement["act_id"],
    }
