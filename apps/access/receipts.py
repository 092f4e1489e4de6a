"""Receipts of signatures: one file that proves a signature with the portal off, and its way to the signer by mail.

A receipt holds the signed checkpoint of the log, so each mail also carries the log's state out of the house.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from apps.access.signing import as_printed
from apps.core import registries
from apps.trail import sealer
from apps.trail.anchor_models import Destination
from apps.trail.models import Checkpoint, Entry, Kind, Leaf, Signature
from apps.trail.outside import Unreachable

log = logging.getLogger("countersign.trail")
KIND = "mail"
AT_ONCE = 20  # entries of signatures looked at in one step


def receipt_of(signature: Signature) -> dict[str, Any] | None:
    """The receipt as data: the signature as printed, its statement, the proof that its entry is in the log.

    None while the entry is not sealed.
    """
    entry = Entry.objects.filter(act_id=signature.act_id, kind=Kind.ACT).first()
    if entry is None:
        return None
    try:
        receipt = sealer.receipt(entry)
    except sealer.NotSealed:
        return None
    return {
        "signature": {"uuid": str(signature.uuid), **as_printed(signature)},
        "statement": signature.statement,
        "entry": entry.pk,
        "receipt": receipt,
    }


def as_file(receipt: dict[str, Any]) -> str:
    """The bytes of the file, which the offline verifier makes again to compare."""
    return json.dumps(receipt, ensure_ascii=False, indent=2, sort_keys=True)


@dataclass(frozen=True)
class Signers:
    """The people who sign, told of their own signatures: a place outside like witnesses and log stores.

    `position` of its row: the leaves looked at. What was signed before the place was first known is not mailed.
    """

    name: str = "signers"
    kind: str = KIND
    period: timedelta = timedelta(0)

    def due(self, row: Destination, newest: Checkpoint, now: datetime) -> bool:
        return newest.size > row.position

    def send(self, row: Destination, newest: Checkpoint) -> int:
        """Mail the next receipts; returns the leaves that need not be looked at again. Unreachable."""
        leaves = Leaf.objects.filter(index__gte=row.position, index__lt=newest.size).order_by("index")
        signed = Entry.objects.filter(
            kind=Kind.ACT,
            pk__in=leaves.values("entry_id"),
            act_id__in=Signature.objects.filter(signed_at__gte=row.known_since).values("act_id"),
        )
        acts = dict(signed.values_list("pk", "act_id"))
        places = list(leaves.filter(entry_id__in=list(acts)).values_list("index", "entry_id")[:AT_ONCE])
        done = row.position
        for index, entry in places:
            try:
                for given in Signature.objects.filter(act_id=acts[entry]).select_related("signer"):
                    mail(given)
            except SMTPRecipientsRefused as error:
                log.warning("receipt of entry %s: its signer's address is refused: %s", entry, error)
            except (SMTPException, OSError) as error:
                if done == row.position:
                    raise Unreachable(f"{type(error).__name__}: {error}") from error
                return done
            done = index + 1
        return done if len(places) == AT_ONCE else newest.size


def mail(signature: Signature) -> None:
    """One mail to the signer; who has no address, or has left, gets none."""
    person, receipt = signature.signer, receipt_of(signature)
    if receipt is None or not person.email or not person.is_active:
        return
    text = render_to_string(
        "access/signature_mail.txt",
        {
            "signature": signature,
            "printed": as_printed(signature),
            "checkpoint": receipt["receipt"]["checkpoint"],
            "place": receipt["receipt"]["index"],
            "size": receipt["receipt"]["size"],
            "address": f"{settings.PORTAL_URL.rstrip('/')}/signatures/{signature.uuid}/",
        },
    )
    message = EmailMessage(
        f"You signed {signature.subject_ref} in Countersign",
        text,
        settings.DEFAULT_FROM_EMAIL,
        [person.email],
    )
    message.attach(f"receipt-{signature.uuid}.json", as_file(receipt).encode(), "application/json")
    message.send()


@registries.outside("places")
def places() -> list[Signers]:
    return [Signers()] if settings.SIGNATURE_MAIL else []
