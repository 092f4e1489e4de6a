"""The form of a probe plan: bounds of the probes, and one row for each probe with its limit. Needs no JavaScript."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django import forms

from apps.analysis.probes import PROBES
from apps.analysis.probes.deciding import measure_unstated
from apps.core.errors import BadInput
from apps.robustness.models import ProbePlan
from apps.robustness.rules import BOUNDS, DEFAULTS, MAX_REASON, OF_NUMBERS, PlanFacts, bounds_of, required
from apps.robustness.states import PRIVATE_WORDS, PrivateTraining
from apps.validations.states import Task
from apps.web.forms import Form

ENDS = [
    ("point", "the value"),
    ("near", "the lower end of its interval"),
    ("far", "the upper end of its interval"),
]
TOLD = (
    "private_training",
    "private_epsilon",
    "no_answer",
    "rationale",
)  # fields of the plan that are no bounds
_SHORT = {"size": 8, "autocomplete": "off"}
_FAULT = re.compile(r"Limit (\d+): (.+)", re.DOTALL)
HINTS = {
    "seed": "The same seed gives the same disturbed cases.",
    "rows": "Of the test data, and of all training data together; a sample where there are more.",
    "shift": "0.5: half of all cases become cases of one group.",
    "epsilon": "0.1: each number moves by at most a tenth of its standard deviation in the test data.",
    "flips": "0: columns of 0 and 1 stay as they are. Where the use can mistake them, say how many at once.",
    "budget": "",
    "cases": "",
}
NUMBER_HINTS = {
    "tolerance": "In the unit of the predicted number: a smaller change under a disturbance makes no difference to who "
    "uses it.",
    "error": "In the same unit: a greater error far from the training data, or in one group, is one too many.",
}


def _bound(name: str) -> forms.CharField:
    label, least, greatest, _ = BOUNDS[name]
    hint = f"{least:,g} to {greatest:,g}. {HINTS[name]}".strip()
    return forms.CharField(label=label, max_length=24, help_text=hint, widget=forms.TextInput(attrs=_SHORT))


def _of_number(name: str) -> forms.CharField:
    label = OF_NUMBERS[name][0]
    return forms.CharField(
        label=label, max_length=24, help_text=NUMBER_HINTS[name], widget=forms.TextInput(attrs=_SHORT)
    )


class BoundsForm(Form):
    """Bounds of the probes, why they fit, and the key that makes a double click one plan."""

    tolerance = _of_number("tolerance")
    error = _of_number("error")
    seed = _bound("seed")
    rows = _bound("rows")
    shift = _bound("shift")
    epsilon = _bound("epsilon")
    flips = _bound("flips")
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
    no_answer = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        label="Cases without an answer",
        help_text="Why a case may go without an answer where a value is missing, if no limit says how many may: "
        "medium and high tier ask for one of the two.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    rationale = forms.CharField(
        max_length=20_000,
        help_text="Why these limits and bounds fit the use: what happens to the inputs where it runs.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, facts: PlanFacts, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in set(OF_NUMBERS) - set(bounds_of(facts.task)):
            del self.fields[name]
        for name in set(OF_NUMBERS) & set(self.fields):
            self.fields[name].label = f"{OF_NUMBERS[name][0]}{f' ({facts.unit})' if facts.unit else ''}"


class LimitForm(Form):
    """The limit of one probe; without a limit the probe is not made."""

    limit = forms.CharField(
        required=False, max_length=24, label="At most", widget=forms.TextInput(attrs=_SHORT)
    )
    rule = forms.ChoiceField(required=False, choices=ENDS, initial="near", label="Judged on")
    min_n = forms.CharField(
        required=False, max_length=12, initial="30", label="Smallest n", widget=forms.TextInput(attrs=_SHORT)
    )


def _measured(words: str, task: str) -> str:
    """What a probe measures, in the words of the task; what a number's tolerance is, is stated in the same form."""
    if task == Task.REGRESSION:
        return measure_unstated(words)
    return words.replace("decision", "class") if task == Task.MULTICLASS else words


class ProbeEntry:
    """The whole form. rows: (name, probe, what is measured, form, whether the tier wants it)."""

    def __init__(self, data: Mapping[str, str] | None, earlier: ProbePlan | None, facts: PlanFacts):
        wanted = required(facts)
        before = {line["probe"]: line for line in earlier.limits} if earlier else {}
        initial = {**DEFAULTS, **(earlier.bounds if earlier else {})}
        initial |= {name: getattr(earlier, name) if earlier else "" for name in TOLD}
        initial["idempotency_key"] = uuid.uuid4().hex
        self.main = BoundsForm(data, initial=initial, facts=facts)
        self.rows = [
            (
                name,
                probe,
                _measured(probe.measure, facts.task),
                LimitForm(data, prefix=name, initial=before.get(name)),
                name in wanted,
            )
            for name, probe in PROBES.items()
        ]

    def is_valid(self) -> bool:
        return all([self.main.is_valid(), *(form.is_valid() for _, _, _, form, _ in self.rows)])

    def arguments(self) -> dict[str, Any]:
        """Arguments of `write_plan`; blank limits are left out."""
        given = dict(self.main.cleaned_data)
        told = {name: given.pop(name) for name in (*TOLD, "idempotency_key")}
        limits = [
            {"probe": name, "id": name, **form.cleaned_data}
            for name, _, _, form, _ in self.rows
            if form.cleaned_data["limit"].strip()
        ]
        return {"bounds": given, "limits": limits, **told}

    def add_refusal(self, refused: BadInput) -> None:
        """What the act said, beside the field it is about where that is known."""
        filled = [form for _, _, _, form, _ in self.rows if form.cleaned_data["limit"].strip()]
        for name, messages in refused.fields.items():
            for message in messages:
                fault = _FAULT.fullmatch(message)
                every = {**OF_NUMBERS, **BOUNDS}
                bound = next((b for b, words in every.items() if message.startswith(f"{words[0]}: ")), None)
                if name == "limits" and fault and int(fault[1]) <= len(filled):
                    filled[int(fault[1]) - 1].add_error("limit", fault[2][:1].upper() + fault[2][1:])
                elif name == "bounds" and bound in self.main.fields:
                    self.main.add_error(bound, message.partition(": ")[2].capitalize())
                else:
                    self.main.add_error(name if name in self.main.fields else None, message)

    @property
    def found(self) -> list[tuple[str, str]]:
        """(id of the place, message) of everything wrong, in the page's order."""
        if not self.main.is_bound:
            return []
        every = (self.main, *(form for _, _, _, form, _ in self.rows))
        made = [("", str(message)) for form in every for message in form.non_field_errors()]
        return made + [(bound.auto_id, str(m)) for form in every for bound in form for m in bound.errors]
