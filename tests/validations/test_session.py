"""One process, many tables: the same bits as `score`, and the same sentences when something is wrong."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from apps.validations.sandbox import ModelInputMismatch, score, session, wire
from apps.validations.sandbox.answers import Collector
from apps.validations.sandbox.results import ModelInfo
from tests.factories.data import FEATURES, onnx_model, vault_csv


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    model, data = folder / "model.onnx", folder / "data.parquet"
    model.write_bytes(onnx_model())
    table = pc.read_csv(io.BytesIO(vault_csv()))
    pq.write_table(table, data)
    return model, data, table


def test_a_session_gives_the_bits_of_score_each_time_it_is_asked(files):
    model, data, table = files
    alone = score(model, "onnx", data, features=list(FEATURES), positive="1")
    with session(model, "onnx", table.schema, features=list(FEATURES), positive="1") as asked:
        first = asked.score(table)
        part = asked.score(table.slice(0, 1))
        gone = asked.score(
            table.set_column(
                table.schema.get_field_index("age"), "age", pa.array(np.full(table.num_rows, np.nan))
            )
        )
        again = asked.score(table)
    assert alone.digest == first.digest == again.digest
    assert part.scores[0] == first.scores[0]
    assert gone.nan_scores == table.num_rows  # the model gives no number where one of its inputs is none
    assert asked.rows == 3 * table.num_rows + 1


def test_a_session_refuses_what_score_refuses(files):
    model, _, table = files
    with (
        session(model, "onnx", table.schema, features=list(FEATURES)) as asked,
        pytest.raises(ModelInputMismatch, match="no rows"),
    ):
        asked.score(table.slice(0, 0))
    poorer = session(model, "onnx", table.drop_columns(["age"]).schema, features=list(FEATURES))
    with pytest.raises(ModelInputMismatch, match="which the data do not have"), poorer:
        raise AssertionError("never reached")


def answered(mirror: str, scores: list[float], labels: list[str]) -> tuple[list[float], str]:
    """What one score column is read as where "event" is the first of the two classes, and how it was mirrored."""
    collector = Collector(mirror)
    header = {"label": "text", "width": 1, "keys": None}
    buffers = [memoryview(wire.pack_text(labels)), memoryview(np.array(scores, "<f8").tobytes())]
    collector.add(header, buffers, len(scores))
    info = ModelInfo("onnx", (), (), 1, "", classes=("event", "none"))
    found = collector.result(info, ("x",), "event", 0.5, 0.0)
    return found.scores.tolist(), collector.mirror


def test_one_score_of_the_other_class_is_mirrored_alike_in_every_table():
    first, how = answered("", [-2.0, 3.0], ["event", "none"])
    assert (first, how) == ([2.0, -3.0], "negated")
    later, still = answered(how, [0.25, 0.75], ["event", "none"])
    assert (later, still) == ([-0.25, -0.75], "negated")  # alone it would have been taken for a probability
    assert answered("", [0.25, 0.75], ["event", "none"]) == ([0.75, 0.25], "share")
    assert answered("share", [-1.0, 0.75], ["event", "none"]) == ([2.0, 0.25], "share")
