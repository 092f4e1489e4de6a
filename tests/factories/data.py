"""A small trial and a model of it: bytes that are the same in every test run."""

from __future__ import annotations

import csv
import io
from functools import lru_cache

import numpy as np

FEATURES = ("age", "marker", "dose")
HEADER = ("patient", *FEATURES, "sex", "site", "outcome")


@lru_cache
def table_csv(seed: int, rows: int, first_patient: int = 1) -> bytes:
    """CSV of `rows` patients; the outcome follows the marker alike in both sexes and all three sites."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    marker = rng.normal(0, 1, rows).round(4)
    dose = rng.choice([10, 20, 40], rows)
    sex = np.where(np.arange(rows) % 2 == 0, "female", "male")
    site = np.array(["north", "south", "west"])[rng.integers(0, 3, rows)]
    outcome = (2.2 * marker + 0.01 * (age - 50) + rng.normal(0, 0.6, rows) > 0).astype(int)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for i in range(rows):
        writer.writerow(
            [f"P{first_patient + i:05d}", age[i], marker[i], dose[i], sex[i], site[i], outcome[i]]
        )
    return out.getvalue().encode()


def columns_of(data: bytes) -> dict[str, list[str]]:
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    return {name: [row[name] for row in rows] for name in HEADER}


@lru_cache
def train_csv() -> bytes:
    return table_csv(11, 300)


@lru_cache
def vault_csv() -> bytes:
    return table_csv(23, 400, first_patient=10_001)


@lru_cache
def onnx_model(note: str = "") -> bytes:
    """Logistic regression on age, marker and dose: one unnamed table of three numbers, labels 0 and 1.

    `note` is kept in the file: the same model with another note has other bytes.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = columns_of(train_csv())
    inputs = np.array([[float(v) for v in columns[name]] for name in FEATURES]).T
    labels = np.array([int(v) for v in columns["outcome"]])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs, labels)
    proto = convert_sklearn(
        model,
        initial_types=[("inputs", FloatTensorType([None, len(FEATURES)]))],
        options={id(model): {"zipmap": False}},
        target_opset=21,
    )
    proto.doc_string = note
    return bytes(proto.SerializeToString(deterministic=True))
