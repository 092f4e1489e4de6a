"""Models of several classes and of a number, made with onnx's helpers; their trials, the same bytes in every run.

>>> evidence = tasked_world(world, "multiclass")             # frozen version up to a finished run
>>> evidence = tasked_world(world, "regression", until="drafted", target_unit="mg/L")
"""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from typing import Any

import numpy as np

from tests.cast import World
from tests.factories.evidence import Evidence, validated_world

CLASSES = ("benign", "atypical", "malignant")
INPUTS = ("age", "marker")
HEADER = ("patient", *INPUTS, "sex", "site", "grade", "dose")
# Of each class the weight of age and marker, and what is added: 0.01 (age - 50), 2 marker.
_WEIGHTS = np.array([[0.0, 0.01, 0.02], [-2.0, 0.0, 2.0]], dtype=np.float32)
_ADDED = np.array([0.0, -0.3, -1.0], dtype=np.float32)


@lru_cache
def trial_csv(seed: int = 31, rows: int = 400, first: int = 20_001) -> bytes:
    """CSV of patients: a grade of three classes and a dose, both following the marker alike in both sexes."""
    rng = np.random.default_rng(seed)
    age, marker = rng.integers(18, 80, rows), rng.normal(0, 1, rows).round(3)
    noise = rng.gumbel(0, 1, (rows, 3)) * 0.6
    grade = np.argmax(np.column_stack([age, marker]) @ _WEIGHTS + _ADDED + noise, axis=1)
    dose = (12 + 3 * marker + 0.05 * (age - 50) + rng.normal(0, 1.2, rows)).round(2)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for i in range(rows):
        sex, site = ("female", "male")[i % 2], ("north", "south")[(i // 2) % 2]
        writer.writerow([f"P{first + i:05d}", age[i], marker[i], sex, site, CLASSES[grade[i]], dose[i]])
    return out.getvalue().encode()


def changed(data: bytes, column: str, change) -> bytes:
    """The CSV with one column changed: change(row number from 0, value) -> value."""
    head, *rows = list(csv.reader(io.StringIO(data.decode())))
    at = head.index(column)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    for number, cells in enumerate(rows):
        writer.writerow([*cells[:at], change(number, cells[at]), *cells[at + 1 :]])
    return out.getvalue().encode()


def _model(nodes: list, outputs: list, constants: dict[str, Any], note: str = "") -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, [None, len(INPUTS)])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=9,
        doc_string=note,
    )
    return bytes(model.SerializeToString(deterministic=True))


@lru_cache
def classes_model(kind: str = "usual", note: str = "") -> bytes:
    """Softmax of a linear map. kind: usual (names and probabilities), scores (no names), numbers (labels 0, 1, 2),
    four (a column too many), twice (rows that add to 2), some_nan (NaN above age 75)."""
    from onnx import TensorProto, helper

    make = helper.make_node
    weights, added, width = _WEIGHTS, _ADDED, 3
    if kind == "four":
        weights, added, width = (
            np.column_stack([_WEIGHTS, [0, 0]]).astype(np.float32),
            np.append(_ADDED, 0),
            4,
        )
    nodes = [make("MatMul", ["inputs", "w"], ["raw"]), make("Add", ["raw", "b"], ["linear"])]
    soft = "plain" if kind in ("twice", "some_nan") else "probabilities"
    nodes.append(make("Softmax", ["linear"], [soft], axis=1))
    constants: dict[str, Any] = {"w": weights, "b": added.astype(np.float32)}
    if kind == "twice":
        constants["two"] = np.array([2], dtype=np.float32)
        nodes.append(make("Mul", ["plain", "two"], ["probabilities"]))
    if kind == "some_nan":
        constants |= {"old": np.array([75], dtype=np.float32), "no": np.array([np.nan], dtype=np.float32)}
        constants |= {"zero": np.array([0], dtype=np.int64)}
        nodes += [
            make("Gather", ["inputs", "zero"], ["age"], axis=1),
            make("Greater", ["age", "old"], ["is_old"]),
            make("Where", ["is_old", "no", "plain"], ["probabilities"]),
        ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, width])]
    if kind not in ("scores", "four"):
        nodes.append(make("ArgMax", ["linear"], ["place"], axis=1, keepdims=0))
        if kind == "numbers":
            outputs.insert(0, helper.make_tensor_value_info("place", TensorProto.INT64, [None]))
        else:
            nodes.append(
                make(
                    "LabelEncoder",
                    ["place"],
                    ["label"],
                    domain="ai.onnx.ml",
                    keys_int64s=[0, 1, 2],
                    values_strings=list(CLASSES),
                )
            )
            outputs.insert(0, helper.make_tensor_value_info("label", TensorProto.STRING, [None]))
    return _model(nodes, outputs, constants, note)


