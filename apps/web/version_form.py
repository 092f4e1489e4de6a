"""The form of a new version: the mirror of the API, everything a version says about itself."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.accounts.models import User
from apps.core.errors import BadInput
from apps.datasets.models import DatasetVersion
from apps.datasets.states import Partition
from apps.datasets.states import State as DataState
from apps.registry import queries
from apps.registry.models import Model
from apps.web.uploading import JsonField, LinesField, UploadForm


class VersionForm(UploadForm):
    """The form mirror of the API: everything a version says about itself."""

    uploads = {"artefact": "Choose the model file.", "code_archive": "", "environment": ""}

    label = forms.CharField(
        max_length=40,
        label="Version",
        help_text="Such as 1.2.0. A label is never reused.",
        widget=forms.TextInput(attrs={"size": 16, "autocomplete": "off"}),
    )
    intended_use = forms.TypedChoiceField(coerce=int, choices=(), help_text="What this version is for.")
    artefact = forms.FileField(
        label="Model file",
        help_text="ONNX, or scikit-learn saved by skops; up to 1 GiB. It is opened in a sandbox.",
    )
    features = LinesField(
        required=False,
        label="Input columns",
        help_text="One a line, in the order the model takes them, named as in the data. Empty: as the file names them.",
    )
    data_versions = forms.TypedMultipleChoiceField(
        coerce=int,
        choices=(),
        widget=forms.CheckboxSelectMultiple,
        label="Trained or tuned on",
        help_text="Fixed training and tuning versions. Test data are not offered: no version is made from them.",
    )
    authors = forms.TypedMultipleChoiceField(
        coerce=int,
        choices=(),
        widget=forms.CheckboxSelectMultiple,
        label="Authors",
        help_text="Everybody whose work is in this version. None of them may validate or approve it.",
    )
    other_authors = LinesField(
        required=False,
        label="Other authors",
        help_text="Usernames of people who hold no duty on this model, one a line.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    code_commit = forms.CharField(
        max_length=64,
        help_text="The commit of the training code: 7 to 64 hex digits.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    code_archive = forms.FileField(label="Code archive", help_text="Up to 100 MiB, kept by its digest.")
    environment = forms.FileField(
        label="Environment lock", help_text="The file that pins every package, up to 100 MiB."
    )
    image_digest = forms.CharField(
        required=False, max_length=71, label="Container image", help_text="sha256: and 64 hex digits."
    )
    hyperparameters = JsonField(required=False, help_text='A JSON object, such as {"C": 1.0}.')
    claimed_metrics = JsonField(
        required=False,
        label="Claims of the makers",
        help_text="A JSON object of figures the makers measured. Nothing is judged on them.",
    )
    parent = forms.TypedChoiceField(
        coerce=int,
        empty_value=None,
        choices=(),
        required=False,
        label="Derived from",
        help_text="If it was fine-tuned.",
    )
    note = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, actor: Actor, model: Model, **kwargs: Any) -> None:
        super().__init__(*args, person_id=actor.pk, **kwargs)
        uses = queries.intended_uses(actor, model)
        self.fields["intended_use"].choices = [
            (u.pk, f"{u.ref}, tier {u.get_tier_display().lower()}") for u in uses
        ]
        self.fields["data_versions"].choices = [(d.pk, _data_words(d)) for d in data_choices(actor)]
        people = queries.possible_authors(actor, model)
        self.fields["authors"].choices = [(p.pk, f"{p.printed_name} (@{p.username})") for p in people]
        derived = [
            ("", "Not derived from a version"),
            *((v.pk, v.ref) for v in queries.versions(actor)[:500]),
        ]
        self.fields["parent"].choices = derived

    def add_refusal(self, refused: BadInput) -> None:
        """Fields that only the file decides stand beside it."""
        for inner, shown in (
            ("artefact_format", "artefact"),
            ("interface", "artefact"),
            ("author_ids", "authors"),
        ):
            if inner in refused.fields and shown not in refused.fields:
                refused.fields[shown] = refused.fields.pop(inner)
        super().add_refusal(refused)

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        names = given.get("other_authors") or []
        people = dict(
            User.objects.filter(username__in=names, is_active=True, is_service=False).values_list(
                "username", "pk"
            )
        )
        unknown = [name for name in names if name not in people]
        if unknown:
            self.add_error("other_authors", f"No active account is called {', '.join(unknown)}.")
        given["author_ids"] = sorted({*given.get("authors", []), *people.values()})
        return given


def data_choices(actor: Actor):
    """Fixed training and tuning versions the person may see."""
    rows = visible(actor, DatasetVersion).exclude(partition=Partition.TEST).filter(state=DataState.FIXED)
    return rows.select_related("dataset").order_by("dataset__slug", "-number")


def _data_words(data: DatasetVersion) -> str:
    return f"{data.ref}, {data.get_partition_display().lower()}, {data.row_count} rows, {data.dataset.name}"
