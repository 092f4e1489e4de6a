"""What is let into the sandbox at all: files judged by their bytes, skops files by the types they name."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from apps.validations.catalogue import suggested
from apps.validations.sandbox import ModelRefused, detect_format, inspect_model, score
from apps.validations.sandbox.inside.allowed import LOADERS, TYPES
from apps.validations.states import Task
from tests.validations import models


class Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


def _zip(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


REFUSED = {
    "pickle2": (pickle.dumps(Hostile(), protocol=2), "Python pickle"),
    "pickle5": (pickle.dumps(Hostile(), protocol=5), "Python pickle"),
    "pickle0": (pickle.dumps(Hostile(), protocol=0), "Python pickle"),
    "joblib": (zlib.compress(pickle.dumps(Hostile())), "zlib"),
    "torch": (_zip({"archive/data.pkl": pickle.dumps(1), "archive/version": b"3"}), "PyTorch"),
    "keras": (_zip({"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b""}), "Keras"),
    "numpy": (_zip({"weights.npy": b"x"}), "NumPy archive"),
    "zip": (_zip({"readme.txt": b"hello"}), "without a skops schema"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "HDF5"),
    "parquet": (b"PAR1" + b"\0" * 40 + b"PAR1", "Parquet"),
    "gguf": (b"GGUF" + b"\0" * 40, "GGUF"),
    "xgboost": (b'{"learner": {}}', "XGBoost"),
    "elf": (b"\x7fELF" + b"\0" * 40, "executable"),
    "empty": (b"", "empty"),
    "text": (b"hello, this is no model at all", "not an ONNX model"),
    "noise": (np.random.default_rng(5).bytes(4000), "not an ONNX model"),
    "other schema": (_zip({"schema.json": b'{"a": 1}'}), "not one written by skops"),
    "broken schema": (_zip({"schema.json": b'{"a": '}), "does not parse"),
    "bomb": (_zip({"schema.json": b"{}", "big.npy": bytes(64 * 1024**2)}), "zip bomb"),
    "many": (_zip({f"{i}.npy": b"" for i in range(20_001)}, zipfile.ZIP_STORED), "20,001 files"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_foreign_files_are_refused_by_name(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content, words = REFUSED[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for attempt in (detect_format, inspect_model):
        with pytest.raises(ModelRefused, match=words) as caught:
            attempt(path)
        assert str(caught.value).endswith((".", ")."))
    assert "unpickled" not in capsys.readouterr().out


def test_a_cut_off_model_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    for whole in (models.column_onnx(tmp_path / "c.onnx"), tmp_path / "m.skops"):
        if whole.suffix == ".skops":
            skops.io.dump(models.matrix_model(), whole)
        content = whole.read_bytes()
        for share in (0.1, 0.5, 0.9, 0.999):
            cut = tmp_path / f"cut{whole.suffix}"
            cut.write_bytes(content[: int(len(content) * share)])
            with pytest.raises(ModelRefused):
                inspect_model(cut)


def test_a_lying_zip_header_does_not_get_further(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(models.matrix_model(), path)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"schema.json")
    local = content.find(b"schema.json")
    assert local < at
    content[local + 200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelRefused):
        inspect_model(path)


def test_declared_and_found_format_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="declared as skops, but it is onnx"):
        inspect_model(models.identity(tmp_path / "i.onnx"), "skops")


def test_a_skops_file_with_a_function_in_it_is_refused(tmp_path: Path) -> None:
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression())
    model.fit(np.arange(10.0).reshape(-1, 1), np.arange(10) % 2)
    skops.io.dump(model, tmp_path / "f.skops")
    with pytest.raises(ModelRefused, match="FunctionTransformer"):
        inspect_model(tmp_path / "f.skops")


def test_a_refused_composition_is_told_a_way_out(tmp_path: Path) -> None:
    """What holds a function stays outside: a target transformed by one, a search with its scorer."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    x, y = np.arange(20.0).reshape(-1, 1), np.arange(1.0, 21.0)
    logarithm = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp).fit(x, y)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2).fit(x, y)
    for model, named, way in (
        (logarithm, r"numpy\.exp, numpy\.log, .*FunctionTransformer", "PowerTransformer for a logarithm"),
        (search, "GridSearchCV", "best_estimator_"),
    ):
        skops.io.dump(model, tmp_path / "c.skops")
        with pytest.raises(ModelRefused, match=rf"{named}.*{way}.* or export the model to ONNX"):
            inspect_model(tmp_path / "c.skops")
    skops.io.dump(search.best_estimator_, tmp_path / "best.skops")
    assert inspect_model(tmp_path / "best.skops").estimator == "Ridge"


