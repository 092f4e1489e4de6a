"""Who may not read the cases is told no figure of a small group: page, API, CSV, chart, pack, comparison."""

from __future__ import annotations

import csv
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest

from apps.accounts.models import User
from apps.analysis import fairness, undecided
from apps.analysis.disclosure import LEAST, WHY
from apps.core import blobs
from apps.core.digests import canonical_json
from apps.fairness import queries
from apps.fairness.computing import figures_of, judged, without_small_groups
from apps.fairness.export import as_csv
from apps.packs.check_tables import groups as pack_lines
from apps.quality.models import Deviation
from apps.validations import telling
from apps.validations.cases import counted, read_cases_table, secret_of
from apps.validations.export import as_csv as run_csv
from apps.validations.stored import read_results, storable
from apps.validations.telling import reads_cases, results_for
from tests.factories.data import vault_csv
from tests.factories.doors import browser, session_api
from tests.factories.evidence import BIAS_LIMITS, done_run, validated_world

LIMIT = BIAS_LIMITS[0] | {"id": "F9", "column": "site", "limit": "0.1", "rule": "point", "min_n": 1}


def with_a_site_of_one() -> bytes:
    """The usual vault, one patient moved to a site of his own."""
    lines = vault_csv().decode().splitlines(keepends=True)
    lines[1] = re.sub("north|south|west", "island", lines[1])
    return "".join(lines).encode()


@pytest.fixture
def tested(world):
    return validated_world(world, test=with_a_site_of_one(), bias_limits=[*BIAS_LIMITS, LIMIT])


def sites(report: dict) -> dict[str, dict]:
    return {
        g["values"][0][1]: g
        for each in report["groupings"]
        if each["attributes"] == ["site"]
        for g in each["groups"]
    }


def values(group: dict) -> set:
    return {each["value"] for each in group["metrics"].values()}


def test_figures_of_a_small_group_are_told_to_who_may_read_the_cases_alone(world, tested):
    report, run = tested.report, tested.run
    developer: User = world.author
    assert reads_cases(world.bias_tester, run)
    assert reads_cases(world.validator, run)
    assert not reads_cases(developer, run)

    exact = queries.results_for(world.bias_tester, report)
    assert exact == read_results(report.results_digest)
    assert values(sites(exact["report"])["island"]) != {None}

    shown = queries.results_for(developer, report)
    found = sites(shown["report"])
    hidden = {name for name, group in found.items() if values(group) == {None}}
    smallest = min((name for name in found if name != "island"), key=lambda name: (found[name]["n"], name))
    assert hidden == {"island", smallest}  # alone it would be all cases less the others
    assert found["island"]["n"] == 1
    assert "counts" not in found["island"]
    assert {each["reason"] for each in found[smallest]["metrics"].values()} == {WHY}
    for grouping in shown["report"]["groupings"]:
        names = {g["name"] for g in grouping["groups"] if values(g) == {None}}
        for comparison in grouping["comparisons"]:
            for pair in comparison["pairs"]:
                if names & {pair["a"], pair["b"]}:
                    assert pair["difference"]["value"] is None
                    assert pair["p"] is None
    assert shown["report"]["overall"] == exact["report"]["overall"]
    assert "island" not in str([one["pairs"] for g in shown["report"]["groupings"] for one in g["limits"]])


def test_the_limit_is_judged_on_the_exact_figures_and_its_line_tells_none(world, tested):
    line = next(one for one in tested.report.summary if one["id"] == "F9")
    cases = counted(read_cases_table(tested.run.cases_digest))
    figures = figures_of(cases, tested.run.plan, min_n=1)
    exact = judged(LIMIT, figures)
    assert exact["verdict"] == "breached"
    assert "site = island" in exact["pair"]  # one case decides, as the plan says
    assert line["verdict"] == exact["verdict"]
    assert (line["value"], line["low"], line["high"]) == ("", "", "")
    assert (line["pair"], line["n"], line["pair_n"]) == ([], 0, [])
    assert f"fewer than {LEAST} cases" in line["sentence"]
    assert "island" not in line["sentence"]
    opened = Deviation.objects.get(criterion="F9")
    assert opened.description == line["sentence"]


