"""Data and models that cannot be judged: a clear sentence, a kept run, a deviation, nothing half-written."""

from __future__ import annotations

import numpy as np
import pytest

from apps.core.errors import BadInput
from apps.quality.models import Deviation
from tests.factories.data import HEADER, vault_csv
from tests.factories.evidence import validated_world


def changed(column: str, change) -> bytes:
    """The vault CSV with one column changed: change(row number from 0, value) -> value."""
    at = HEADER.index(column)
    head, *rows = vault_csv().decode().splitlines()
    out = [head]
    for number, row in enumerate(rows):
        cells = row.split(",")
        cells[at] = change(number, cells[at])
        out.append(",".join(cells))
    return ("\r\n".join(out) + "\r\n").encode()


def score_model(expression: str) -> bytes:
    """An ONNX model without labels: score = marker/`expression` of one unnamed table of three numbers."""
    from onnx import TensorProto, helper

    nodes = {
        # 0/0 where the marker's sign is compared with itself: NaN for every case.
        "nan": [
            helper.make_node("Sub", ["inputs", "inputs"], ["zero"]),
            helper.make_node("Div", ["zero", "zero"], ["all"]),
            helper.make_node("ReduceSum", ["all", "axes"], ["score"], keepdims=1),
        ],
        # The plain sum: a score far outside 0 to 1.
        "sum": [helper.make_node("ReduceSum", ["inputs", "axes"], ["score"], keepdims=1)],
    }[expression]
    graph = helper.make_graph(
        nodes,
        expression,
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], np.array([1], dtype=np.int64))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def failed_run(world, **made):
    evidence = validated_world(world, until="run", **made)
    run = evidence.run
    assert (run.state, run.verdict, run.results_digest, run.cases_digest) == ("failed", "", "", "")
    assert not run.results.exists()
    deviation = Deviation.objects.get(source_kind="validations.run")
    assert (deviation.criterion, deviation.description) == ("execution", run.failure)
    assert evidence.version.state == "plan_approved"
    return run


def test_missing_labels(world):
    run = failed_run(world, test=changed("outcome", lambda i, v: "" if i < 12 else v))
    assert run.failure == (
        "The label column “outcome” is empty in 12 of 400 rows. Every test case needs a verified label."
    )


def test_a_label_with_three_values(world):
    run = failed_run(world, test=changed("outcome", lambda i, v: "2" if i < 5 else v))
    assert "more than two values" in run.failure


def test_a_positive_value_that_never_occurs(world):
    run = failed_run(world, positive_value="yes")
    assert "never holds the positive value yes; it holds 0 and 1" in run.failure


def test_scores_that_are_not_numbers(world):
    run = failed_run(world, model=score_model("nan"))
    assert run.failure.startswith("400 of 400 scores are not finite numbers")


def test_a_model_that_wants_other_columns(world):
    run = failed_run(world, features=("age", "marker", "weight"))
    assert "The model needs weight, which the data do not have" in run.failure


def test_a_model_of_another_width(world):
    with pytest.raises(BadInput) as refused:
        validated_world(world, until="run", features=("age", "marker"))
    assert refused.value.fields == {"features": ["The model takes 3 numbers a row; 2 columns are named."]}


def test_all_cases_of_one_class_are_not_computable_but_not_a_failure(world):
    evidence = validated_world(world, until="run", test=changed("outcome", lambda _i, _v: "0"))
    run = evidence.run
    assert (run.state, run.failure) == ("done", "")
    results = {r.criterion: r for r in run.results.all()}
    assert results["C2"].verdict == "undecided"
    assert "no positive case" in results["C2"].sentence
    assert "only one class" in results["C1"].sentence
    assert results["C3"].verdict == "not_met"
    assert set(Deviation.objects.values_list("criterion", flat=True)) >= {"C1", "C2"}


def test_scores_outside_zero_to_one_still_give_decisions(world):
    evidence = validated_world(
        world,
        until="run",
        model=score_model("sum"),
        threshold="70",
        criteria=[
            {"id": "S", "metric": "tpr", "limit": "0", "direction": "min"},
            {"id": "A", "metric": "auc", "limit": "0.5", "direction": "min"},
        ],
    )
    verdicts = dict(evidence.run.results.values_list("criterion", "verdict"))
    assert verdicts == {"S": "met", "A": "undecided"}


@pytest.mark.parametrize("few", [3])
def test_a_group_with_three_rows_is_shown_and_not_judged(world, few):
    data = changed("site", lambda i, v: "islet" if i < few else v)
    evidence = validated_world(
        world,
        test=data,
        criteria=[
            {"id": "S", "metric": "accuracy", "subgroup": "site=islet", "limit": "0.5", "min_n": 30},
            {"id": "T", "metric": "tpr", "limit": "0.5"},
        ],
        bias_limits=[{"id": "F", "metric": "accuracy_difference", "column": "site", "limit": "0.9"}],
    )
    result = evidence.run.results.get(criterion="S")
    assert (result.verdict, result.n) == ("undecided", few)
    assert evidence.report.verdict == "undecided"
    assert "site = islet" in evidence.report.summary[0]["sentence"]
    assert {d.criterion for d in Deviation.objects.all()} == {"S", "F"}
