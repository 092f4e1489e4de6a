"""Explanations of several classes and of a number, computed by the portal: kept, told by task, shown at the gate."""

from __future__ import annotations

import csv
import html
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error

from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.explanation import external, queries
from apps.explanation.checks import explanation_reviewed
from apps.explanation.export import as_csv
from apps.packs.gather import gather
from apps.packs.sections.explanation import explanation
from apps.registry.models import Version
from apps.validations import cases as per_case
from tests.factories.explanations import explained, reviewed, submitted
from tests.factories.tasks import CLASSES, changed, tasked_world, trial_csv


@pytest.fixture(params=["multiclass", "regression"])
def made(world, request):
    return request.param, tasked_world(world, request.param)


def outcome(made):
    version = Version.objects.select_related("model", "intended_use").get(pk=made.version.pk)
    version.intended_use.affects_people = True
    return explanation_reviewed(version)


def test_it_is_computed_by_the_metric_of_the_task_and_the_same_again(world, made):
    task, tested = made
    report = explained(world, tested.run)
    assert (report.state, report.failure) == ("done", "")
    results = queries.results_of(report)
    found = results["explanation"]
    assert found["features"][0]["feature"] == "marker"
    assert found["task"] == task
    cases = per_case.read_cases_table(tested.run.cases_digest)
    y, p = (cases[name].to_pylist() for name in (per_case.LABEL, per_case.PREDICTION))
    told = found["achieved"]
    if task == "multiclass":
        assert found["measure"] == "balanced_accuracy_drop"
        truth = balanced_accuracy_score(y, p)
        assert {each["class"] for each in found["examples"]} <= set(CLASSES)
        assert {line["class"] for line in found["surrogate"]["lines"]} <= set(CLASSES)
    else:
        assert (found["measure"], found["unit"]) == ("mae_rise", "mg/L")
        truth = mean_absolute_error(y, p)
        assert "mg/L" in found["features"][0]["sentence"]
    assert float(told["value"]) == pytest.approx(truth, rel=1e-3)  # four digits leave the vault
    assert told["n"] == 400
    assert float(told["low"]) < float(told["value"]) < float(told["high"])
    assert float(results["largest_difference_from_run"]) < 1e-4
    again = explained(world, tested.run)
    for name in ("results_digest", "chart_digest", "cases_digest", "summary", "method"):
        assert getattr(report, name) == getattr(again, name)
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert {row["line"] for row in rows} == {"feature", "example", "surrogate"}
    assert any(row["class"] for row in rows) == (task == "multiclass")


def test_attributions_add_up_in_the_vault_and_no_row_leaves_it(world, made):
    task, tested = made
    report = explained(world, tested.run)
    kept = pq.read_table(io.BytesIO(blobs.read(report.cases_digest, area="vault")))
    parts = np.column_stack(
        [kept[name].to_numpy() for name in kept.column_names if name.startswith("attribution")]
    )
    cases = per_case.read_cases_table(tested.run.cases_digest)
    rows = kept[per_case.ROW].to_numpy() - 1
    if task == "multiclass":
        scores = np.column_stack([cases[f"case_score_{i}"].to_numpy() for i in (1, 2, 3)])[rows]
        own = scores.max(axis=1)
    else:
        own = cases[per_case.PREDICTION].to_numpy()[rows]
    assert np.allclose(kept[per_case.SCORE].to_numpy(), own, atol=1e-4)
    base = kept[per_case.SCORE].to_numpy() - parts.sum(axis=1)
    if task == "regression":
        assert np.ptp(base) < 1e-3  # one base of all cases
    told = json.dumps(queries.results_of(report)) + json.dumps(report.summary)
    test = blobs.read(tested.test.file_digest, area="vault").decode().splitlines()[1:]
    assert not [line for line in test if line.split(",")[0] in told]
    for each in queries.results_of(report)["explanation"]["examples"]:
        assert all("fifth" in f["place"] for f in each["features"])


def test_the_gate_takes_the_portals_own_and_names_one_made_elsewhere(world, made):
    task, tested = made
    assert (outcome(tested).state, outcome(tested).refs) == ("not_started", ())
    handed_in = submitted(world, tested.run)
    beside = outcome(tested)
    assert (beside.state, beside.refs) == ("not_started", (handed_in.ref,))
    assert beside.needs == (("explanation.request_report", "validations.run", tested.run.pk),)
    assert f"{handed_in.ref} was made elsewhere and is evidence beside it" in beside.why
    report = reviewed(world, tested.run)
    met = outcome(tested)
    assert (met.state, met.refs) == ("met", (report.ref,))
    gathered = gather(tested.version.pk, now())
    part = explanation(gathered.content, gathered.charts)
    assert ("Balanced accuracy" if task == "multiclass" else "Mean absolute error") in part.html
    assert ("the score of the class a case gets" if task == "multiclass" else "mg/L") in part.html
    assert report.summary["surrogate"] in html.unescape(part.html)


def test_excluded_cases_are_no_case_of_it_and_no_number_is_explained_as_one(world):
    """The model tells nothing of who is above 75: no such case counts, and none comes about by shuffling."""
    data = changed(trial_csv(), "grade", lambda i, v: "" if i < 3 else v)
    tested = tasked_world(
        world, "multiclass", kind="some_nan", test=data, exclusion="exclude", max_excluded="0.1"
    )
    report = explained(world, tested.run)
    cases = per_case.counted(per_case.read_cases_table(tested.run.cases_digest))
    assert cases.num_rows < 397
    assert (report.state, queries.results_of(report)["explanation"]["n"]["rows"]) == ("done", cases.num_rows)


def test_a_matrix_for_each_of_several_classes_is_summed_up_by_size():
    def of(matrices):
        data = {
            "meta": {"name": "KernelShap"},
            "data": {"shap_values": matrices, "feature_names": ["a", "b"]},
        }
        found = external.read(json.dumps(data).encode(), "a.json", ["a", "b"], method="alibi", library="")
        return found.values.tolist()

    assert of([[[1, -1]], [[-1, 2]]]) == [[-1, 2]]  # of two classes the positive one's
    assert of([[[1, -1]], [[-1, 2]], [[4, 0]]]) == [[2.0, 1.0]]
    with pytest.raises(BadInput) as refused:
        of([[[1, 1]], [[1, 1], [2, 2]], [[1, 1]]])
    assert "another number of cases" in refused.value.fields["file"][0]
