"""All probes of one model in their order, each with random numbers of its own: leaving one out changes no other."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.analysis.errors import InputError
from apps.analysis.probes import disturbed, privacy, shifted, submitted
from apps.analysis.probes.adversarial import adversarial
from apps.analysis.probes.catalogue import PROBES
from apps.analysis.probes.findings import Finding, nothing
from apps.analysis.probes.frames import Ask, Cases, levels_of, ranges_of

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Settings:
    """seed: of every random number. rows: at most so many test and training rows are asked. shift: part of the cases
    that `group_shift` replaces. epsilon (standard deviations), flips (0/1 columns of a case), budget (questions a case)
    and cases bound the search."""

    seed: int = 1
    rows: int = 10_000
    shift: float = 0.5
    epsilon: float = 0.1
    budget: int = 50
    cases: int = 200
    flips: int = 0

    def __post_init__(self) -> None:
        if (
            min(self.rows, self.budget, self.cases) < 1
            or self.flips < 0
            or not 0 < self.shift <= 1
            or self.epsilon <= 0
        ):
            raise InputError(
                "Rows, questions and cases are at least 1, the shift within 0 and 1, epsilon above 0."
            )


def _rng(settings: Settings, name: str) -> np.random.Generator:
    return np.random.default_rng([settings.seed, zlib.crc32(name.encode())])


def run_probes(
    ask: Ask,
    test: Cases,
    train: Cases | None,
    settings: Settings,
    wanted: Sequence[str],
    *,
    parity: dict | None = None,
    epsilons: list[dict] | None = None,
    progress: Progress = lambda _done, _total, _stage: None,
) -> list[Finding]:
    """The findings of the `wanted` probes. Without training rows, probes that need them give none.

    The scale of every disturbance (standard deviation, range) is that of the test rows: whoever trained the model
    cannot choose it. `train`: the rows of every declared training set, together.

    `parity` and `epsilons`: what `submitted.parity` and `submitted.utility_table` made of files handed in.
    """
    unknown = sorted(set(wanted) - set(PROBES))
    if unknown:
        raise InputError(f"There is no probe {unknown[0]}.")
    test = test.sample(settings.rows, _rng(settings, "test"))
    known = None if train is None else train.sample(settings.rows, _rng(settings, "train"))
    before = ask(test.frame)
    if not before.usable.any():
        raise InputError(
            "The model gives no usable answer to any of the cases, so there is nothing to probe."
        )
    ranges = ranges_of(test.frame)
    levels = levels_of(test.frame, *([train.frame] if train else []))
    found: list[Finding] = []
    for done, name in enumerate(each for each in PROBES if each in wanted):
        progress(done, len(set(wanted)), PROBES[name].label)
        if name in ("far_rows", "membership", "inversion") and known is None:
            found.append(
                nothing(name, "", "no training data version is declared, so there is nothing to compare")
            )
        elif name.startswith("noise_"):
            part = disturbed.noise_level(name)
            found += disturbed.noise(ask, test.frame, before, ranges, part, _rng(settings, name))
        elif name in disturbed.MISSING:
            both = [each for each in disturbed.MISSING if each in wanted]
            if name == both[0]:  # the second was found with the first
                found += disturbed.missing(both, ask, test.frame, before)
        elif name == "missing_all":
            found += disturbed.missing_all(ask, test.frame, before)
        elif name == "unseen_category":
            found += disturbed.unseen_category(ask, test.frame, before, levels)
        elif name == "out_of_range":
            found += disturbed.out_of_range(ask, test.frame, before, ranges)
        elif name == "units":
            found += disturbed.units(ask, test.frame, before, ranges)
        elif name == "far_rows" and known is not None:
            found += shifted.far_rows(known.frame, test, before)
        elif name == "group_shift":
            found += shifted.group_shift(test, before, settings.shift)
        elif name == "repeatability":
            found += shifted.repeatability(ask, test.frame, before)
        elif name == "adversarial":
            rng = _rng(settings, name)
            some = test.sample(settings.cases, rng)
            found += adversarial(
                ask,
                some.frame,
                ask(some.frame),
                ranges,
                epsilon=settings.epsilon,
                budget=settings.budget,
                flips=settings.flips,
                rng=rng,
            )
        elif name == "parity":
            found.append(submitted.parity_finding(parity))
        elif name == "epsilon":
            found.append(submitted.epsilon_finding(epsilons))
        elif name == "membership" and known is not None:
            found += privacy.membership(known, ask(known.frame), test, before)
        elif name == "inversion" and known is not None:
            rng = _rng(settings, name)
            attributes = list(test.frame.columns)
            rows = privacy.INVERSION_ROWS
            found += privacy.inversion(ask, known.sample(rows, rng), test.sample(rows, rng), attributes)
    progress(len(set(wanted)), len(set(wanted)), "Probes done")
    return found
