"""File fields that lose nothing: what arrived stays stored and named when the form comes back with an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms

from apps.core import uploads
from apps.core.blobs import Blob, human_size
from apps.core.errors import BadInput
from apps.core.uploads import Upload
from apps.web.forms import Form


class JsonField(forms.CharField):
    """A JSON object typed as text; gives a dict. NaN and infinity are refused: no record can hold them."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}))
        kwargs.setdefault("max_length", 50_000)
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> dict[str, Any]:
        typed = super().to_python(value)
        if not typed:
            return {}
        try:
            found = json.loads(typed, parse_constant=_no_constant)
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from None
        if not isinstance(found, dict):
            raise forms.ValidationError('Give a JSON object, such as {"C": 1.0}.')
        return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number; give it as text")


class LinesField(forms.CharField):
    """Names, one a line or separated by commas; gives a list without blanks."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        typed = super().to_python(value)
        parts = (part.strip() for line in typed.splitlines() for part in line.split(","))
        return [part for part in parts if part]


class UploadForm(Form):
    """`uploads`: file fields, each with the words that ask for it ("" where it may be missing).

    Each has a hidden `<name>_kept` with the sealed text of what arrived. `too_large` is True when a file passed
    its limit: the page answers 413 then.
    """

    uploads: dict[str, str] = {}
    too_large = False

    def __init__(self, *args: Any, person_id: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person_id = person_id
        self.kept: dict[str, Upload] = {}
        for name, wanted in self.uploads.items():
            self.fields[name].required = bool(wanted)
            self.fields[name].error_messages["required"] = wanted
            self.fields[f"{name}_kept"] = forms.CharField(required=False, widget=forms.HiddenInput)
            sealed = self.data.get(f"{name}_kept", "") if self.is_bound else ""
            upload = uploads.opened(person_id, sealed) if sealed else None
            if upload is not None:
                self._keep(name, upload)

    def _keep(self, name: str, upload: Upload) -> None:
        self.kept[name] = upload
        self.fields[name].required = False
        self.data = self.data.copy()
        self.data[f"{name}_kept"] = uploads.sealed(self.person_id, upload)
        told = f"Received: {upload.name}, {human_size(upload.size)}, {upload.digest[:19]}…."
        self[name].help_text = f"{told} Choose a file only to replace it."

    def receive(self, store: Callable[[str, Any], Blob]) -> bool:
        """Store what was chosen (`store(field name, file)`), then judge the form: an error elsewhere loses no file.

        True when everything that is wanted is there and nothing is wrong.
        """
        valid = self.is_valid()
        for name in self.uploads:
            chosen = self.cleaned_data.get(name)
            if chosen is None:
                continue
            try:
                self._keep(name, uploads.of(store(name, chosen), chosen.name))
            except BadInput as refused:
                self.too_large = self.too_large or refused.status == 413
                self.add_error(name, " ".join(p for p in (refused.what, refused.fact) if p))
        return valid and not self.errors

    @property
    def status(self) -> int:
        """Of the page that shows this form."""
        return 413 if self.too_large else 422 if self.errors else 200
