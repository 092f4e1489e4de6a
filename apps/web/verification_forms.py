"""Forms of verification evidence, links and claims."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.verification.states import KIND_WORDS, TARGET_WORDS, Kind, Target
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.uploading import UploadForm

KINDS = [(kind.value, KIND_WORDS[kind]) for kind in Kind]


class EvidenceForm(UploadForm):
    uploads = {"file": "Choose the file."}
    kind = forms.ChoiceField(
        choices=KINDS,
        widget=forms.RadioSelect,
        help_text="Test results: JUnit XML. Coverage: Cobertura XML or coverage.py JSON. Findings: SARIF 2.1.0. Bill "
        "of materials: CycloneDX or SPDX 2.x JSON. Benchmark log: pytest-benchmark JSON or plain text.",
    )
    title = forms.CharField(
        max_length=120, help_text="Such as “Unit tests”. Of the same kind and title the newest counts."
    )
    file = forms.FileField(
        help_text="At most 20 MiB. It is kept as it is, by its digest, and read in the portal."
    )
    commit = forms.CharField(
        max_length=64,
        required=False,
        help_text="That was tested; it must be the version's own. Empty if the file names it.",
    )
    tool = forms.CharField(
        max_length=120, required=False, help_text="That made the file. Empty if the file names it."
    )
    tool_version = forms.CharField(max_length=60, required=False, label="Version of the tool")
    produced_at = MomentField(
        required=False, label="Made at (UTC)", help_text="Needed where the file names no time with a zone."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class LinkForm(Form):
    requirement = forms.CharField(max_length=40, help_text="Such as REQ-4, of those the version inherits.")
    target = forms.ChoiceField(
        label="Shown by", choices=[(t.value, TARGET_WORDS[t]) for t in Target], widget=forms.RadioSelect
    )
    pattern = forms.CharField(
        label="Which",
        max_length=500,
        help_text="Of tests: the id, with * for any text and ? for one character. Else: the id of the criterion or "
        "limit, such as C1, or the reference of the explanation or claim, such as XR-2.",
    )
    reason = ReasonField(label="Why it shows the requirement")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class FiguresField(forms.CharField):
    """Figures, one a line: metric; group; value; lower end; upper end; n."""

    def to_python(self, value: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        rows = []
        for place, line in enumerate(
            filter(None, map(str.strip, super().to_python(value).splitlines())), start=1
        ):
            parts = [part.strip() for part in line.split(";")]
            if len(parts) != 6 or not parts[5].isdecimal() or len(parts[5]) > 15:
                raise forms.ValidationError(
                    f"Line {place}: give metric; group; value; lower end; upper end; n, separated by semicolons, such "
                    "as auc; all; 0.91; 0.88; 0.94; 400. The ends may be empty."
                )
            rows.append(
                dict(
                    zip(("metric", "subgroup", "value", "low", "high"), parts, strict=False), n=int(parts[5])
                )
            )
        return rows


class ClaimForm(Form):
    origin = forms.CharField(
        max_length=200, label="Computed by", help_text="Who, and where: laboratory, supplier, cluster."
    )
    figures = FiguresField(
        max_length=30_000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One a line: metric; group; value; lower end; upper end; n. Such as auc; all; 0.91; 0.88; 0.94; 400.",
    )
    script_digest = forms.CharField(
        max_length=71, label="Digest of the evaluation script", help_text="sha256:…"
    )
    script_name = forms.CharField(max_length=200, required=False, label="Name of the script")
    data_digest = forms.CharField(
        max_length=71, label="Digest of the data", help_text="sha256:… of what it was computed on."
    )
    tool = forms.CharField(max_length=120, help_text="Software that computed it.")
    tool_version = forms.CharField(max_length=60, label="Version of the tool")
    computed_at = MomentField(label="Computed at (UTC)")
    note = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)
