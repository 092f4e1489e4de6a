"""The form of a validation plan: fields by its task, and the repeatable rows of `plan_rows`; it needs no JavaScript."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from apps.access.previewing import Preview
from apps.core.errors import BadInput
from apps.datasets.models import DatasetVersion
from apps.validations.catalogue import METRICS, suggested
from apps.validations.models import Plan
from apps.validations.plan_task import task_of
from apps.validations.states import EXCLUSION_WORDS, TASK_WORDS, Exclusion, Task
from apps.web.criteria import disparity_words, metric_words
from apps.web.forms import ChangeForm, Form, ReasonField
from apps.web.plan_rows import SHORT, BaselineForm, CriterionForm, LimitForm, Rows, comparisons, name_input


class PlanForm(Form):
    test_data_id = forms.TypedChoiceField(
        label="Test data",
        coerce=int,
        choices=(),
        help_text="Fixed versions in the vault. Their rows stay unseen.",
    )
    task = forms.ChoiceField(
        label="The model answers",
        choices=[(task.value, words) for task, words in TASK_WORDS.items()],
        help_text="The metrics to choose from are those of the task.",
    )
    label_column = forms.CharField(
        max_length=120, help_text="The column with the verified outcome.", widget=name_input()
    )
    classes = forms.CharField(
        required=False,
        max_length=8000,
        help_text="One a line, as they stand in the label column, in the order of the model's scores.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    target_unit = forms.CharField(
        required=False,
        max_length=40,
        label="Unit of the number",
        help_text="Such as mg/L or days. Errors are told in it.",
        widget=forms.TextInput(attrs=SHORT),
    )
    positive_value = forms.CharField(
        required=False,
        max_length=120,
        help_text="The value of the label that counts as positive, as it stands in the file.",
        widget=forms.TextInput(attrs={"size": 12, "autocomplete": "off"}),
    )
    threshold = forms.CharField(
        required=False,
        max_length=24,
        initial="0.5",
        help_text="Scores at or above it count as positive. It is locked with the plan.",
        widget=forms.TextInput(attrs=SHORT),
    )
    group_columns = forms.CharField(
        max_length=1000,
        help_text="Columns that make groups, separated by commas: results are reported for each group.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    unit_column = forms.CharField(
        required=False,
        max_length=120,
        help_text="The column that says which rows belong to one unit, such as a patient or batch, where a unit has "
        "several rows: intervals then count units. Leave empty where every row stands for itself.",
        widget=name_input(),
    )
    weight_column = forms.CharField(
        required=False,
        max_length=120,
        help_text="A column of positive sampling weights, where the test data were drawn with unequal chances.",
        widget=name_input(),
    )
    undecided_from = forms.CharField(
        required=False,
        max_length=24,
        label="Undecided from score",
        help_text="Scores from here up to the next number count as undecided: a person decides these cases. All "
        "criteria and bias limits but the undecided rate are then judged on the decided cases. Leave both empty where "
        "the model decides every case.",
        widget=forms.TextInput(attrs=SHORT),
    )
    undecided_to = forms.CharField(
        required=False,
        max_length=24,
        label="Undecided up to, below score",
        widget=forms.TextInput(attrs=SHORT),
    )
    exclusion = forms.ChoiceField(
        label="A case that cannot be judged",
        choices=[(rule.value, words) for rule, words in EXCLUSION_WORDS.items()],
        help_text="Its score is missing, not finite or out of range, or its label, weight or input cannot be read.",
    )
    max_excluded = forms.CharField(
        required=False,
        max_length=24,
        label="Greatest share of excluded cases",
        help_text="Where cases are excluded: 0.01 is 1 % of all. More than that fails the plan. Else leave it empty.",
        widget=forms.TextInput(attrs=SHORT),
    )
    no_predecessor = forms.CharField(
        required=False,
        max_length=5000,
        label="Why nothing is replaced",
        help_text="Only where there is no process that the model replaces. It is signed with the plan.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    rationale = forms.CharField(
        max_length=20_000,
        help_text="Why these data, limits and sample sizes suffice (EU GMP Annex 22 draft 5.2).",
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class ReplacingForm(ChangeForm, PlanForm):
    """A plan that takes the place of a locked one: its reason stands in the deviation that comes with it."""

    reason = ReasonField(
        help_text="Why the locked plan is not kept. It stands in the record and in the deviation."
    )


CARRIED = (
    *("label_column", "positive_value", "threshold", "rationale", "no_predecessor"),
    *("unit_column", "weight_column", "undecided_from", "undecided_to"),
    *("task", "target_unit", "exclusion", "max_excluded"),
)
# Fields that only a plan of this task has; the others are left out of its form.
ONLY = {
    Task.BINARY: ("threshold", "undecided_from", "undecided_to"),
    Task.MULTICLASS: ("classes",),
    Task.REGRESSION: ("target_unit",),
}

NEEDED = {
    Task.BINARY: ("positive_value", "threshold"),
    Task.MULTICLASS: ("classes", "positive_value"),
    Task.REGRESSION: ("target_unit",),
}


class PlanEntry:
    """The whole form: `main` and its three `parts`, filled from a POST, from an earlier plan, or blank."""

    main: PlanForm

    def __init__(
        self,
        given: Any,
        choices: Sequence[DatasetVersion],
        earlier: Plan | None,
        kind: type[PlanForm] = PlanForm,
        interface: Mapping[str, Any] | None = None,
    ) -> None:
        guessed, names = suggested(interface or {})
        before: dict[str, Any] = {
            "idempotency_key": uuid.uuid4().hex,
            "task": guessed.value,
            "classes": "\n".join(names),
            "exclusion": Exclusion.FAIL.value,
        }
        if earlier is not None:
            before |= {
                "test_data_id": earlier.test_data_id,
                "group_columns": ", ".join(earlier.group_columns),
                "classes": "\n".join(earlier.classes),
                **{n: getattr(earlier, n) for n in CARRIED},
            }
        entered = before["task"] if given is None else given.get("task", "")
        self.task = task_of(entered) or Task.BINARY
        self.reshaped = given is not None and ("add" in given or "remove" in given)
        if self.reshaped:  # sent only to get a row more or less: nothing is judged
            self.main = kind(
                initial={n: given.get(n, field.initial or "") for n, field in kind.base_fields.items()}
            )
        else:
            self.main = kind(given, initial=before)
        self.main.fields["test_data_id"].choices = [  # type: ignore[attr-defined]
            ("", "Choose a test version"),
            *((one.pk, f"{one.ref}, {one.row_count:,} rows") for one in choices),
        ]
        for task, fields in ONLY.items():
            if task != self.task:
                for name in fields:
                    del self.main.fields[name]
        for name in NEEDED[self.task]:
            self.main.fields[name].required = True
        if self.task == Task.REGRESSION:
            del self.main.fields["positive_value"]
        elif self.task == Task.MULTICLASS:
            field = self.main.fields["positive_value"]
            field.label = "Class that groups are compared on"
            field.help_text = "One of the classes: the bias report holds it against the rest."
        self.criteria = Rows("criteria", CriterionForm, given, earlier.criteria if earlier else [], self.task)
        self.limits = Rows("bias_limits", LimitForm, given, earlier.bias_limits if earlier else [], self.task)
        self.baselines = Rows(
            "baselines", BaselineForm, given, earlier.baselines if earlier else [], self.task
        )
        self.parts = (self.criteria, self.limits, self.baselines)
        self.columns = {one.ref: [column["name"] for column in one.columns] for one in choices}

    @property
    def column_names(self) -> list[str]:
        return sorted({name for names in self.columns.values() for name in names})

    def arguments(self) -> dict[str, Any]:
        """What `write_plan` takes; the main form must be valid."""
        typed = dict(self.main.cleaned_data)
        typed["group_columns"] = [part.strip() for part in typed["group_columns"].split(",") if part.strip()]
        typed["classes"] = [part.strip() for part in typed.get("classes", "").splitlines() if part.strip()]
        typed = {"positive_value": "", "threshold": ""} | typed
        return typed | {part.name: part.values() for part in self.parts}

    def add_refusal(self, refused: BadInput) -> None:
        """Each message beside the field or the row it is about."""
        left = dict(refused.fields)
        for part in self.parts:
            if part.name in left:
                left[part.name] = part.place(left[part.name])
                if not left[part.name]:
                    del left[part.name]
        if left or not refused.fields:
            self.main.add_refusal(BadInput(refused.what, fact=refused.fact, fields=left))

    @property
    def found(self) -> list[tuple[str, str]]:
        """(id of the place, message) of everything wrong, in the page's order."""
        if not self.main.is_bound:
            return []
        made = [("", str(message)) for message in self.main.non_field_errors()]
        made += [(bound.auto_id, str(m)) for bound in self.main for m in bound.errors]
        for part, word in zip(self.parts, ("Criterion", "Limit", "Baseline"), strict=True):
            for i, form in enumerate(part.forms, start=1):
                made += [(f"{part.name}-{i - 1}", f"{word} {i}: {m}") for m in form.non_field_errors()]
        return made


class ReplacingEntry(PlanEntry):
    """The form of a plan that takes the place of a locked one: sent by `door.attempt_change`."""

    main: ReplacingForm

    def __init__(self, given: Any, choices: Sequence[DatasetVersion], replaced: Plan) -> None:
        super().__init__(given, choices, replaced, ReplacingForm)

    @property
    def confirmed(self) -> str:
        return self.main.confirmed

    @property
    def preview(self) -> Preview | None:
        """What will change, once that is known."""
        return self.main.preview

    @preview.setter
    def preview(self, found: Preview | None) -> None:
        self.main.preview = found

    @property
    def button(self) -> str:
        return self.main.button

    def add_error(self, field: str | None, message: str) -> None:
        self.main.add_error(field, message)


def definitions(task: Task = Task.BINARY) -> dict[str, list[tuple[str, str, str]]]:
    """(name, label, one line) of every metric of a task and of every comparison between groups."""
    return {
        "metrics": [(name, label, metric_words(name, task)) for name, label in METRICS[task].items()],
        "comparisons": [(name, of[2], disparity_words(name)) for name, of in comparisons(task).items()],
    }
