"""Repeatable rows of a plan's form: criteria, bias limits and baselines, by the task of the plan.

Rows travel as `criteria-0-metric`, `criteria-1-metric`, …; the buttons "add another" and "remove" send the form and
get it back with a row more or less and everything typed still there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from apps.analysis.disparities import DISPARITIES, REAL_DISPARITIES
from apps.validations.catalogue import LESS, METRICS, MORE
from apps.validations.rules import MAX_CRITERIA
from apps.validations.states import Task
from apps.web.forms import Form

_ROW_FAULT = re.compile(r"(?:Criterion|Limit|Baseline) (\d+): (.+)", re.DOTALL)
ENDS = [("point", "the value"), ("lower", "its lower end"), ("upper", "its upper end")]
LIMIT_ENDS = [("point", "the value"), ("near", "its nearest end"), ("far", "its farthest end")]
SHORT = {"size": 8, "autocomplete": "off"}


def name_input(size: int = 24) -> forms.TextInput:
    return forms.TextInput(
        attrs={"size": size, "autocomplete": "off", "spellcheck": "false", "list": "columns"}
    )


class CriterionForm(Form):
    """One acceptance criterion. Nothing is required here: the act judges, and a blank row is no row."""

    metric = forms.ChoiceField(required=False, choices=())
    of_class = forms.CharField(
        required=False, max_length=120, label="Of class", widget=forms.TextInput(attrs=SHORT)
    )
    subgroup = forms.CharField(
        required=False,
        initial="all",
        max_length=160,
        label="Cases",
        widget=forms.TextInput(attrs={"size": 18, "autocomplete": "off", "spellcheck": "false"}),
    )
    direction = forms.ChoiceField(
        required=False, choices=[("min", "at least"), ("max", "at most")], label="Is"
    )
    limit = forms.CharField(required=False, max_length=24, widget=forms.TextInput(attrs=SHORT))
    rule = forms.ChoiceField(required=False, choices=ENDS, initial="lower", label="Judged on")
    min_n = forms.CharField(
        required=False, max_length=12, initial="30", label="Smallest n", widget=forms.TextInput(attrs=SHORT)
    )
    id = forms.CharField(
        required=False, max_length=40, label="Identifier", widget=forms.TextInput(attrs=SHORT)
    )
    wanted = ("metric", "limit")


class LimitForm(Form):
    """One limit on a difference or ratio between groups."""

    metric = forms.ChoiceField(
        required=False,
        choices=(),
        label="Comparison",
    )
    column = forms.CharField(required=False, max_length=120, label="Groups of", widget=name_input(18))
    limit = forms.CharField(
        required=False,
        max_length=24,
        widget=forms.TextInput(attrs=SHORT),
    )
    rule = forms.ChoiceField(required=False, choices=LIMIT_ENDS, initial="near", label="Judged on")
    min_n = forms.CharField(
        required=False, max_length=12, initial="30", label="Smallest n", widget=forms.TextInput(attrs=SHORT)
    )
    id = forms.CharField(
        required=False, max_length=40, label="Identifier", widget=forms.TextInput(attrs=SHORT)
    )
    wanted = ("metric", "limit", "column")


class BaselineForm(Form):
    """How good the replaced process is in one metric."""

    metric = forms.ChoiceField(required=False, choices=())
    of_class = forms.CharField(
        required=False, max_length=120, label="Of class", widget=forms.TextInput(attrs=SHORT)
    )
    subgroup = forms.CharField(
        required=False,
        initial="all",
        max_length=160,
        label="Cases",
        widget=forms.TextInput(attrs={"size": 18, "autocomplete": "off", "spellcheck": "false"}),
    )
    value = forms.CharField(required=False, max_length=24, widget=forms.TextInput(attrs=SHORT))
    n = forms.CharField(
        required=False, max_length=12, label="n, if known", widget=forms.TextInput(attrs=SHORT)
    )
    source = forms.CharField(required=False, max_length=500, widget=forms.TextInput(attrs={"size": 18}))
    rule = forms.ChoiceField(required=False, choices=ENDS, initial="point", label="Judged on")
    id = forms.CharField(
        required=False, max_length=40, label="Identifier", widget=forms.TextInput(attrs=SHORT)
    )
    wanted = ("metric", "value", "source")


AnyRow = CriterionForm | LimitForm | BaselineForm


class Rows:
    """A repeatable part of the form: `forms` in order, blank ones kept on the page and left out of `values`."""

    def __init__(
        self, name: str, kind: type[AnyRow], given: Any, before: Sequence[Mapping], task: Task = Task.BINARY
    ) -> None:
        self.name, self.kind, self.task = name, kind, task
        self.forms: list[AnyRow] = []
        if given is None:
            for i, row in enumerate(before or [{}]):
                self.forms.append(self._form(i, None, row))
            return
        wanted = _whole(given.get(f"{name}-count", "1"))
        keep = [i for i in range(wanted) if given.get("remove") != f"{name}-{i}"]
        data = [{field: given.get(f"{name}-{i}-{field}", "") for field in kind.base_fields} for i in keep]
        if given.get("add") == name and len(data) < MAX_CRITERIA:
            data.append({key: field.initial or "" for key, field in kind.base_fields.items()})
        for i, row in enumerate(data or [{key: f.initial or "" for key, f in kind.base_fields.items()}]):
            self.forms.append(self._form(i, {f"{name}-{i}-{key}": value for key, value in row.items()}, None))

    def _form(self, number: int, data: Mapping | None, initial: Mapping | None) -> AnyRow:
        if initial is not None:
            initial = {**initial, "of_class": initial.get("class", "")}
        form = self.kind(data, prefix=f"{self.name}-{number}", initial=initial)
        if self.kind is LimitForm:
            known = {name: of[2] for name, of in comparisons(self.task).items()}
            form.fields["metric"].choices = [("", "Choose a comparison"), *known.items()]  # type: ignore[attr-defined]
        else:
            known = {
                n: w for n, w in METRICS[self.task].items() if self.name == "criteria" or n in MORE | LESS
            }
            form.fields["metric"].choices = [("", "Choose a metric"), *known.items()]  # type: ignore[attr-defined]
            if self.task != Task.MULTICLASS:
                del form.fields["of_class"]
        return form

    def _filled(self, form: Form) -> bool:
        return any(str(form.data.get(form.add_prefix(name), "")).strip() for name in self.kind.wanted)

    def values(self) -> list[dict[str, str]]:
        """What was typed in the rows that are not blank, as `write_plan` takes it."""
        found = []
        for form in self.forms:
            if self._filled(form):
                typed = {name: str(form.data.get(form.add_prefix(name), "")).strip() for name in form.fields}
                found.append(
                    {
                        {"of_class": "class"}.get(name, name): value
                        for name, value in typed.items()
                        if value or name not in ("id", "min_n", "n", "of_class")
                    }
                )
        return found

    def place(self, messages: Sequence[str]) -> list[str]:
        """Put "Criterion 2: …" beside the row it is about; gives back what is about no row."""
        filled = [form for form in self.forms if self._filled(form)]
        rest = []
        for message in messages:
            found = _ROW_FAULT.fullmatch(message)
            if found and 0 < int(found[1]) <= len(filled):
                filled[int(found[1]) - 1].add_error(None, found[2][:1].upper() + found[2][1:])
            else:
                rest.append(message)
        return rest


def comparisons(task: Task) -> dict[str, tuple[str, tuple[str, ...], str]]:
    return REAL_DISPARITIES if task == Task.REGRESSION else DISPARITIES


def _whole(typed: str) -> int:
    return min(int(typed), MAX_CRITERIA) if typed.isascii() and typed.isdigit() and len(typed) < 5 else 1
