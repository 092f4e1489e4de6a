"""The demo's three models, trained at first start: logistic regressions, exported to ONNX (and one to skops as well).

The split, the defect and the seeds are fixed, so the models are the same on every start of one environment. The
label of each is the decision at a score of 0.5; classes are weighted, so the score ranks patients and is no
calibrated probability.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.demo.data import DemoData

NUMBERS = (
    "age",
    "weight_kg",
    "karnofsky",
    "prior_days",
    "symptomatic",
    "injection_drugs",
    "cd4_start",
    "cd4_week20",
    "cd8_start",
    "cd8_week20",
)
HYPERPARAMETERS: dict[str, Any] = {
    "estimator": "LogisticRegression",
    "C": 0.5,
    "class_weight": "balanced",
    "max_iter": 1000,
    "solver": "lbfgs",
    "numeric": "StandardScaler",
    "categorical": "OneHotEncoder(handle_unknown=ignore)",
}

TIGHTER = 0.05  # C of 2.0.0: the smaller, the stronger the penalty


@dataclass(frozen=True)
class Trained:
    """One trained version.

    version: its number; onnx, skops: files (skops only where made); features: input columns in order; texts: those of
    them that are text; training: name of the training file in `DemoData`; claims: the developers' own figures, on the
    tune data, each {value, n}; environment: library versions.
    """

    version: str
    onnx: Path
    skops: Path | None
    features: tuple[str, ...]
    texts: tuple[str, ...]
    training: str
    hyperparameters: dict[str, Any]
    claims: dict[str, dict[str, float]]
    environment: dict[str, str] = field(default_factory=dict)


def train(data: DemoData, folder: str | Path) -> dict[str, Trained]:
    """Train the versions: "1.0.0" on the first data cut with sex as an input, "1.1.0" on the complete data without,
    "2.0.0" as "1.1.0" with a tighter penalty, so that its scores differ and a comparison has something to say."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "1.0.0": _train("1.0.0", data, "train_first", ("arm", "sex"), folder),
        "1.1.0": _train("1.1.0", data, "train", ("arm",), folder, with_skops=True),
        "2.0.0": _train("2.0.0", data, "train", ("arm",), folder, with_skops=True, penalty=TIGHTER),
    }


def read_table(path: Path, features: tuple[str, ...], texts: tuple[str, ...]) -> tuple[Any, Any]:
    """(features as an Arrow table, labels as int64): numbers as float64, as a model in ONNX takes them."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    types = {c: pa.string() if c in texts else pa.float64() for c in features} | {"event": pa.int64()}
    table = pacsv.read_csv(
        path, convert_options=pacsv.ConvertOptions(include_columns=list(types), column_types=types)
    )
    return table.select(list(features)), table["event"].to_numpy()


def _train(
    version: str,
    data: DemoData,
    training: str,
    texts: tuple[str, ...],
    folder: Path,
    *,
    with_skops: bool = False,
    penalty: float = HYPERPARAMETERS["C"],
) -> Trained:
    import numpy
    import skl2onnx
    import sklearn
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    features = NUMBERS + texts
    inputs, labels = read_table(getattr(data, training), features, texts)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), list(NUMBERS)),
            ("texts", OneHotEncoder(handle_unknown="ignore"), list(texts)),
        ]
    )
    chosen = HYPERPARAMETERS | {"C": penalty}
    settings = {k: chosen[k] for k in ("C", "class_weight", "max_iter", "solver")}
    model = Pipeline([("columns", columns), ("classifier", LogisticRegression(**settings))]).fit(
        inputs, labels
    )
    onnx = folder / f"progression-risk-{version}.onnx"
    onnx.write_bytes(_onnx(model, features, texts, version))
    skops_path = None
    if with_skops:
        import skops.io

        skops_path = folder / f"progression-risk-{version}.skops"
        skops.io.dump(model, skops_path)
    return Trained(
        version=version,
        onnx=onnx,
        skops=skops_path,
        features=features,
        texts=texts,
        training=training,
        hyperparameters=chosen | {"inputs": list(features)},
        claims=_claims(model, data.tune, features, texts),
        environment={
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "scikit-learn": sklearn.__version__,
            "skl2onnx": skl2onnx.__version__,
        },
    )


def _onnx(model: Any, features: tuple[str, ...], texts: tuple[str, ...], version: str) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [(c, StringTensorType([None, 1]) if c in texts else FloatTensorType([None, 1])) for c in features]
    proto = convert_sklearn(
        model,
        name=f"progression-risk-{version}",
        initial_types=types,
        options={id(model): {"zipmap": False}},
        target_opset=21,
    )
    meta = proto.metadata_props.add()
    meta.key, meta.value = "features", json.dumps(list(features))
    return bytes(proto.SerializeToString(deterministic=True))


def _claims(
    model: Any, path: Path, features: tuple[str, ...], texts: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """What the developers claim: figures of their own on the tune data, without intervals, by scikit-learn."""
    from sklearn.metrics import recall_score, roc_auc_score

    inputs, labels = read_table(path, features, texts)
    said, scores = model.predict(inputs), model.predict_proba(inputs)[:, 1]
    return {
        "auc": {"value": round(float(roc_auc_score(labels, scores)), 4), "n": len(labels)},
        "recall": {"value": round(float(recall_score(labels, said)), 4), "n": int(labels.sum())},
        "selection_rate": {"value": round(float(said.mean()), 4), "n": len(labels)},
    }
