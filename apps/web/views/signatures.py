"""Signatures: the register, one signature with its receipt, and the receipt to take away."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.access.gate import visible
from apps.access.receipts import as_file, receipt_of
from apps.core.errors import NotVisible, WrongState
from apps.trail.models import Signature
from apps.web.binding import Bond, Bonds
from apps.web.door import actor_of, page
from apps.web.links import subject_of, url_of
from apps.web.lists import Column, Table, choice, on_day, text
from apps.web.marks import SIGNATURE_MARKS, mark_of, render_mark
from apps.web.templatetags.countersign import when
from apps.web.times import day_begins, day_ends


def bond_mark(bond: Bond) -> SafeString:
    """The mark of a bond with why it does not bind, if so."""
    mark = render_mark(mark_of(bond.state, SIGNATURE_MARKS), bond.word.capitalize())
    return format_html('{}<br><span class="t2">{}</span>', mark, bond.why) if bond.why else mark


def signatures_table(actor, bonds: Bonds) -> Table:
    """The list of signatures, with the times in the reader's zone too, and whether each binds its record now."""
    zone = {"time_zone": actor.user.time_zone}
    return Table(
        name="signatures",
        caption="Signatures you may see",
        order="-signed",
        empty="No signature on a record that you may see.",
        columns=[
            Column(
                "signed",
                "Signed (UTC)",
                sort=("signed_at", "id"),
                value=lambda s: s.signed_at,
                render=lambda s: when(zone, s.signed_at, True),
            ),
            Column(
                "record",
                "Record",
                sort="subject_ref",
                heading=True,
                value=lambda s: s.subject_ref,
                render=lambda s: format_html(
                    '<a href="{}">{}</a>', reverse("web:signature", args=[s.uuid]), s.subject_ref
                ),
            ),
            Column(
                "signer",
                "Signer",
                sort="printed_name",
                value=lambda s: f"{s.printed_name} (@{s.username})",
            ),
            Column("meaning", "Meaning", sort="meaning", value=lambda s: s.meaning_text),
            Column("decision", "Decision", sort="decision"),
            Column(
                "binds_now",
                "Binds now",
                value=lambda s: bonds.of(s).told,
                render=lambda s: bond_mark(bonds.of(s)),
            ),
            Column("reason", "Reason"),
            Column(
                "digest",
                "Digest signed",
                value=lambda s: s.content_digest,
                render=lambda s: format_html('<code class="hash">{}…</code>', s.content_digest[:19]),
            ),
        ],
        filters=[
            text("record", "Record", lambda rows, v: rows.filter(subject_ref__icontains=v)),
            text(
                "signer",
                "Signer",
                lambda rows, v: (
                    rows.filter(printed_name__icontains=v) | rows.filter(username__iexact=v.removeprefix("@"))
                ),
            ),
            choice(
                "decision",
                "Decision",
                [("approved", "approved"), ("rejected", "rejected")],
                lambda rows, v: rows.filter(decision=v),
            ),
            choice(
                "binds",
                "Binds now",
                [("valid", "bound"), ("out_of_date", "out of date"), ("invalid", "invalid")],
                lambda rows, v: rows.filter(pk__in=[row.pk for row in rows if bonds.of(row).state == v]),
            ),
            on_day("from", "From (UTC)", lambda rows, v: rows.filter(signed_at__gte=day_begins(v))),
            on_day("to", "To (UTC)", lambda rows, v: rows.filter(signed_at__lte=day_ends(v))),
        ],
    )


@page
def signatures(request: HttpRequest) -> HttpResponseBase:
    """Every manifestation on a record the reader may see, and whether it binds that record now."""
    actor = actor_of(request)
    seen = visible(actor, Signature)
    bonds = Bonds(lambda: seen)
    listing = signatures_table(actor, bonds).read(request, seen)
    bonds.load(listing.page.object_list)
    return listing.respond("audit/signatures.html")


def _found(request: HttpRequest, uid: uuid.UUID):
    """The signature and its record, or NotVisible: seen by whoever sees the record."""
    found = Signature.objects.select_related("signer").filter(uuid=uid).first()
    subject = subject_of(found.subject_kind, found.subject_id) if found else None
    if subject is None or not visible(actor_of(request), type(subject)).filter(pk=subject.pk).exists():
        raise NotVisible()
    return found, subject


@page
def signature(request: HttpRequest, uid: uuid.UUID) -> HttpResponse:
    """One signature as it was printed, whether it still binds, and its receipt from the log."""
    found, subject = _found(request, uid)
    receipt = receipt_of(found)
    context = {
        "signature": found,
        "bond": Bonds(lambda: ()).of(found),
        "subject": subject,
        "subject_url": url_of(subject),
        "entry": receipt["entry"] if receipt else None,
        "receipt": receipt["receipt"] if receipt else None,
    }
    return render(request, "web/signature.html", context)


@page
def signature_receipt(request: HttpRequest, uid: uuid.UUID) -> HttpResponse:
    """The receipt as JSON: the signature as printed, its statement, and the proof that its entry is in the log."""
    found, _subject = _found(request, uid)
    receipt = receipt_of(found)
    if receipt is None:
        raise WrongState(
            "There is no receipt yet.",
            fact="The entry of this signature is not sealed; sealing takes a few seconds.",
            rule="receipt-sealed",
            who=["whoever sees the record, in a minute"],
        )
    response = HttpResponse(as_file(receipt), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="receipt-{found.uuid}.json"'
    return response


urlpatterns = [
    path("signatures/", signatures, name="signatures"),
    path("signatures/<uuid:uid>/", signature, name="signature"),
    path("signatures/<uuid:uid>/receipt.json", signature_receipt, name="signature_receipt"),
]
