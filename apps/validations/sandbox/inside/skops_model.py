"""A scikit-learn model saved by skops: opened only if every type it names is on the fixed list."""

from __future__ import annotations

import io
import json
import platform
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import sklearn
import skops
import skops.io
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_regressor

from apps.validations.sandbox.inside.allowed import TYPES, forbidden


class NotAllowed(ValueError):
    """The file names types or loaders that are not on the list."""


def prepare() -> None:
    """Go the whole way once with a harmless model, so that nothing is left to import when files are out of reach."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = pa.table({"number": [0.0, 1.0, 2.0, 3.0], "text": ["a", "b", "a", "b"]})
    columns = make_column_transformer((StandardScaler(), ["number"]), (OneHotEncoder(), ["text"]))
    model = make_pipeline(columns, RandomForestClassifier(n_estimators=2, max_depth=1, random_state=0))
    model.fit(table, np.array(["n", "y", "n", "y"]))
    data = skops.io.dumps(model)
    Model(data).predict({name: table[name].to_numpy() for name in table.column_names}, table.column_names)


class Model:
    """A loaded model with the same two methods as the ONNX one."""

    fixed_batch = None

    def __init__(self, data: bytes):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            schema = json.loads(archive.read("schema.json"))
        bad = forbidden(schema)
        if bad:
            raise NotAllowed(", ".join(bad[:5]))
        untrusted = skops.io.get_untrusted_types(data=data)
        refused = sorted(set(untrusted) - TYPES)
        if refused:
            raise NotAllowed(", ".join(refused[:5]))
        self.model = skops.io.loads(data, trusted=untrusted)
        name = type(self.model).__name__
        # One real number a row: neither classes nor their scores.
        self.real = isinstance(self.model, BaseEstimator) and is_regressor(self.model)
        if not hasattr(self.model, "predict") or not (self.real or hasattr(self.model, "classes_")):
            raise NotAllowed(f"{name}, which is neither a fitted classifier nor a fitted regressor")
        if getattr(self.model, "n_features_in_", None) is None:
            raise NotAllowed(f"{name}, which is not fitted on a table of columns")

    def describe(self) -> dict[str, Any]:
        """Inputs, classes and the versions that decide the bits."""
        names = getattr(self.model, "feature_names_in_", None)
        if names is not None:
            inputs: list[dict[str, Any]] = [{"name": str(n), "type": "any", "shape": [None]} for n in names]
        else:
            inputs = [{"name": "X", "type": "number", "shape": [None, int(self.model.n_features_in_)]}]
        return {
            "inputs": inputs,
            "outputs": [{"name": "value", "type": "number", "shape": [None]}]
            if self.real
            else [{"name": "label", "type": "any", "shape": [None]}],
            "named": names is not None,
            "classes": [] if self.real else [str(c) for c in self.model.classes_],
            "estimator": type(self.model).__name__,
            "producer": "scikit-learn",
            "fixed_batch": None,
            "runtime": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scikit-learn": sklearn.__version__,
                "skops": skops.__version__,
                "machine": platform.machine(),
                "threads": 1,
            },
        }

    def predict(self, columns: dict[str, NDArray[Any]], order: list[str]) -> dict[str, Any]:
        """One batch; see the ONNX model."""
        if getattr(self.model, "feature_names_in_", None) is not None:
            data: Any = pa.table({name: columns[name] for name in order})
        else:
            data = np.column_stack([columns[c].astype(np.float64) for c in order])
        if self.real:
            # Several numbers a row (a model of several outputs) are told apart by their width on the other side.
            values = np.asarray(self.model.predict(data), dtype=np.float64).reshape(len(data), -1)
            return {"labels": None, "scores": values, "keys": None}
        scores = None
        if hasattr(self.model, "predict_proba"):
            scores = np.asarray(self.model.predict_proba(data), dtype=np.float64)
        elif hasattr(self.model, "decision_function"):
            scores = np.asarray(self.model.decision_function(data), dtype=np.float64).reshape(len(data), -1)
        keys = [str(c) for c in self.model.classes_] if scores is not None and scores.shape[1] > 1 else None
        return {"labels": np.asarray(self.model.predict(data)), "scores": scores, "keys": keys}
