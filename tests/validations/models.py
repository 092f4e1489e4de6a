"""Models for the sandbox tests: honest ones trained here, and hostile ones built node by node."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.feature_selection import RFE, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer
from sklearn.linear_model import (
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

ROWS = 500
MATRIX = ["f0", "f1", "f2"]


def cases() -> pa.Table:
    """500 rows: three numbers, a whole number, a text, a label that depends on them, and a text label."""
    rng = np.random.default_rng(20261121)
    numbers = rng.normal(size=(ROWS, 3))
    arm = rng.choice(["a", "b", "c"], size=ROWS)
    event = (numbers[:, 0] + (arm == "b") + rng.normal(scale=0.5, size=ROWS) > 0.5).astype(int)
    return pa.table(
        {
            **{name: numbers[:, i] for i, name in enumerate(MATRIX)},
            "visits": rng.integers(0, 9, ROWS),
            "arm": arm,
            "event": event,
            "outcome": np.where(event == 1, "progressed", "alive"),
        }
    )


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def matrix_model(label: str = "event") -> GradientBoostingClassifier:
    """A model that takes one matrix of three numbers."""
    table = cases()
    inputs = np.column_stack([table[c].to_numpy() for c in MATRIX]).astype(np.float32)
    return GradientBoostingClassifier(n_estimators=10, random_state=0).fit(inputs, table[label].to_numpy())


@lru_cache
def regressors() -> dict[str, tuple[Any, list[str] | None]]:
    """Name -> (a fitted regressor, the columns of its matrix; None where it names its own)."""
    table = cases()
    matrix = np.column_stack([table[c].to_numpy() for c in MATRIX])
    y = matrix @ [1.0, -2.0, 0.5] + table["visits"].to_numpy()
    kinds = [
        *(LinearRegression(), Ridge(), Lasso(alpha=0.01), HuberRegressor(), SGDRegressor(random_state=0)),
        *(SVR(), KNeighborsRegressor(), MLPRegressor(max_iter=20, random_state=0)),
        DecisionTreeRegressor(max_depth=4, random_state=0),
        RandomForestRegressor(n_estimators=5, random_state=0),
        GradientBoostingRegressor(n_estimators=5, loss="huber", random_state=0),
        HistGradientBoostingRegressor(max_iter=5, loss="absolute_error", random_state=0),
        PoissonRegressor(),
    ]
    found: dict[str, tuple[Any, list[str] | None]] = {}
    for kind in kinds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few steps: that it does not settle is of no matter here
            found[type(kind).__name__] = (kind.fit(matrix, np.abs(y)), MATRIX)
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["f0", "f1"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["arm"])]
    )
    whole = Pipeline([("columns", columns), ("regressor", Ridge())])
    found["named columns"] = (whole.fit(table.select(["f0", "f1", "arm"]), y), None)
    return found


def compositions() -> dict[str, Any]:
    """Name -> a fitted model made of others, over `MATRIX`: regressors and classifiers of three classes."""
    table = cases()
    matrix = np.column_stack([table[c].to_numpy() for c in MATRIX])
    number = matrix @ [1.0, -2.0, 0.5] + table["visits"].to_numpy()
    several = np.digitize(number, np.quantile(number, [0.3, 0.7]))
    some = LogisticRegression().fit(matrix, several)
    number_of: dict[str, Any] = {
        "target scaled": TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        "target transformed": TransformedTargetRegressor(
            Pipeline([("scale", StandardScaler()), ("ridge", Ridge())]), transformer=PowerTransformer()
        ),
        "tweedie": TweedieRegressor(power=1.5),
        "theil-sen": TheilSenRegressor(random_state=0, max_subpopulation=200),
    }
    class_of: dict[str, Any] = {
        "one against the rest": OneVsRestClassifier(LogisticRegression()),
        "one against one": OneVsOneClassifier(LogisticRegression()),
        "codes": OutputCodeClassifier(LogisticRegression(), random_state=0),
        "components": Pipeline([("pca", PCA(2)), ("c", LogisticRegression())]),
        "singular vectors": Pipeline([("svd", TruncatedSVD(2, random_state=0)), ("c", LogisticRegression())]),
        "eliminated": Pipeline(
            [("rfe", RFE(LogisticRegression(), n_features_to_select=2)), ("c", LogisticRegression())]
        ),
        "varying": Pipeline([("v", VarianceThreshold()), ("knn", KNNImputer()), ("c", LogisticRegression())]),
        "frozen": CalibratedClassifierCV(FrozenEstimator(some), method="temperature"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = {name: model.fit(matrix, np.abs(number)) for name, model in number_of.items()}
        return fitted | {name: model.fit(matrix, several) for name, model in class_of.items()}


def column_model(label: str = "event") -> Pipeline:
    """A model that names its columns: numbers and a text."""
    table = cases()
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["f0", "f1"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["arm"])]
    )
    model = Pipeline([("columns", columns), ("classifier", LogisticRegression())])
    return model.fit(table.select(["f0", "f1", "arm"]), table[label].to_numpy())


def matrix_onnx(path: Path, *, zipmap: bool = False, label: str = "event", rows: int | None = None) -> Path:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    model = matrix_model(label)
    options = {id(model): {"zipmap": zipmap}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = convert_sklearn(model, initial_types=[("X", FloatTensorType([rows, 3]))], options=options)
    path.write_bytes(proto.SerializeToString())
    return path


def column_onnx(path: Path, *, label: str = "event") -> Path:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [
        ("f0", FloatTensorType([None, 1])),
        ("f1", FloatTensorType([None, 1])),
        ("arm", StringTensorType([None, 1])),
    ]
    model = column_model(label)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = convert_sklearn(model, initial_types=types, options={id(model): {"zipmap": False}})
    path.write_bytes(proto.SerializeToString())
    return path


def graph(path: Path, nodes: list[Any], constants: list[Any], inputs: list[Any] | None = None) -> Path:
    """An ONNX file with the column input f0, the output `score`, and whatever lies between."""
    made = helper.make_graph(
        nodes,
        "made",
        inputs or [helper.make_tensor_value_info("f0", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)],
        constants,
    )
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(proto.SerializeToString())
    return path


def identity(path: Path) -> Path:
    return graph(path, [helper.make_node("Identity", ["f0"], ["score"])], [])


def square_root(path: Path) -> Path:
    """NaN wherever f0 is negative."""
    return graph(path, [helper.make_node("Sqrt", ["f0"], ["score"])], [])


def memory_bomb(path: Path) -> Path:
    """Asks for a tensor of one terabyte."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["f0", "sum"], ["score"]),
    ]
    return graph(path, nodes, [numpy_helper.from_array(np.array([1 << 38], dtype=np.int64), "size")])


def endless(path: Path) -> Path:
    """Loops 2^62 times."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go2"]), helper.make_node("Mul", ["v", "v"], ["v2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v2", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array(1 << 62, dtype=np.int64), "times"),
        numpy_helper.from_array(np.array(True), "start"),
    ]
    return graph(path, [helper.make_node("Loop", ["times", "start", "f0"], ["score"], body=body)], constants)


def reads_a_file(path: Path, location: str) -> Path:
    """Wants its weights from another file."""
    tensor = TensorProto(name="w", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    nodes = [
        helper.make_node("ReduceSum", ["w"], ["sum"], keepdims=0),
        helper.make_node("Add", ["f0", "sum"], ["score"]),
    ]
    return graph(path, nodes, [tensor])


def foreign_operator(path: Path, operator: str, domain: str) -> Path:
    """Wants code that only a library beside the model would bring."""
    made = helper.make_graph(
        [helper.make_node(operator, ["f0"], ["score"], domain=domain)],
        "made",
        [helper.make_tensor_value_info("f0", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    proto = helper.make_model(made, opset_imports=opsets, ir_version=9)
    path.write_bytes(proto.SerializeToString())
    return path
