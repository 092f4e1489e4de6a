"""Simulation: simultaneous intervals of all pairs hold together, and a fair model is not accused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from apps.analysis import disparities, intervals
from apps.analysis.cells import Counts
from apps.analysis.groups import Group
from apps.analysis.metrics import rate
from apps.analysis.ranking import Ranked, auc, average_precision

# Six groups with the shares of race in the Diabetes 130-US hospitals data.
SHARES = np.array([0.748, 0.189, 0.022, 0.020, 0.015, 0.006])


def simulated(rates, n, runs, seed):
    """(share of runs whose pairs' intervals all hold the truth, share of runs in which a limit of 0 is breached)."""
    rng = np.random.default_rng(seed)
    sizes = np.maximum(1, (SHARES * n).astype(int))
    held = accused = 0
    limit = disparities.Limit("demographic_parity_difference", 0.0)
    for _ in range(runs):
        chosen = rng.binomial(sizes, rates)
        level = intervals.simultaneous(0.95, 15)
        good = True
        for i, j in combinations(range(6), 2):
            low, high = intervals.newcombe(
                int(chosen[i]), int(sizes[i]), int(chosen[j]), int(sizes[j]), level
            )
            good &= low <= rates[i] - rates[j] <= high
        held += good
        groups = []
        for i, (size, hits) in enumerate(zip(sizes.tolist(), chosen.tolist(), strict=True)):
            counts = Counts(tn=size - hits, tp=hits)
            groups.append(Group(str(i), counts, {"selection_rate": rate(counts, "selection_rate")}))
        compared = [disparities.compare(groups, "selection_rate", 1, 0.95)]
        accused += disparities.judge(limit, groups, compared, 1)["verdict"] == disparities.BREACHED
    return held / runs, accused / runs


FAIR = [(0.3, 5000), (0.3, 25_442), (0.05, 25_442)]


@pytest.mark.parametrize(("probability", "n"), FAIR)
def test_all_pairs_hold_together_and_fair_models_are_not_accused(probability, n):
    held, accused = simulated(np.full(6, probability), n, 200, 17)
    assert held >= 0.92  # 95 % less three standard errors of 200 runs, rounded
    assert accused <= 0.08
    assert held + accused == pytest.approx(1)  # a limit of 0 is breached exactly where an interval misses 0


@pytest.mark.soak
@pytest.mark.parametrize(("probability", "n"), [*FAIR, (0.5, 1000), (0.1, 2000)])
def test_all_pairs_hold_together_whole(probability, n):
    held, accused = simulated(np.full(6, probability), n, 10_000, 99)
    assert held >= 0.95
    assert accused <= 0.05


@pytest.mark.soak
def test_unequal_rates_are_covered_whole():
    held, accused = simulated(np.array([0.54, 0.5, 0.45, 0.42, 0.38, 0.34]), 25_442, 10_000, 5)
    assert held >= 0.95
    assert accused >= 0.99


def ranked(runs, n, seed):
    """Coverage of the AUC's and the average precision's interval on binormal scores; truths from a large sample."""
    rng = np.random.default_rng(seed)

    def draw(size):
        y = (rng.random(size) < 0.3).astype(np.int8)
        x = rng.normal(y * 1.2, 1.0)
        return Ranked(1 / (1 + np.exp(-x)), y).blocks(slice(None))

    large = draw(400_000)
    truth = (auc(large, 0.95).value, average_precision(large, 0.95).value)
    held = [0, 0]
    for _ in range(runs):
        blocks = draw(n)
        for i, estimate in enumerate((auc(blocks, 0.95), average_precision(blocks, 0.95))):
            held[i] += estimate.low <= truth[i] <= estimate.high
    return [count / runs for count in held]


@pytest.mark.parametrize("n", [100, 600])
def test_areas_are_covered(n):
    area, precision = ranked(400, n, 3)
    assert 0.92 <= area <= 0.98
    assert 0.90 <= precision <= 1.0