@pytest.mark.parametrize(
    ("module", "name", "loader"),
    [
        ("os", "system", "FunctionNode"),
        ("posix", "system", "FunctionNode"),
        ("builtins", "eval", "TypeNode"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "MethodNode"),
        ("subprocess", "Popen", "ObjectNode"),
        ("operator", "methodcaller", "OperatorFuncNode"),
    ],
)
def test_a_forged_skops_file_is_refused_before_anything_is_built(
    tmp_path: Path, module: str, name: str, loader: str
) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), path)
    with zipfile.ZipFile(path) as archive:
        entries = {n: archive.read(n) for n in archive.namelist()}
    schema = json.loads(entries["schema.json"])
    schema["content"]["content"]["C"] = {
        "__class__": name,
        "__module__": module,
        "__loader__": loader,
        "__id__": 1,
        "content": {"module_path": module, "function": name},
    }
    entries["schema.json"] = json.dumps(schema).encode()
    path.write_bytes(_zip(entries))
    with pytest.raises(ModelRefused, match=rf"{module}\.{name}"):
        inspect_model(path)


def test_the_list_holds_only_what_exists_and_no_code() -> None:
    import importlib

    for full in TYPES:
        module, _, name = full.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, type), full
    assert not {"FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode"} & LOADERS


def test_what_answers_no_table_of_columns_is_refused(tmp_path: Path) -> None:
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    one_column = IsotonicRegression().fit([0.0, 1.0, 2.0], [0.0, 1.0, 1.0])
    for model, words in (
        (StandardScaler().fit([[0.0], [1.0]]), "neither a fitted classifier nor a fitted regressor"),
        (one_column, "IsotonicRegression, which is not fitted on a table of columns"),
        (Ridge(), "Ridge, which is not fitted on a table of columns"),
    ):
        skops.io.dump(model, tmp_path / "r.skops")
        with pytest.raises(ModelRefused, match=words):
            inspect_model(tmp_path / "r.skops")


def test_a_regression_model_from_skops_says_that_it_gives_one_number(tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    skops.io.dump(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "r.skops")
    info = inspect_model(tmp_path / "r.skops").as_json()
    assert [(one["type"], one["shape"]) for one in info["outputs"]] == [("number", (None,))]
    assert suggested(info) == (Task.REGRESSION, [])


def test_random_damage_never_breaks_the_portals_side(tmp_path: Path) -> None:
    """Forty single-byte changes: each file either still works or is refused with a sentence."""
    from apps.validations.sandbox import Limits, SandboxError

    content = models.identity(tmp_path / "i.onnx").read_bytes()
    data = models.write(tmp_path / "d.parquet", models.cases().slice(0, 5))
    rng = np.random.default_rng(11)
    fine, sentences = 0, []
    for _ in range(40):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= int(rng.integers(1, 256))
        (tmp_path / "x.onnx").write_bytes(damaged)
        try:
            score(tmp_path / "x.onnx", "onnx", data, limits=Limits(cpu_s=5, wall_s=20))
            fine += 1
        except SandboxError as error:
            sentences.append(str(error))
    assert fine
    assert sentences
    assert [s for s in sentences if not s.endswith(".") and "The runtime says:" not in s] == []
