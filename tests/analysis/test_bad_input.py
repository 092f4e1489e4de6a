"""Data that cannot be used as asked: one sentence with the column and the count; what was found and kept is noted."""

from __future__ import annotations

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet
import pytest

from apps.analysis import fairness, limits, performance
from apps.analysis.errors import InputError
from tests.analysis.tables import results

GOOD = {"y": [0, 1, 0, 1], "p": [0, 1, 1, 1], "s": [0.1, 0.9, 0.6, 0.7], "g": ["a", "a", "b", "b"]}
GOOD |= {"w": [1.0, 2.0, 1.0, 1.0], "who": ["u", "u", "v", "w"]}


def judged(change, **more):
    arguments = {"prediction": "p", "score": "s", "groups": ["g"]} | more
    return fairness.report(GOOD | change, "y", **arguments)


@pytest.mark.parametrize(
    ("change", "more", "sentence"),
    [
        ({"s": [0.1, None, None, 0.5]}, {}, r"“s” is missing or not a number in 2 of 4 rows \(2 missing\)"),
        (
            {"s": [0.1, float("nan"), 0.2, 0.5]},
            {},
            r"“s” is missing or not a number in 1 of 4 rows \(1 NaN\)",
        ),
        ({"s": [0.1, float("-inf"), 0.2, 0.5]}, {}, r"in 1 of 4 rows \(1 infinite\)"),
        ({"s": ["0.1", "n/a", "", "x"]}, {}, r"in 3 of 4 rows \(1 missing, 2 text\)"),
        ({"s": [0.1, 1.2, -0.1, 0.5]}, {}, "“s” lies outside 0 to 1 in 2 rows"),
        (
            {"y": [0, 1, 2, 2]},
            {},
            r"“y” is not binary: it has 3 values where two are expected \(“2” in 2 rows",
        ),
        ({"p": [0, 1, 2, 3]}, {}, "prediction column “p” is not binary: it has 4 values"),
        ({"y": [None, 1, 0, ""]}, {}, "one length and one type"),
        ({"y": [None, 1, 0, None]}, {}, "label column “y” is empty in 2 of 4 rows"),
        ({"w": [1.0, 0.0, -2.0, 1.0]}, {"weight": "w"}, "“w” is zero or negative in 2 of 4 rows"),
        (
            {"w": [1.0, None, float("inf"), 1.0]},
            {"weight": "w"},
            "“w” is missing or not a finite number in 2 of 4",
        ),
        ({"w": [1.0, 1e300, 1.0, 1.0]}, {"weight": "w"}, "weights up to"),
        (
            {"w": [1.0, 1e-320, 1e-11, 1.0]},
            {"weight": "w"},
            r"“w” is too small in 2 of 4 rows \(least .*Multiply all weights by one number",
        ),
        (
            {},
            {"limits": [{"metric": "demographic_parity_difference", "limit": float("nan")}]},
            "demographic_parity_difference must be a finite number, not nan",
        ),
        (
            {},
            {"limits": [{"metric": "calibration_slope_difference", "limit": float("inf")}]},
            "must be a finite number, not inf",
        ),
        ({"who": ["a", "", None, "b"]}, {"entity": "who"}, "entity column “who” is empty in 2 of 4 rows"),
        (
            {},
            {"threshold": 0.65},
            "“p” contradicts “s” and the threshold 0.65 in 1 of 4 rows|hold the positive",
        ),
        ({"p": [1, 1, 1, 0]}, {"threshold": 0.5}, "“p” contradicts “s” and the threshold 0.5 in 2 of 4 rows"),
        ({}, {"groups": ["h"]}, "no column “h”"),
        ({}, {"threshold": float("nan")}, "A threshold lies between 0 and 1, not at nan"),
        ({}, {"threshold": 5}, "A threshold lies between 0 and 1, not at 5"),
        ({}, {"prediction": "y"}, "“y” is named as label and as prediction"),
        ({}, {"weight": "s"}, "“s” is named as score and as weight"),
        (
            {"y": ["0", "1", "?", "NA"]},
            {},
            "“\\?” and “NA”: taken as values, not as missing|“NA” and “\\?”: taken",
        ),
        ({"y": ["0", "1", " 1", "0"]}, {}, r"\(“0” in 2 rows, “ 1” in 1 rows, “1” in 1 rows\)"),
        ({"s": [datetime.date(2026, 1, 1)] * 4}, {}, r"in 4 of 4 rows \(4 of type date\)"),
    ],
)
def test_each_fault_is_one_sentence_with_column_and_count(change, more, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        judged(change, **more)
    assert str(caught.value).endswith(".")


def test_five_thousand_values_in_a_group_column():
    columns = {"y": [0, 1] * 2500, "p": [0, 1] * 2500, "g": [f"v{i}" for i in range(5000)]}
    with pytest.raises(InputError, match=r"“g” has 5,000 values; at most 60 groups"):
        fairness.report(columns, "y", "p", groups=["g"])


def test_values_that_may_mean_not_known_are_said_not_guessed():
    report = judged({"g": ["a", "?", "NA", ""]})
    assert report["notes"].pop() == (
        "“g” has 4 groups of one row (“(missing)”, “?”, “NA”, “a”): no interval of a mean, no verdict."
    )
    names = [group["name"] for group in report["groupings"][0]["groups"]]
    assert names == ["g = (missing)", "g = ?", "g = NA", "g = a"]
    assert report["notes"] == [
        "“g” is empty in 1 rows: they are the group (missing).",
        "“g” holds “?” in 1 rows: taken as a value, not as missing.",
        "“g” holds “NA” in 1 rows: taken as a value, not as missing.",
    ]


def test_mixed_case_and_blanks_are_said_and_counted_apart():
    report = judged({"g": ["Female", "female ", "b", "b"]})
    assert len(report["groupings"][0]["groups"]) == 3
    assert (
        "“g” holds “Female”, “female ”: they differ only in letter case or blanks and are counted apart."
        in report["notes"]
    )


def test_repeated_entities_are_said():
    assert judged({}, entity="who")["notes"] == [
        "“who” repeats: 4 rows of 3 entities; intervals are by entity."
    ]


def test_one_class_and_a_group_of_one_give_reasons():
    report = judged({"y": [1, 1, 1, 1], "g": ["a", "a", "a", "b"]})
    one = report["groupings"][0]["groups"][1]
    assert (one["n"], one["enough"]) == (1, False)
    assert one["metrics"]["auc"]["reason"] == "only one class"
    assert one["metrics"]["brier"]["reason"] == "no interval from a single row"
    assert report["overall"]["metrics"]["calibration_slope"]["reason"] == "only one class"
    assert report["overall"]["metrics"]["tnr"]["reason"] == "no negative case"
    assert report["notes"] == [
        "“y” is 1 in all 4 rows: metrics that need the other class have no value.",
        "“g” has a group of one row (“b”): no interval of a mean, no verdict.",
    ]


def test_calibration_lines_that_do_not_exist_say_why():
    separated = judged({"s": [0.1, 0.8, 0.2, 0.7]})["overall"]["metrics"]
    assert "separate the labels" in separated["calibration_slope"]["reason"]
    assert separated["calibration_intercept"]["value"] is not None
    ends = judged({"s": [0.0, 1.0, 0.2, 0.7]})["overall"]["metrics"]
    assert ends["calibration_slope"]["reason"] == "scores of exactly 0 or 1 have no logit"
    flat = judged({"s": [0.5] * 4})["overall"]["metrics"]
    assert flat["calibration_slope"]["reason"] == "every score is the same"


def test_numeric_strings_are_numbers():
    columns = results(300)
    text = {name: [str(v) for v in values] for name, values in columns.items()}
    one = performance.report(columns, "y", "p", "s")
    assert performance.report(text, "y", "p", "s") == one
    assert performance.report(text | {"y": [f"{v}.0" for v in columns["y"]]}, "y", "p", "s") == one


def test_a_parquet_file_with_dictionary_decimal_and_timestamp_columns(tmp_path):
    n = 200
    columns = results(n)
    stamp = [datetime.datetime(2026, 1, 1 + i % 2) for i in range(n)]  # noqa: DTZ001 (a column without a zone)
    table = pa.table(
        {
            "g": pa.array(columns["race"]).dictionary_encode(),
            "when": pa.array(stamp, pa.timestamp("us")),
            "y": pa.array([decimal.Decimal(v) for v in columns["y"]], pa.decimal128(9, 2)),
            "p": pa.array([bool(v) for v in columns["p"]]).cast(pa.int32()),
            "s": pa.array([decimal.Decimal(f"{v:.6f}") for v in columns["s"]], pa.decimal128(9, 6)),
        }
    )
    path = tmp_path / "odd.parquet"
    pa.parquet.write_table(table, path)
    report = fairness.report(path, "y", "p", "s", ["g", "when"])
    plain = {"y": columns["y"], "p": columns["p"], "s": [round(v, 6) for v in columns["s"]]}
    plain |= {"g": columns["race"], "when": [f"2026-01-0{1 + i % 2}" for i in range(n)]}
    assert report["cells_digest"] == fairness.report(plain, "y", "p", "s", ["g", "when"])["cells_digest"]
    nested = tmp_path / "nested.parquet"
    pa.parquet.write_table(table.append_column("n", pa.array([[1]] * n)), nested)
    with pytest.raises(InputError, match="Column “n” holds"):
        fairness.report(nested, "y", "p", "s", ["g"])


def test_a_table_without_rows_is_refused():
    with pytest.raises(InputError, match="no rows"):
        fairness.report({"y": [], "p": [], "g": []}, "y", "p", groups=["g"])


def test_rows_that_would_not_fit_in_memory_are_refused_before_they_are_fetched(monkeypatch):
    monkeypatch.setattr(limits, "_memory_mb", 256)
    monkeypatch.setattr(limits, "_ROW", 100_000_000)
    for more in ({}, {"score": None, "weight": "w"}, {"score": None, "entity": "who"}):
        with pytest.raises(
            InputError, match="hold 4 rows in memory, about 381 MB; an analysis may use 256 MB"
        ):
            judged({}, **more)
    assert judged({}, score=None)["n"] == 4  # counts need no rows
    with pytest.raises(InputError, match="ANALYSIS_MEMORY_MB"):
        performance.report(GOOD, "y", "p", task="regression")
    limits.use(1)
    assert limits.engine_mb() == 64


def test_long_keys_of_entities_are_not_made_one():
    keys = [str(10**40 + i) for i in range(4)]
    assert judged({"who": keys}, entity="who")["notes"] == [
        "“who” does not repeat: 4 entities with one row each."
    ]
    assert judged({"who": [keys[0]] * 4}, entity="who")["notes"] == [
        "“who” repeats: 4 rows of 1 entity; intervals are by entity."
    ]


@pytest.mark.parametrize("task", ["regression", "ranking"])
def test_numbers_whose_squares_overflow_are_refused_with_column_and_count(task):
    data = {"y": [1.0, 2e100, 1e308, 3.0], "p": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(InputError, match=r"“y” holds numbers beyond ±1e\+100 in 2 of 4 rows"):
        performance.report(data, "y", prediction="p", score="p", task=task)
