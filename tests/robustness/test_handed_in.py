"""Files are bounded before they are decoded: a small Parquet file may hold gigabytes."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apps.core import blobs
from apps.core.errors import BadInput
from apps.robustness import handed_in


def _put(**columns) -> str:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    assert sink.tell() < 200_000
    return blobs.put(sink.getvalue()).digest


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": ["x" * 2_000] * 100_000}, "unpacks to"),
        ({"a": ["x" * 20_000]}, "a cell of column"),
        ({f"c{i}": [1.0] * 100_000 for i in range(90)}, "unpacks to"),
        ({"a": [1] * 200_001}, "at most 200,000"),
        ({f"c{i}": [1] for i in range(501)}, "500 are taken"),
    ],
)
def test_a_small_file_that_unpacks_to_much_is_refused_before_it_is_fetched(monkeypatch, columns, said):
    digest = _put(**columns)

    def never(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("apps.analysis.readers.Table.arrow", never)
    with pytest.raises(BadInput) as refused:
        handed_in.read("parity", file_digest=digest, second_digest=digest, key_column="", tolerance="0")
    assert said in refused.value.fields["file"][0].lower() or said in refused.value.fields["file"][0]


def test_files_are_read_outside_of_any_transaction(monkeypatch):
    from apps.robustness.acts import evidence

    seen = []
    monkeypatch.setattr(evidence.handed_in, "read", lambda *_, **__: seen.append("read") or {"rows": []})
    monkeypatch.setattr(evidence, "_record", lambda *_, **given: seen.append(given["outcome"]))
    evidence.submit_evidence(None, 1, kind="epsilon", file_digest="x", file_name="x.csv")
    assert seen == ["read", {"rows": []}]


def test_numbers_of_a_small_column_are_not_alike_for_a_tolerance_of_their_own_size():
    from apps.analysis.probes import submitted

    found = submitted.parity(pa.table({"p": [1e-7, 2e-7]}), pa.table({"p": [2e-7, 1e-7]}), tolerance=1e-6)
    assert found["differing"] == 2
