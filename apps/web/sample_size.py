"""The form of the sample-size helper and its answer in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms

from apps.analysis import samplesize
from apps.analysis.errors import InputError
from apps.web.forms import Form

WIDTH, LIMIT = "width", "limit"
_SHORT = {"size": 8, "autocomplete": "off"}


def _number(**more: Any) -> forms.FloatField:
    return forms.FloatField(required=False, widget=forms.TextInput(attrs=_SHORT), **more)


class SampleSizeForm(Form):
    wanted = forms.ChoiceField(
        label="What the cases are for",
        choices=[(WIDTH, "An interval of a wanted width"), (LIMIT, "To show that a limit is kept")],
        initial=WIDTH,
        widget=forms.RadioSelect,
    )
    expected = forms.FloatField(
        label="Expected share",
        help_text="The value you expect of the rate, from 0 to 1: a sensitivity of 0.85, say.",
        widget=forms.TextInput(attrs=_SHORT),
    )
    half_width = _number(
        label="Half width", help_text="For an interval: how far it may reach to either side, such as 0.05."
    )
    limit = _number(label="Limit", help_text="To show a limit: the limit of the criterion.")
    direction = forms.ChoiceField(
        required=False, choices=[("min", "at least"), ("max", "at most")], label="The rate must be"
    )
    power = _number(
        label="Power",
        initial=0.8,
        help_text="To show a limit: the chance that the test shows it, if the expected share is true. 0.8 unless told.",
    )
    groups = forms.CharField(
        required=False,
        max_length=5000,
        label="Groups and their shares",
        help_text="One a line, as name = share of the cases that count: female = 0.4. For sensitivity these are the "
        "positive cases alone. Leave empty for all cases together.",
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
    )
    prevalence = _number(
        label="Share of cases that count",
        help_text="For a rate of the positive cases (sensitivity) the share of positives among all cases, for one of "
        "the negatives theirs; leave empty where every case counts.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if (
            given.get("wanted") == WIDTH
            and given.get("half_width") is None
            and "half_width" not in self.errors
        ):
            self.add_error("half_width", "Fill in the half width you want, such as 0.05.")
        if given.get("wanted") == LIMIT and given.get("limit") is None and "limit" not in self.errors:
            self.add_error("limit", "Fill in the limit that is to be shown.")
        if not self.errors:
            try:
                given["answer"] = answered(given)
            except InputError as error:
                self.add_error(None, str(error))
        return given


@dataclass(frozen=True)
class Answer:
    """`need`: for one group; `spread`: `samplesize.per_subgroup`; `drawn`: cases to draw where only a part counts."""

    need: samplesize.Need
    spread: dict[str, Any]
    drawn: int


def answered(given: dict[str, Any]) -> Answer:
    """The numbers for checked input. Raises `InputError`."""
    if given["wanted"] == WIDTH:
        need = samplesize.for_half_width(given["expected"], given["half_width"])
    else:
        need = samplesize.to_show(
            given["expected"],
            given["limit"],
            given["power"] if given["power"] is not None else samplesize.POWER,
            direction=given["direction"] or "min",
        )
    spread = samplesize.per_subgroup(need, samplesize.shares_of(given["groups"]))
    counts = given["prevalence"] if given["prevalence"] is not None else 1.0
    return Answer(need, spread, samplesize.drawn(spread["total"], counts))


def worked_out(form: SampleSizeForm) -> Answer:
    answer: Answer = form.cleaned_data["answer"]
    return answer
