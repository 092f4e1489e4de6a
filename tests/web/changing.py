"""A form that changes a record, sent as a person sends it: what will change is read, then confirmed."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse


def confirm(client: Any, address: str, given: dict[str, Any], **options: Any) -> HttpResponse:
    """The answer to the confirmation; or to the first sending, where that shows no changes."""
    given = {"reason_code": "other", **given}
    shown = client.post(address, given)
    form = shown.context["form"] if shown.status_code == 200 else None
    if form is None or form.preview is None:
        return shown
    return client.post(address, {**given, "confirmed": form.preview.digest}, **options)
