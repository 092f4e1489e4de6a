"""The form of a probe plan: bounds of the probes, and one row for each probe with its limit. Needs no JavaScript."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django import forms

from apps.analysis.probes import PROBES
from apps.core.errors import BadInput
from apps.robustness.models import ProbePlan
from apps.robustness.rules import BOUNDS, DEFAULTS
from apps.robustness.states import PRIVATE_WORDS, PrivateTraining
from apps.web.forms import Form

ENDS = [
    ("point", "the value"),
    ("near", "the lower end of its interval"),
    ("far", "the upper end of its interval"),
]
TOLD = ("private_training", "private_epsilon", "rationale")  # fields of the plan that are no bounds
_SHORT = {"size": 8, "autocomplete": "off"}
_FAULT = re.compile(r"Limit (\d+): (.+)", re.DOTALL)
HINTS = {
    "seed": "The same seed gives the same disturbed cases.",
    "rows": "Of the test data, and of all training data together; a sample where there are more.",
    "shift": "0.5: half of all cases become cases of one group.",
    "epsilon": "0.1: each number moves by at most a tenth of its standard deviation in the test data.",
    "budget": "",
    "cases": "",
}


def _bound(name: str) -> forms.CharField:
    label, least, greatest, _ = BOUNDS[name]
    hint = f"{least:,g} to {greatest:,g}. {HINTS[name]}".strip()
    return forms.CharField(label=label, max_length=24, help_text=hint, widget=forms.TextInput(attrs=_SHORT))


class BoundsForm(Form):
    """Bounds of the probes, why they fit, and the key that makes a double click one plan."""

    seed = _bound("seed")
    rows = _bound("rows")
    shift = _bound("shift")
    epsilon = _bound("epsilon")
    budget = _bound("budget")
    cases = _bound("cases")
    private_training = forms.ChoiceField(
        label="Differential privacy in training",
        choices=[(p.value, PRIVATE_WORDS[p]) for p in PrivateTraining],
        widget=forms.RadioSelect,
    )
    private_epsilon = forms.CharField(
        required=False,
        max_length=24,
        label="Epsilon of the training",
        help_text="Where differential privacy was used: the released row of the table must say the same.",
        widget=forms.TextInput(attrs=_SHORT),
    )
    rationale = forms.CharField(
        max_length=20_000,
        help_text="Why these limits and bounds fit the use: what happens to the inputs where it runs.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class LimitForm(Form):
    """The limit of one probe; without a limit the probe is not made."""

    limit = forms.CharField(
        required=False, max_length=24, label="At most", widget=forms.TextInput(attrs=_SHORT)
    )
    rule = forms.ChoiceField(required=False, choices=ENDS, initial="near", label="Judged on")
    min_n = forms.CharField(
        required=False, max_length=12, initial="30", label="Smallest n", widget=forms.TextInput(attrs=_SHORT)
    )


class ProbeEntry:
    """The whole form. rows: (name, probe, form, whether the tier wants it)."""

    def __init__(self, data: Mapping[str, str] | None, earlier: ProbePlan | None, wanted: Collection[str]):
        before = {line["probe"]: line for line in earlier.limits} if earlier else {}
        initial = {**DEFAULTS, **(earlier.bounds if earlier else {})}
        initial |= {name: getattr(earlier, name) if earlier else "" for name in TOLD}
        initial["idempotency_key"] = uuid.uuid4().hex
        self.main = BoundsForm(data, initial=initial)
        self.rows = [
            (name, probe, LimitForm(data, prefix=name, initial=before.get(name)), name in wanted)
            for name, probe in PROBES.items()
        ]

    def is_valid(self) -> bool:
        return all([self.main.is_valid(), *(form.is_valid() for _, _, form, _ in self.rows)])

    def arguments(self) -> dict[str, Any]:
        """Arguments of `write_plan`; blank limits are left out."""
        given = dict(self.main.cleaned_data)
        told = {name: given.pop(name) for name in (*TOLD, "idempotency_key")}
        limits = [
            {"probe": name, "id": name, **form.cleaned_data}
            for name, _, form, _ in self.rows
            if form.cleaned_data["limit"].strip()
        ]
        return {"bounds": given, "limits": limits, **told}

    def add_refusal(self, refused: BadInput) -> None:
        """What the act said, beside the field it is about where that is known."""
        filled = [form for _, _, form, _ in self.rows if form.cleaned_data["limit"].strip()]
        for name, messages in refused.fields.items():
            for message in messages:
                fault = _FAULT.fullmatch(message)
                bound = next((b for b, words in BOUNDS.items() if message.startswith(f"{words[0]}: ")), None)
                if name == "limits" and fault and int(fault[1]) <= len(filled):
                    filled[int(fault[1]) - 1].add_error("limit", fault[2][:1].upper() + fault[2][1:])
                elif name == "bounds" and bound:
                    self.main.add_error(bound, message.partition(": ")[2].capitalize())
                else:
                    self.main.add_error(name if name in self.main.fields else None, message)

    @property
    def found(self) -> list[tuple[str, str]]:
        """(id of the place, message) of everything wrong, in the page's order."""
        if not self.main.is_bound:
            return []
        every = (self.main, *(form for _, _, form, _ in self.rows))
        made = [("", str(message)) for form in every for message in form.non_field_errors()]
        return made + [(bound.auto_id, str(m)) for form in every for bound in form for m in bound.errors]