def test_no_digest_that_everybody_is_told_shows_a_right_guess_of_hidden_counts(world, tested):
    """Of a group of one there are four guesses; with each the public digests could be computed again."""
    report, run = tested.report, tested.run
    assert report.cells_digest == ""
    for digest, tell in ((run.results_digest, telling.told), (report.results_digest, queries.told_results)):
        stored = read_results(digest)
        assert stored["secret"] == secret_of(run.cases_digest) not in str(tell(stored))
    drawn = read_results(report.results_digest)["charts"]
    assert report.chart_digest in {chart["told"] for chart in drawn if chart["told"] != chart["digest"]}
    again = done_run(world, tested.plan)
    assert again.results_digest == run.results_digest  # and still the same each time


def test_every_door_tells_a_developer_the_same(world, tested):
    report, run = tested.report, tested.run
    kept = sites(read_results(report.results_digest)["report"])
    secret = {v for v in values(kept["island"]) if v not in (None, "0", "1", "0.0", "1.0", 0, 1)}
    assert secret  # the Brier score of one case is that case's error
    page = browser(world.author).get(f"/bias/{report.number}/").content.decode()
    assert WHY in page
    rows = list(csv.DictReader(io.StringIO(as_csv(report, world.author))))
    mine = [row for row in rows if row["line"] == "group" and row["group"] == "site = island"]
    assert mine
    assert {row["value"] for row in mine} == {""}
    pairs = [
        r
        for r in rows
        if r["line"] in ("difference", "ratio") and "site = island" in (r["group"], r["compared_with"])
    ]
    assert pairs
    assert {row["value"] for row in pairs} == {""}
    assert {row["note"] for row in pairs} == {WHY}
    told = as_csv(report, world.author), run_csv(run, "figures", world.author)
    whole = (
        canonical_json(queries.results_for(world.author, report)).decode(),
        canonical_json(results_for(world.author, run)).decode(),
    )
    packed = str(pack_lines(queries.told_results(read_results(report.results_digest))))
    for value in map(str, secret):
        assert all(value not in text for text in (*told, *whole, packed, page)), value
    assert all(value in as_csv(report, world.bias_tester) for value in map(str, secret))

    chart = next(c for c in queries.results_for(world.author, report)["charts"] if c["column"] == "site")
    full = next(c for c in read_results(report.results_digest)["charts"] if c["column"] == "site")
    assert chart["digest"] == full["told"] != full["digest"]
    assert "not told" in blobs.read(chart["digest"], area="results").decode()


def test_the_api_answers_by_who_asks(world, tested):
    seen = {}
    for who in (world.author, world.bias_tester):
        answer = session_api(who).get(f"/api/v1/bias-reports/{tested.report.number}")
        assert answer.status_code == 200
        seen[who] = sites(answer.json()["figures"])["island"]
    assert values(seen[world.author]) == {None}
    assert values(seen[world.bias_tester]) != {None}


def test_the_n_of_a_criterion_of_a_small_group_is_its_cases_not_its_positives():
    """Of the sensitivity n is how many are positive: of one patient, whether that one is."""
    site = ["north"] * 100 + ["south"] * 60 + ["island"]
    told = []
    for label in (0, 1):
        columns = {"y": [*([0, 1] * 80), label], "p": [0, 1, 1, 0] * 40 + [1], "site": site}
        report = fairness.report(columns, "y", "p", None, ["site"])
        group = next(g for g in report["groupings"][0]["groups"] if g["name"] == "site = island")
        assert group["metrics"]["tpr"]["n"] == label
        measured = {"n": label, "value": "1" if label else "", "low": "", "high": "", "method": str(label)}
        line = measured | {
            "metric": "tpr",
            "subgroup": "site=island",
            "verdict": "undecided",
            "sentence": "…",
        }
        told += telling.without_small_groups([line], report, {}, {})
    assert told[0] == told[1]
    assert told[0]["n"] == 1


