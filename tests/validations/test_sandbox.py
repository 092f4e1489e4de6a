"""Scoring a model in the sandbox: the answers are the library's own, and the same bits each time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
import skops.io
from sklearn.base import is_regressor

from apps.validations.sandbox import (
    Limits,
    ModelFailed,
    ModelInputMismatch,
    ModelOutOfMemory,
    ModelRefused,
    ModelTimedOut,
    inside,
    inspect_model,
    score,
    score_classes,
    score_reals,
    score_twice,
    wire,
)
from tests.validations import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sandbox")
    models.write(made / "cases.parquet", models.cases())
    return made


@pytest.fixture(scope="module")
def cases(folder: Path) -> Path:
    return folder / "cases.parquet"


@pytest.mark.parametrize("zipmap", [False, True])
def test_matrix_model_gives_the_librarys_own_answers(folder: Path, cases: Path, zipmap: bool) -> None:
    path = models.matrix_onnx(folder / "m.onnx", zipmap=zipmap)
    table = models.cases()
    inputs = np.column_stack([table[c].to_numpy() for c in models.MATRIX]).astype(np.float32)
    expected = models.matrix_model()
    seen = []
    result = score(
        path, "onnx", cases, features=models.MATRIX, progress=lambda done, total: seen.append((done, total))
    )
    assert np.array_equal(result.predictions, expected.predict(inputs))
    assert result.scores is not None
    assert np.abs(result.scores - expected.predict_proba(inputs)[:, 1]).max() < 1e-6
    assert (result.n, result.nan_scores, result.positive) == (models.ROWS, 0, "1")
    assert seen == [(models.ROWS, models.ROWS)]
    assert result.runtime["threads"] == 1
    assert "onnxruntime" in result.runtime


def test_named_columns_with_text_and_text_labels(folder: Path, cases: Path) -> None:
    path = models.column_onnx(folder / "c.onnx", label="outcome")
    expected = models.column_model("outcome").predict_proba(models.cases().select(["f0", "f1", "arm"]))
    result = score(path, None, cases)
    assert result.columns == ("f0", "f1", "arm")
    assert result.classes == ("alive", "progressed")
    assert result.positive == "progressed"
    assert result.scores is not None
    assert np.abs(result.scores - expected[:, 1]).max() < 1e-6
    turned = score(path, None, cases, positive="alive")
    assert turned.scores is not None
    assert np.abs(turned.scores - expected[:, 0]).max() < 1e-6
    assert np.array_equal(turned.predictions, 1 - result.predictions)


def test_skops_gives_the_librarys_own_answers(folder: Path, cases: Path) -> None:
    for model, features in ((models.matrix_model(), models.MATRIX), (models.column_model(), None)):
        path = folder / "m.skops"
        skops.io.dump(model, path)
        result = score(path, "skops", cases, features=features)
        table = models.cases().select(list(result.columns))
        data = table if features is None else np.column_stack([table[c].to_numpy() for c in features])
        assert np.array_equal(result.predictions, model.predict(data))
        assert np.array_equal(result.scores, model.predict_proba(data)[:, 1])


@pytest.mark.parametrize("name", sorted(models.regressors()))
def test_skops_gives_the_librarys_own_numbers(folder: Path, cases: Path, name: str) -> None:
    model, features = models.regressors()[name]
    path = folder / f"{name}.skops"
    skops.io.dump(model, path)
    result = score_reals(path, "skops", cases, features=features)
    table = models.cases().select(list(result.columns))
    data = table if features is None else np.column_stack([table[c].to_numpy() for c in features])
    assert np.array_equal(result.values, model.predict(data))
    assert result.values.dtype == np.float64


def test_skops_gives_what_a_composition_of_models_gives(folder: Path, cases: Path) -> None:
    matrix = np.column_stack([models.cases()[c].to_numpy() for c in models.MATRIX])
    path = folder / "whole.skops"
    for name, model in models.compositions().items():
        skops.io.dump(model, path)
        if is_regressor(model):
            real = score_reals(path, "skops", cases, features=models.MATRIX)
            assert np.array_equal(real.values, model.predict(matrix)), name
            continue
        found = score_classes(path, "skops", cases, ("0", "1", "2"), features=models.MATRIX)
        assert list(found.labels) == [str(label) for label in model.predict(matrix)], name
        if hasattr(model, "predict_proba"):
            assert np.array_equal(found.scores, model.predict_proba(matrix)), name


def test_a_classifier_gives_no_number_and_two_numbers_are_not_one(folder: Path, cases: Path) -> None:
    skops.io.dump(models.matrix_model(), folder / "classes.skops")
    with pytest.raises(ModelFailed, match="gives labels; the plan is about one real number"):
        score_reals(folder / "classes.skops", "skops", cases, features=models.MATRIX)
    two = models.regressors()["LinearRegression"][0]
    two = type(two)().fit(np.eye(4)[:, :2], np.eye(4)[:, :2])
    skops.io.dump(two, folder / "two.skops")
    with pytest.raises(ModelFailed, match="gives 2 numbers a case"):
        score_reals(folder / "two.skops", "skops", cases, features=["f0", "f1"])


def test_the_process_of_an_onnx_model_loads_nothing_of_the_portals_side() -> None:
    """What it does not use would make each start slower, and would be there for whoever takes it over."""
    said = io.BytesIO()
    limits = {"cpu_s": 10, "memory_mb": 4096}
    wire.send(said, b"HELO", *wire.pack({"format": "onnx", "limits": limits}))
    script = Path(inside.__file__).parent / "main.py"
    child = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", str(script)],
        input=said.getvalue(),
        capture_output=True,
        check=False,
    )
    loaded = {line.rpartition(b"|")[2].strip().decode() for line in child.stderr.splitlines()}
    assert wire.receive(io.BytesIO(child.stdout), 1 << 20)[0] == b"REDY"
    assert {"onnxruntime", "numpy", "apps.validations.sandbox.inside.jail"} <= loaded
    assert not {"pyarrow", "django", "duckdb", "apps.validations.sandbox.run"} & loaded


def test_two_runs_have_the_same_bits_and_another_model_has_not(folder: Path, cases: Path) -> None:
    first, same = score_twice(models.column_onnx(folder / "d.onnx"), "onnx", cases)
    assert same
    other = score(models.identity(folder / "i.onnx"), "onnx", cases)
    assert other.digest != first.digest


def test_many_batches_keep_the_order_of_the_rows(folder: Path) -> None:
    values = np.arange(20_000, dtype=float) / 20_000
    path = models.write(folder / "long.parquet", pa.table({"f0": values}))
    seen: list[int] = []
    result = score(
        models.identity(folder / "i.onnx"), "onnx", path, progress=lambda done, total: seen.append(done)
    )
    assert np.allclose(result.scores, values, atol=1e-7)
    assert seen == [8192, 16384, 20000]


def test_a_model_exported_for_a_fixed_number_of_rows_still_scores_all(folder: Path, cases: Path) -> None:
    free = score(models.matrix_onnx(folder / "free.onnx"), None, cases, features=models.MATRIX)
    fixed = score(models.matrix_onnx(folder / "fixed.onnx", rows=7), None, cases, features=models.MATRIX)
    assert fixed.runtime["batch"] == 7
    assert np.array_equal(fixed.scores, free.scores)


def test_scores_that_are_no_number_are_counted_and_kept(folder: Path, cases: Path) -> None:
    result = score(models.square_root(folder / "nan.onnx"), "onnx", cases)
    negative = int((models.cases()["f0"].to_numpy() < 0).sum())
    assert negative > 0
    assert result.nan_scores == negative
    assert int(np.isnan(result.scores).sum()) == negative
    assert any("not finite" in w for w in result.warnings)


def test_inspection_says_what_the_file_is(folder: Path) -> None:
    path = models.column_onnx(folder / "c.onnx")
    info = inspect_model(path)
    assert [(p.name, p.type) for p in info.inputs] == [("f0", "number"), ("f1", "number"), ("arm", "text")]
    assert info.columns == ["f0", "f1", "arm"]
    assert info.producer.startswith("skl2onnx")
    said = onnx.load(str(path))
    assert info.opset == {entry.domain or "ai.onnx": entry.version for entry in said.opset_import}
    assert info.ir_version == said.ir_version
    matrix = inspect_model(models.matrix_onnx(folder / "m.onnx"))
    assert matrix.columns is None
    assert matrix.inputs[0].shape == (None, 3)


@pytest.mark.parametrize(
    ("table", "features", "missing", "words"),
    [
        (models.cases().drop_columns(["arm"]), None, ["arm"], "which the data do not have"),
        (models.cases().drop_columns(["arm", "f1"]), None, ["f1", "arm"], "f1, arm"),
        (models.cases(), ["f0", "f1"], ["arm"], "differ in: arm"),
        (
            models.cases().set_column(4, "arm", pa.array([1.0] * models.ROWS)),
            None,
            ["arm"],
            "wants text in arm",
        ),
        (
            models.cases().set_column(0, "f0", pa.array(["x"] * models.ROWS)),
            None,
            ["f0"],
            "wants a number in f0",
        ),
        (models.cases().slice(0, 0), None, [], "no rows"),
    ],
)
def test_inputs_that_do_not_match_are_named(
    folder: Path, table: pa.Table, features: list[str] | None, missing: list[str], words: str
) -> None:
    path = models.write(folder / "other.parquet", table)
    with pytest.raises(ModelInputMismatch, match=words) as caught:
        score(models.column_onnx(folder / "c.onnx"), "onnx", path, features=features)
    assert caught.value.missing == missing


@pytest.mark.parametrize(
    ("features", "words"), [(None, "Declare its features"), (["f0", "f1"], "takes 3 numbers a row")]
)
def test_a_matrix_model_needs_its_features_declared(
    folder: Path, cases: Path, features: list[str] | None, words: str
) -> None:
    with pytest.raises(ModelInputMismatch, match=words):
        score(models.matrix_onnx(folder / "m.onnx"), "onnx", cases, features=features)


def test_three_classes_are_said_not_guessed(folder: Path, cases: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    table = models.cases()
    model = LogisticRegression().fit(np.column_stack([table["f0"].to_numpy()]), np.arange(models.ROWS) % 3)
    skops.io.dump(model, folder / "three.skops")
    with pytest.raises(ModelFailed, match="3 classes"):
        score(folder / "three.skops", "skops", cases, features=["f0"])


def test_memory_bomb_ends_with_a_sentence(folder: Path, cases: Path) -> None:
    with pytest.raises(ModelOutOfMemory, match="1,500 MB"):
        score(models.memory_bomb(folder / "b.onnx"), "onnx", cases, limits=Limits(memory_mb=1500))


def test_endless_loop_ends_by_processor_time(folder: Path, cases: Path) -> None:
    with pytest.raises(ModelTimedOut, match="processor time"):
        score(models.endless(folder / "e.onnx"), "onnx", cases, limits=Limits(cpu_s=1, wall_s=60))


def test_endless_loop_ends_by_the_clock(folder: Path, cases: Path) -> None:
    with pytest.raises(ModelTimedOut, match="within 1 seconds"):
        score(models.endless(folder / "e.onnx"), "onnx", cases, limits=Limits(cpu_s=60, wall_s=1))


@pytest.mark.parametrize("location", ["/etc/passwd", "../../../../../../etc/passwd", "weights.bin"])
def test_weights_in_another_file_are_refused(folder: Path, cases: Path, location: str) -> None:
    with pytest.raises(ModelRefused, match="could not be loaded"):
        score(models.reads_a_file(folder / "x.onnx", location), "onnx", cases)


@pytest.mark.parametrize(("operator", "domain"), [("RunShell", "com.evil"), ("Backdoor", "")])
def test_operators_that_the_runtime_does_not_have_are_refused(
    folder: Path, cases: Path, operator: str, domain: str
) -> None:
    path = models.foreign_operator(folder / "o.onnx", operator, domain)
    with pytest.raises(ModelRefused, match=f"could not be loaded.*{operator}"):
        score(path, "onnx", cases)


def test_a_model_that_breaks_on_the_data_fails_with_the_name_of_its_error(folder: Path, cases: Path) -> None:
    from onnx import helper, numpy_helper

    nodes = [helper.make_node("Reshape", ["f0", "shape"], ["score"])]
    path = models.graph(
        folder / "r.onnx", nodes, [numpy_helper.from_array(np.array([7, 13], dtype=np.int64), "shape")]
    )
    with pytest.raises(
        ModelFailed, match=r"failed on the data with \w+\. What the runtime said of it is not kept"
    ):
        score(path, "onnx", cases)


def test_no_process_and_no_folder_is_left_behind(
    folder: Path, cases: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = _children()
    with pytest.raises(ModelTimedOut):
        score(models.endless(folder / "e.onnx"), "onnx", cases, limits=Limits(wall_s=1))
    score(models.identity(folder / "i.onnx"), "onnx", cases)
    assert _children() == before
    assert list(tmp_path.iterdir()) == []


def _children() -> set[str]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == os.getpid():
                found.add(entry.name)
    return found
