"""Ground for every form of the portal: plain labels, errors from the server in words, no native date input."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.validators import (
    EmailValidator,
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
)
from django.forms.utils import pretty_name

from apps.access.previewing import Preview
from apps.access.reasons import Reason, choices
from apps.core.entered import unseen
from apps.core.errors import Refused


def _wanted(name: str, field: forms.Field) -> str:
    """What to say when nothing was given. It names the field: the summary shows it far from its label."""
    label = field.label or pretty_name(name)
    if isinstance(field, forms.BooleanField):
        return f"Tick “{label}”."
    if isinstance(field, forms.FileField):
        return f"Choose a file for “{label}”."
    verb = "Choose" if isinstance(field, forms.ChoiceField | forms.ModelChoiceField) else "Fill in"
    return f"{verb} “{label}”."


# In the summary a message stands far from its field, and two fields may have the same fault: each names its own.
_BOUNDS = (
    (
        MaxLengthValidator,
        "“{label}” may have at most %(limit_value)d characters; it has %(show_value)d. Shorten it.",
    ),
    (MinLengthValidator, "“{label}” needs at least %(limit_value)d characters; it has %(show_value)d."),
    (MaxValueValidator, "“{label}” is %(show_value)s; at most %(limit_value)s is allowed."),
    (MinValueValidator, "“{label}” is %(show_value)s; at least %(limit_value)s is needed."),
)


def _naming(validator: Any, label: str) -> Any:
    """The validator with a message that names the field; any other as it is. (A field's list is its form's own.)"""
    for kind, words in _BOUNDS:
        if type(validator) is kind:
            return kind(validator.limit_value, words.format(label=label.replace("%", "%%")))
    if type(validator) is EmailValidator:
        return EmailValidator(f"“{label}” is no e-mail address: write it like name@example.org.")
    return validator


def _of_django(field: forms.Field, code: str) -> Any:
    """Django's own message, which names no field; a form of ours that says it otherwise names its field itself."""
    given = (vars(each).get("default_error_messages", {}) for each in type(field).__mro__)
    return next((messages[code] for messages in given if code in messages), None)


@dataclass(frozen=True)
class Seen:
    """Refuses text with characters nobody sees."""

    label: str

    def __call__(self, value: Any) -> None:
        if found := unseen(str(value)):
            raise forms.ValidationError(f"“{self.label}” holds {found}. Type that place anew.")


class Form(forms.Form):
    """Errors stand beside the field and in the summary, in our words, so the browser's bubbles stay off.

    A file field makes the form multipart by itself; `autofocus` is not used: it skips the page's heading.
    """

    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if field.error_messages.get("required") == forms.Field.default_error_messages["required"]:
                field.error_messages["required"] = _wanted(name, field)
            label = str(field.label or pretty_name(name))
            field.validators = [_naming(each, label) for each in field.validators]
            if isinstance(field, forms.CharField) and not isinstance(field.widget, forms.PasswordInput):
                # Seen tells of a null character with its field.
                rest = [
                    each for each in field.validators if type(each) is not ProhibitNullCharactersValidator
                ]
                field.validators = [*rest, Seen(label)]
            for code in ("invalid", "invalid_choice", "invalid_list", "invalid_pk_value"):
                said = field.error_messages.get(code)
                if said and (said is _of_django(field, code) or isinstance(field, DayField | MomentField)):
                    field.error_messages[code] = f"“{label}”: {str(said)[0].lower()}{str(said)[1:]}"

    def add_refusal(self, refused: Refused) -> None:
        """Puts an act's refusal where it belongs: its fields beside the fields, the rest on top."""
        placed = False
        for name, messages in refused.fields.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)
                placed = True
        if not placed:
            self.add_error(None, " ".join(part for part in (refused.what, refused.fact) if part))

    @property
    def said(self) -> list[str]:
        """All messages, for fragments that show no fields."""
        return [str(m) for name in (NON_FIELD_ERRORS, *self.fields) for m in self.errors.get(name, [])]


class DayField(forms.DateField):
    """A calendar date typed as YYYY-MM-DD. Browsers show native date inputs in the reader's order."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "widget",
            forms.TextInput(
                attrs={"placeholder": "YYYY-MM-DD", "size": 12, "inputmode": "numeric", "autocomplete": "off"}
            ),
        )
        super().__init__(input_formats=["%Y-%m-%d"], **kwargs)
        self.error_messages["invalid"] = "write the date as YYYY-MM-DD, for example 2026-11-19."

    def prepare_value(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value


class MomentField(forms.Field):
    """A moment in UTC typed as YYYY-MM-DD HH:MM; gives an aware datetime."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "widget",
            forms.TextInput(attrs={"placeholder": "YYYY-MM-DD HH:MM", "size": 18, "autocomplete": "off"}),
        )
        super().__init__(**kwargs)
        self.error_messages["invalid"] = (
            "write the time in UTC as YYYY-MM-DD HH:MM, for example 2026-11-19 14:02."
        )

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        if isinstance(value, datetime):
            return value
        text = str(value).strip().replace("T", " ").removesuffix("Z").strip()
        for shape in ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
            try:
                return datetime.strptime(text, shape).replace(tzinfo=UTC)
            except ValueError:
                continue
        raise forms.ValidationError(self.error_messages["invalid"], code="invalid")

    def prepare_value(self, value: Any) -> Any:
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else value


class ReasonField(forms.CharField):
    """Why the act is done: it becomes part of the record and cannot be changed."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", "Reason")
        kwargs.setdefault("help_text", "It becomes part of the record and cannot be changed later.")
        kwargs.setdefault("max_length", 2000)
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3}))
        super().__init__(**kwargs)
        self.error_messages["required"] = "Say why."


class ChangeForm(Form):
    """Ground for a form that changes a record after it was a draft (acts with `changes` in the policy table).

    It asks a reason from the list and in words, and shows what will change before it is saved: `door.attempt_change`.
    `cleaned_data["reason"]` is the whole `Reason`.
    """

    reason_code = forms.ChoiceField(
        label="Kind of reason", choices=[("", "Choose a reason"), *choices()], widget=forms.Select
    )
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    preview: Preview | None = None  # what will change, once that is known
    last = ("reason_code", "reason", "idempotency_key")  # these fields come after the form's own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([*(name for name in self.fields if name not in self.last), *self.last])

    @property
    def confirmed(self) -> str:
        """The digest of the changes that were shown and are confirmed now; empty when none are."""
        return str(self.data.get("confirmed", ""))

    @property
    def button(self) -> str:
        return "Show what will change" if self.preview is None else "Show again what will change"

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if "reason" in given and (code := given.pop("reason_code", "")):
            given["reason"] = Reason(code, given["reason"])
        return given