def test_the_line_of_a_limit_does_not_say_that_a_judged_small_group_has_no_value():
    site = ["north"] * 100 + ["south"] * 60 + ["island"]
    columns = {"y": [*([0, 1] * 80), 0], "p": [0, 1, 1, 0] * 40 + [1], "site": site}
    asked = [{"metric": "equal_opportunity_difference", "limit": 0.9, "rule": "point"}]
    figures = fairness.report(columns, "y", "p", None, ["site"], min_n=1, limits=asked)
    limit = {
        "id": "F1",
        "metric": "equal_opportunity_difference",
        "column": "site",
        "limit": "0.9",
        "rule": "point",
    }
    line = judged(limit | {"min_n": 1}, figures)
    assert "no value in site = island" in line["sentence"]  # so that one is negative
    told = without_small_groups(line, figures)
    assert told["verdict"] == line["verdict"]
    assert "island" not in told["sentence"]
    assert told["pair"] == []
    few = without_small_groups(judged(limit | {"min_n": 30}, fairness.report(
        columns, "y", "p", None, ["site"], min_n=30, limits=asked)), figures)  # fmt: skip
    assert "site = island" in few["sentence"]  # its size alone: no answer of the model


def judged_apart(kind: str, island: int, swapped: bool, crossed: bool) -> dict:
    """Results of a run that leaves a tenth undecided, or excludes it; `island`: how many of its two cases.

    `swapped`: the first case of the island is exchanged for one of west that went the other way.
    """
    made = np.random.default_rng(4)
    site = np.array(["north"] * 200 + ["south"] * 100 + ["west"] * 40 + ["island"] * 2)
    sex = np.where(made.random(len(site)) < 0.5, "F", "M")
    left = made.random(len(site)) < 0.1
    left[-2:] = [island > 0, island > 1]
    y, score = made.integers(0, 2, len(site)), made.random(len(site)).round(3)
    other = next(i for i in range(300, 340) if left[i] != left[-2])
    sex[other] = sex[-2]
    if swapped:
        for column in (y, score, left):
            column[[other, -2]] = column[[-2, other]]
    kept = ~left
    columns = {"y": y, "p": (score >= 0.5).astype(int), "s": score, "site": site, "sex": sex}
    report = fairness.report(
        {name: values[kept].tolist() for name, values in columns.items()},
        "y",
        "p",
        "s",
        ["site", "sex"],
        intersections=crossed,
    )
    groups = {name: columns[name].tolist() for name in ("site", "sex")}
    if kind == "undecided":
        return {"report": report, "undecided": undecided.report(left, groups)}
    counted = [
        {"column": name, "value": value, "rows": values.count(value),
         "n": int(left[columns[name] == value].sum())}
        for name, values in groups.items()
        for value in sorted(set(values))
    ]  # fmt: skip
    return {"report": report, "excluded": {"n": int(left.sum()), "rows": len(left), "groups": counted}}


@pytest.mark.parametrize("kind", ["undecided", "excluded"])
@pytest.mark.parametrize("island", [0, 1, 2])
def test_sizes_do_not_tell_whether_the_model_decided_the_cases_of_a_small_group(kind, island):
    """The cases of a group, less those that are judged, are those it left undecided or gave no answer to."""
    crossed = island < 2  # which pairs are hidden hangs on their judged cases, once there are any
    exact = [judged_apart(kind, island, swapped, crossed) for swapped in (False, True)]
    assert exact[0] != exact[1]
    for form in (lambda made: made, storable):
        before, after = (telling.told(form(each)) for each in exact)
        assert before == after
        site = before["report"]["groupings"][0]
        bare = {g["name"]: g["n"] for g in site["groups"] if "told" in g}
        assert bare == {"site = island": 2, "site = west": 40}
        pairs = [each for each in before["report"]["groupings"] if len(each["attributes"]) == 2]
        assert {g["n"] for each in pairs for g in each["groups"] if "told" in g} == (
            {None} if crossed else set()
        )


def test_two_runs_are_compared_exactly_for_who_may_read_the_cases_of_both(world, tested, monkeypatch):
    """Who may read those of the second alone would learn the first model's answers on a few cases."""
    first, second = tested.run, done_run(world, tested.plan)
    allowed = {first.pk, second.pk}
    asked_of = SimpleNamespace(may=lambda actor, act, run: SimpleNamespace(allowed=run.pk in allowed))
    monkeypatch.setattr(telling, "gate", asked_of)
    asked = f"/api/v1/runs/{first.number}/paired?with={second.number}"

    def untold() -> bool:
        api = session_api(world.validator).get(asked).json()
        page = browser(world.validator).get(
            "/runs/compare/", {"first": first.number, "second": second.number}
        )
        in_page = WHY in page.content.decode()
        assert in_page == (WHY in str(api["groups"]))
        return in_page

    assert not untold()
    allowed.remove(first.pk)
    assert untold()
