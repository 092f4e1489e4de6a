"""What is told of small groups: nothing that is shown gives the figures of a few cases away by subtraction."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.analysis import disclosure, fairness, pairedtasks, realfairness

LEAST = disclosure.LEAST


def one(name: str, value: str) -> disclosure.Key:
    return frozenset(((name, value),))


def sizes_of(rows: list[tuple[str, ...]], names: tuple[str, ...], crossed: bool) -> dict[disclosure.Key, int]:
    found: Counter[disclosure.Key] = Counter()
    for row in rows:
        items = list(zip(names, row, strict=True))
        found.update(frozenset((item,)) for item in items)
        if crossed:
            found.update(frozenset(pair) for pair in combinations(items, 2))
    return dict(found)


def test_a_group_of_one_takes_the_smallest_other_with_it():
    sizes = {one("sex", "F"): 400, one("sex", "M"): 300, one("sex", "X"): 1}
    assert disclosure.hidden(sizes, 701) == {one("sex", "X"), one("sex", "M")}


def test_small_groups_that_are_enough_together_take_no_other():
    sizes = {one("race", name): n for name, n in (("a", 500), ("b", 12), ("c", 9))}
    assert disclosure.hidden(sizes, 521) == {one("race", "b"), one("race", "c")}


def test_nothing_is_hidden_where_every_group_is_large():
    sizes = {one("sex", "F"): LEAST, one("sex", "M"): 10_000}
    assert disclosure.hidden(sizes, 10_000 + LEAST) == frozenset()


def test_of_few_cases_no_group_is_told():
    sizes = {one("sex", "F"): 15, one("sex", "M"): 4}
    assert disclosure.hidden(sizes, 19) == set(sizes)


def test_a_pair_does_not_follow_from_its_row_and_column():
    rows = [("F", "old")] * 100 + [("F", "new")] * 100 + [("M", "old")] * 100 + [("M", "new")] * 3
    sizes = sizes_of(rows, ("sex", "age"), crossed=True)
    shut = disclosure.hidden(sizes, len(rows))
    assert frozenset((("sex", "M"), ("age", "new"))) in shut
    assert {key for key in shut if len(key) == 1} == set()  # the groups themselves are all told
    assert len(shut) == 4  # a table of two by two has one unknown: all or none


def told_of(sizes, shut, vector) -> str:
    lines = [
        f"{sorted(key)} {n} {'HIDDEN' if key in shut else ''}" for key, n in sorted(sizes.items(), key=str)
    ]
    return "\n".join([*lines, str([int(v) for v in vector])])


@st.composite
def tables(draw):
    names = ("a", "b", "c")[: draw(st.integers(1, 3))]
    widths = [draw(st.integers(1, 4)) for _ in names]
    seed, n = draw(st.integers(0, 10**6)), draw(st.integers(1, 400))
    chance = np.random.default_rng(seed)
    columns = []
    for width in widths:
        shares = chance.dirichlet(np.full(width, draw(st.sampled_from([0.3, 1.0, 5.0]))))
        columns.append([f"v{i}" for i in chance.choice(width, size=n, p=shares)])
    return names, list(zip(*columns, strict=True)), draw(st.booleans())


@settings(max_examples=300, deadline=None)
@given(tables())
def test_no_few_cases_follow_from_what_is_told(made):
    """Over every distinct case: is the sum over any few of them a combination of the sums that are told?"""
    names, rows, crossed = made
    sizes = sizes_of(rows, names, crossed)
    shut = disclosure.hidden(sizes, len(rows))
    atoms = sorted(set(rows))

    def over(key: disclosure.Key) -> list[float]:
        return [float(set(key) <= set(zip(names, atom, strict=True))) for atom in atoms]

    shown = [over(key) for key in sizes if key not in shut]
    if len(rows) >= LEAST:
        shown.append(over(frozenset()))
    span = np.array(shown).reshape(len(shown), len(atoms))
    weights = Counter(rows)
    few = [over(key) for key, n in sizes.items() if n < LEAST]
    # What is left of a sum when everything told is taken off, and what two groups have together.
    few += [a for a in (list(np.subtract(x, y)) for x in shown for y in shown) if min(a) >= 0 and max(a) > 0]
    few += [
        list(np.add(over(x), over(y)))
        for x, y in combinations(sorted(shut, key=sorted), 2)
        if sizes[x] + sizes[y] < LEAST and max(np.add(over(x), over(y))) == 1
    ]
    for vector in few:
        n = sum(weights[atom] for atom, w in zip(atoms, vector, strict=True) if w)
        if n >= LEAST:
            continue
        if len(span) == 0:
            continue
        # An attacker knows which groups there are, not the joint counts of three attributes.
        solved = np.linalg.lstsq(span.T, np.array(vector), rcond=None)[0]
        assert np.abs(span.T @ solved - vector).max() > 1e-6, told_of(sizes, shut, vector)


def errors_of(sizes: dict[str, int]) -> dict[str, list]:
    site = [name for name, n in sizes.items() for _ in range(n)]
    made = np.random.default_rng(5)
    y = made.normal(0, 1, len(site))
    return {"y": y.tolist(), "p": (y + made.normal(0, 1, len(site))).tolist(), "q": y.tolist(), "site": site}


def test_the_error_of_one_case_is_not_told_nor_found_by_subtraction():
    sizes = {"a": 120, "b": 60, "c": 40, "one": 1}
    columns = errors_of(sizes)
    limit = {"metric": "mae_difference", "limit": 0.001, "rule": "point", "unit": "mg/L"}
    whole = realfairness.report(columns, "y", "p", ["site"], min_n=1, limits=[limit])
    shown = disclosure.told(whole)
    (grouping,) = shown["groupings"]
    told = {g["values"]["site"]: g["metrics"]["mae"]["value"] for g in grouping["groups"]}
    assert {name for name, value in told.items() if value is None} == {"one", "c"}
    rest = shown["overall"]["metrics"]["mae"]["value"] * 221 - sum(
        told[name] * sizes[name] for name in told if told[name] is not None
    )
    errors = np.abs(np.subtract(columns["y"], columns["p"]))
    assert rest == pytest.approx(errors[-41:].sum())  # of 41 cases together, of the one nothing
    (judged,) = grouping["limits"]
    assert (judged["verdict"], judged["pairs"], judged["attainable"]) == ("breached", [], None)
    assert "one" not in {
        word for word in judged["sentence"].replace(",", " ").split() if word.startswith("site")
    }
    for pair in grouping["comparisons"][0]["pairs"]:
        hidden = {pair["a"], pair["b"]} & {"site = one", "site = c"}
        assert (pair["difference"]["value"] is None) == bool(hidden)
        assert not hidden or [pair["a"], pair["b"]] == sorted((pair["a"], pair["b"]))
    assert whole["groupings"][0]["groups"][-1]["metrics"]["mae"]["value"] == pytest.approx(errors[-1])


def sites_with_one_alone(seed: int, *, west: int, swapped: bool) -> dict[str, list]:
    """Cases of four sites, one on an island; `swapped`: its label, answer and score for those of a case of west."""
    made = np.random.default_rng(seed)
    site = [
        name for name, n in (("north", 200), ("south", 100), ("west", west), ("island", 1)) for _ in range(n)
    ]
    y, score = made.integers(0, 2, len(site)), made.random(len(site)).round(3)
    sex = np.where(made.random(len(site)) < 0.5, "F", "M")
    sex[-1] = sex[300]
    said = (score >= 0.5).astype(int)
    if swapped:
        for column in (y, score, said):
            column[[300, -1]] = column[[-1, 300]]
    return {"y": y.tolist(), "p": said.tolist(), "s": score.tolist(), "site": site, "sex": sex.tolist()}


@pytest.mark.parametrize("crossed", [False, True])
def test_what_is_told_is_the_same_whatever_the_case_on_the_island_was(crossed):
    """Not its label by the pairs that have a value, nor its error by the greatest difference or a count of cells."""
    differ = 0
    for seed in range(12):
        before, after = (
            fairness.report(
                sites_with_one_alone(seed, west=25, swapped=swapped),
                "y",
                "p",
                "s",
                ["site", "sex"],
                intersections=crossed,
            )
            for swapped in (False, True)
        )
        differ += before["groupings"] != after["groupings"]
        assert disclosure.told(before) == disclosure.told(after)
    assert differ > 6


def test_the_adjusted_p_value_of_a_told_pair_does_not_tell_that_of_a_hidden_one():
    whole = fairness.report(sites_with_one_alone(3, west=45, swapped=False), "y", "p", "s", ["site"])
    (shown,) = disclosure.told(whole)["groupings"]
    rests = 0
    for before, after in zip(whole["groupings"][0]["comparisons"], shown["comparisons"], strict=True):
        tested = [pair for pair in before["pairs"] if pair["p_holm"] is not None]
        hidden = [pair for pair in tested if {pair["a"], pair["b"]} & {"site = west", "site = island"}]
        (told,) = [pair for pair in after["pairs"] if pair["difference"]["value"] is not None] or [None]
        if told is None or not tested:
            continue
        assert told["p"] is not None
        assert (told["p_holm"] is None) == bool(hidden)
        assert not hidden or told["reason"] == disclosure.ADJUSTED
        # Holm's values rise with the p-values: that of a told pair may be a whole multiple of a hidden one's.
        own = next(pair for pair in tested if pair["a"] == told["a"] and pair["b"] == told["b"])
        rests += any(own["p_holm"] == pytest.approx(k * pair["p"]) for pair in hidden for k in (1, 2, 3))
    assert rests


def test_the_words_of_a_limit_do_not_tell_which_small_group_has_no_value():
    limit = {"metric": "equal_opportunity_difference", "limit": 0.99, "rule": "point"}
    said = set()
    for label in (0, 1):
        columns = sites_with_one_alone(3, west=45, swapped=False)
        columns["y"][-1] = label
        (grouping,) = fairness.report(columns, "y", "p", None, ["site"], min_n=1, limits=[limit])["groupings"]
        (exact,) = grouping["limits"]
        assert exact["too_few"] == ([] if label else ["site = island"])
        (told,) = disclosure.told({"inputs": {"min_n": 1}, "overall": {"n": 346}, "groupings": [grouping]})[
            "groupings"
        ]
        said.add((told["limits"][0]["sentence"].partition(".")[2], str(told["limits"][0]["too_few"])))
    assert len(said) == 1  # besides the verdict


def test_lines_by_group_of_a_comparison_follow_the_same_rule():
    columns = errors_of({"a": 120, "b": 60, "c": 40, "one": 1})
    found = pairedtasks.report(columns, "y", "p", "q", task="regression", groups=["site"])
    lines = disclosure.told_lines(found["groups"], ["site"], found["n"])
    bare = {line["group"] for line in lines if line["difference"]["value"] is None}
    assert bare == {"site = one", "site = c"}
    for before, after in zip(found["groups"], lines, strict=True):
        assert (after["group"], after["metric"], after["n"]) == (
            before["group"],
            before["metric"],
            before["n"],
        )
        if after["group"] in bare:
            assert (after["first"], after["second"], after["p"], after["counts"]) == (None,) * 4
            assert after["test"] == ""
        else:
            assert after == before


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=5, max_size=5), min_size=1, max_size=5))
def test_bins_that_are_not_told_have_nobody_or_enough_cases_in_each_group(counts):
    def group(i: int, bins: list[int]) -> dict:
        made = [{"from": place / 5, "n": n} for place, n in enumerate(bins) if n]
        return {"name": f"g{i}", "values": {"g": f"g{i}"}, "n": sum(bins), "calibration": made}

    groups = [group(i, bins) for i, bins in enumerate(counts) if sum(bins)]
    if sum(g["n"] for g in groups) < LEAST:
        return  # no group is told then
    shut = disclosure.hidden({disclosure.key_of(g): g["n"] for g in groups}, sum(g["n"] for g in groups))
    names = {g["name"] for g in groups if disclosure.key_of(g) in shut}
    kept = disclosure.kept_bins({"groups": groups}, names)
    parts = [[g] for g in groups if g["name"] not in names] + [[g for g in groups if g["name"] in names]]
    for part in parts:
        by_bin = Counter()
        for one_group in part:
            by_bin.update({str(b["from"]): b["n"] for b in one_group["calibration"]})
        assert all(n >= LEAST for place, n in by_bin.items() if place in kept)
        left = sum(n for place, n in by_bin.items() if place not in kept)
        assert left == 0 or left >= LEAST
    if all(b["n"] >= LEAST for g in groups for b in g["calibration"]):
        assert kept == {str(b["from"]) for g in groups for b in g["calibration"]}


def test_a_report_of_two_classes_keeps_everything_of_large_groups():
    made = np.random.default_rng(2)
    n = 1600
    columns = {
        "y": made.integers(0, 2, n).tolist(),
        "s": made.random(n).round(3).tolist(),
        "sex": ["F", "M"] * (n // 2),
        "age": ["old", "old", "new", "new"] * (n // 4),
    }
    columns["p"] = [int(s >= 0.5) for s in columns["s"]]
    whole = fairness.report(columns, "y", "p", "s", ["sex", "age"], intersections=True)
    shown = disclosure.told(whole)
    for before, after in zip(whole["groupings"][:2], shown["groupings"][:2], strict=True):
        assert after == before
