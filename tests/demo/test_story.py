"""The demo's data, models and people: real, repeatable, and telling the story the records tell."""

from __future__ import annotations

import csv
import hashlib
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apps.access.duties import DATASET_DUTIES, MODEL_DUTIES, ORGANISATION_DUTIES, Duty
from apps.analysis import fairness
from apps.analysis.verdicts import Criterion, judge_report
from apps.datasets.ingest import ingest
from apps.validations.sandbox import inspect_model, score, score_twice
from portal.demo import data, people, story, training


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> data.DemoData:
    return data.build(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def trained(demo: data.DemoData) -> dict[str, training.Trained]:
    return training.train(demo, demo.test.parent / "models")


@pytest.fixture(scope="module")
def reports(demo: data.DemoData, trained: dict[str, training.Trained]) -> dict[str, dict]:
    """The bias report of each version on the test data, through the same parts the portal uses."""
    folder = demo.test.parent
    cases = ingest(demo.test, demo.test.name, out_dir=folder)
    made = {}
    for version, model in trained.items():
        result = score(model.onnx, "onnx", cases.parquet_path)
        table = pq.read_table(cases.parquet_path)
        table = table.append_column("prediction", pa.array(result.predictions))
        table = table.append_column("score", pa.array(result.scores))
        pq.write_table(table, folder / "scored.parquet")
        made[version] = fairness.report(
            folder / "scored.parquet",
            data.LABEL,
            "prediction",
            "score",
            story.FAIRNESS_GROUPS,
            min_n=story.FAIRNESS_MIN_N,
            limits=story.FAIRNESS_LIMITS,
        )
    return made


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def test_every_patient_of_the_trial_is_accounted_for_once(demo: data.DemoData) -> None:
    parts = {name: {r["patient"] for r in _rows(getattr(demo, name))} for name in data.SHARES}
    assert sum(len(p) for p in parts.values()) + sum(demo.excluded.values()) == 2139
    assert len(set.union(*parts.values())) == sum(len(p) for p in parts.values())
    assert {name: len(p) for name, p in parts.items()} == {name: demo.rows[name] for name in data.SHARES}


def test_the_values_are_the_trials_own(demo: data.DemoData) -> None:
    with data.source_file().open(newline="") as f:
        trial = {f"P{r['pidnum']}": r for r in csv.DictReader(f)}
    for row in _rows(demo.test):
        raw = trial[row["patient"]]
        assert (row["age"], row["cd4_week20"], row["cd8_start"]) == (raw["age"], raw["cd420"], raw["cd80"])
        assert (row["sex"] == "male") == (raw["gender"] == "1")
        assert (row["race"] == "white") == (raw["race"] == "0")
        assert (row["event"] == "1") == (raw["cens"] == "1" and int(raw["days"]) <= data.HORIZON_DAY)
        assert int(raw["days"]) >= data.LANDMARK_DAY


def test_the_planted_defect_is_exactly_what_is_said_of_it(demo: data.DemoData) -> None:
    first, complete = _rows(demo.train_first), _rows(demo.train)
    changed = [(a, b) for a, b in zip(first, complete, strict=True) if a != b]
    assert len(changed) == demo.missing_events > 0
    for before, after in changed:
        assert after["sex"] == "female"
        assert (before["event"], after["event"]) == ("0", "1")
        assert {k: v for k, v in before.items() if k != "event"} == {
            k: v for k, v in after.items() if k != "event"
        }


def test_files_and_models_are_the_same_on_every_start(
    demo: data.DemoData, trained: dict[str, training.Trained], tmp_path: Path
) -> None:
    again = data.build(tmp_path)
    for name in ("train_first", "train", "tune", "test"):
        assert _digest(getattr(again, name)) == _digest(getattr(demo, name))
    models = training.train(again, tmp_path / "models")
    assert {v: _digest(m.onnx) for v, m in models.items()} == {v: _digest(m.onnx) for v, m in trained.items()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_lifelines_is_read_as_a_file_only(demo: data.DemoData) -> None:
    assert demo.source_digest.startswith("sha256:")
    assert "lifelines" not in sys.modules


def test_the_models_say_which_columns_they_want(trained: dict[str, training.Trained]) -> None:
    for version, sex_is_input in (("1.0.0", True), ("1.1.0", False)):
        info = inspect_model(trained[version].onnx)
        assert info.columns == list(trained[version].features)
        assert ("sex" in trained[version].features) == sex_is_input
        assert not {"race", "age_band", "event", "patient"} & set(trained[version].features)
        assert trained[version].hyperparameters["inputs"] == list(trained[version].features)


def test_onnx_and_skops_of_one_model_agree(
    demo: data.DemoData, trained: dict[str, training.Trained], tmp_path: Path
) -> None:
    cases = ingest(demo.test, "test.csv", out_dir=tmp_path).parquet_path
    assert trained["1.1.0"].skops is not None
    onnx, same = score_twice(trained["1.1.0"].onnx, "onnx", cases)
    skops = score(trained["1.1.0"].skops, "skops", cases)
    assert same
    assert (onnx.predictions == skops.predictions).all()
    assert abs(onnx.scores - skops.scores).max() < 1e-5


def test_the_first_version_looks_good_and_breaches_a_limit(reports: dict[str, dict]) -> None:
    report = reports["1.0.0"]
    verdicts = [judge_report(Criterion(**c), report).verdict for c in story.CRITERIA]
    assert verdicts == ["met", "met", "not_met", "met"]
    assert report["verdict"] == "breached"
    by_sex = next(g for g in report["groupings"] if g["attributes"] == ["sex"])
    assert {limit["verdict"] for limit in by_sex["limits"]} == {"breached"}


def test_the_second_version_meets_everything(reports: dict[str, dict]) -> None:
    report = reports["1.1.0"]
    assert [judge_report(Criterion(**c), report).verdict for c in story.CRITERIA] == ["met"] * 4
    assert report["verdict"] == "within"


def test_age_bands_are_too_small_to_tell(
    demo: data.DemoData, trained: dict[str, training.Trained], reports: dict[str, dict], tmp_path: Path
) -> None:
    """What the second version's known issue says."""
    table = pq.read_table(demo.test.parent / "scored.parquet")
    pq.write_table(table, tmp_path / "scored.parquet")
    report = fairness.report(
        tmp_path / "scored.parquet",
        "event",
        "prediction",
        "score",
        ["age_band"],
        limits=story.FAIRNESS_LIMITS,
    )
    assert report["verdict"] == "undecided"


def test_claims_are_the_developers_own_and_on_the_tune_data(
    demo: data.DemoData, trained: dict[str, training.Trained]
) -> None:
    for model in trained.values():
        assert model.claims["auc"]["n"] == demo.rows["tune"]
        assert 0.5 < model.claims["auc"]["value"] < 1


def test_the_intended_use_covers_the_data(demo: data.DemoData) -> None:
    rows = [r for name in data.SHARES for r in _rows(getattr(demo, name))]
    assert "Age 12 to 70" in story.INTENDED_USE.input_space
    assert {min(int(r["age"]) for r in rows), max(int(r["age"]) for r in rows)} == {12, 70}
    assert 31 <= min(float(r["weight_kg"]) for r in rows) <= max(float(r["weight_kg"]) for r in rows) <= 160
    assert max(int(r["prior_days"]) for r in rows) <= 2900
    women = sum(r["sex"] == "female" for r in rows) / len(rows)
    assert round(1 / women) == 6


def test_every_duty_has_somebody_and_everybody_a_name_of_their_own() -> None:
    held = {duty for p in people.PEOPLE for duty, _ in p.duties}
    assert held == set(Duty)
    allowed = {
        people.MODEL: MODEL_DUTIES,
        people.DATASET: DATASET_DUTIES,
        people.ORGANISATION: ORGANISATION_DUTIES,
    }
    assert [p.username for p in people.PEOPLE for duty, where in p.duties if duty not in allowed[where]] == []
    assert (
        len({p.username for p in people.PEOPLE})
        == len({p.short_name for p in people.PEOPLE})
        == len(people.PEOPLE)
    )
    approvers = [p.short_name for p in people.PEOPLE if ("approver", people.MODEL) in p.duties]
    assert approvers == ["M. Chen", "A. Novak"]
    assert [p for p in people.PEOPLE if not p.duties]