@lru_cache
def number_model(kind: str = "usual", note: str = "") -> bytes:
    """12 + 3 marker + 0.05 (age - 50). kind: usual, some_nan (NaN above age 75), two (two numbers a case), skops (of
    scikit-learn, by least squares)."""
    if kind == "skops":
        import skops.io
        from sklearn.linear_model import LinearRegression

        rows = np.array([[50, 0], [51, 0], [50, 1]], dtype=float)
        return bytes(skops.io.dumps(LinearRegression().fit(rows, [12, 12.05, 15])))
    from onnx import TensorProto, helper

    make, width = helper.make_node, 2 if kind == "two" else 1
    weights = np.array([[0.05], [3.0]], dtype=np.float32).repeat(width, axis=1)
    last = "plain" if kind == "some_nan" else "value"
    nodes = [make("MatMul", ["inputs", "w"], ["raw"]), make("Add", ["raw", "b"], [last])]
    constants: dict[str, Any] = {"w": weights, "b": np.array([9.5] * width, dtype=np.float32)}
    if kind == "some_nan":
        constants |= {"old": np.array([75], dtype=np.float32), "no": np.array([np.nan], dtype=np.float32)}
        constants |= {"zero": np.array([0], dtype=np.int64)}
        nodes += [
            make("Gather", ["inputs", "zero"], ["age0"], axis=1),
            make("Unsqueeze", ["age0", "one"], ["age1"]),
            make("Flatten", ["age1"], ["age"], axis=1),
            make("Greater", ["age", "old"], ["is_old"]),
            make("Where", ["is_old", "no", "plain"], ["value"]),
        ]
        constants["one"] = np.array([1], dtype=np.int64)
    outputs = [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, width])]
    return _model(nodes, outputs, constants, note)


def _one(name: str, metric: str, limit: str, direction: str = "min", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "metric": metric,
        "limit": limit,
        "direction": direction,
        "rule": "lower",
        "min_n": 30,
    } | more


OF_CLASSES: dict[str, Any] = {
    "task": "multiclass",
    "classes": list(CLASSES),
    "label_column": "grade",
    "positive_value": "malignant",
    "threshold": "",
    "criteria": [
        _one("C1", "f1_macro", "0.5"),
        _one("C2", "tpr", "0.5", **{"class": "malignant"}),
        _one("C3", "accuracy", "0.4", subgroup="sex=female", rule="point"),
        _one("C4", "log_loss", "1", "max", rule="upper"),
    ],
    "bias_limits": [
        {
            "id": "F1",
            "metric": "equal_opportunity_difference",
            "column": "sex",
            "limit": "0.4",
            "rule": "point",
        }
    ],
}
OF_REALS: dict[str, Any] = {
    "task": "regression",
    "target_unit": "mg/L",
    "label_column": "dose",
    "positive_value": "",
    "threshold": "",
    "criteria": [
        _one("C1", "mae", "2", "max", rule="upper"),
        _one("C2", "r2", "0.5"),
        _one("C3", "rmse", "2.5", "max", subgroup="sex=female", rule="point"),
        _one("C4", "mean_error", "0.5", "max", rule="upper"),
    ],
    "bias_limits": [],
}
TASKS = {"multiclass": (OF_CLASSES, classes_model), "regression": (OF_REALS, number_model)}


def tasked_world(
    world: World,
    task: str,
    *,
    kind: str = "usual",
    test: bytes | None = None,
    until: str = "run",
    **changes: Any,
) -> Evidence:
    """Evidence of a version of this task; `kind` of its model, `changes` of its plan, `test` data."""
    plan, model = TASKS[task]
    return validated_world(
        world,
        until=until,
        model=model(kind),
        features=INPUTS,
        train=trial_csv(17, 300, 30_001),
        test=test if test is not None else trial_csv(),
        **(plan | changes),
    )
