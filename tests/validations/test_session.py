"""One process, many tables: the same bits as `score`, and the same sentences when something is wrong."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from apps.validations.sandbox import ModelInputMismatch, score, session
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
