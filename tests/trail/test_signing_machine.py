"""No signature without all its components: a fixed sample of the state machine, and 10^5 steps marked `soak`."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
from django.core import signing as django_signing
from django.db import connection
from hypothesis.stateful import run_state_machine_as_test

from apps.access import ceremony, factors, oidc, throttle
from apps.core import clock
from tests.factories.issuer import Issuer
from tests.trail.signing_machine import Signing
from tests.trail.signing_parts import Clock, Committee, committee

pytestmark = pytest.mark.django_db
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLE, SOAK = 16, 100_000  # examples; steps
STEPS, PART = 50, 25  # steps of an example, examples of a part
# Without these a run has shown nothing: of the sample, and of the whole.
SURE = ("signed", "refused", "same form again", "change a record", "authentication of earlier", "token good")
NEEDED = (
    *(
        "signed",
        "refused",
        "same form again",
        "change a record",
        "time passes",
        "locked",
        "authentication of earlier",
    ),
    *(
        "first component wrong",
        "second component missing",
        "second component wrong",
        "second component replayed",
    ),
    *("second component another's", "second component elsewhere"),
    *(
        "token good",
        "token old",
        "token missing",
        "token future",
        "token another subject",
        "token replayed nonce",
    ),
    *(
        "training demanded",
        "training recorded",
        "training lapsed",
        "identity lapsed",
        "identity confirmed",
        "deactivated",
        "unlocked",
    ),
)


@pytest.fixture
def desk(world, settings, monkeypatch) -> Committee:
    issuer = Issuer()
    settings.OIDC_PROVIDERS = [issuer.provider()]
    oidc.forget()
    made = committee(world, issuer, Clock())
    settings.SECOND_FACTOR = "required"
    made.clock.at = made.clock.began = time.time()
    for module in (ceremony, factors, throttle, django_signing):
        monkeypatch.setattr(module, "time", made.clock)
    monkeypatch.setattr(clock, "_system", made.clock.system)
    clock.forget()
    yield made
    issuer.close()
    oidc.forget()
    clock.forget()


def run(desk: Committee, *, examples: int, seed: int, tally: Counter[str]) -> None:
    machine = type("Signing", (Signing,), {"base": desk, "tally": tally})
    drawn = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        database=None,
        phases=[
            hypothesis.Phase.generate
        ],  # shrinking takes minutes; a failure prints its steps as they were
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=drawn)


def test_a_sample_of_the_state_machine(desk):
    tally: Counter[str] = Counter()
    run(desk, examples=SAMPLE, seed=20261122, tally=tally)
    assert [what for what in SURE if not tally[what]] == []


def source() -> str:
    """Digest of the code that is tried and of the machine that tries it: parts of other code count for nothing."""
    files = [*(ROOT / "apps").rglob("*.py"), *(ROOT / "portal").rglob("*.py"), *HERE.glob("signing_*.py")]
    told = hashlib.sha256()
    for path in sorted(files):
        told.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return told.hexdigest()[:16]


class Parts:
    """The parts carried out, one line of JSON each in SIGNING_LOG: a run that was cut off goes on behind them."""

    def __init__(self, path: str, code: str, database: str) -> None:
        self.path, self.mark = path, {"code": code, "database": database}
        self.tally, self.seed = Counter[str](), int(os.environ.get("SIGNING_SEED", "1"))
        lines = Path(path).read_text().splitlines() if path and Path(path).exists() else []
        for part in map(json.loads, lines):
            if {key: part[key] for key in self.mark} == self.mark:
                self.tally.update(part["tally"])
                self.seed = max(self.seed, part["seed"] + 1)

    def done(self, tally: Counter[str], seconds: float) -> None:
        part = {
            **self.mark,
            "seed": self.seed,
            "seconds": round(seconds),
            "tally": dict(sorted(tally.items())),
        }
        if self.path:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(part) + "\n")
        self.tally.update(tally)
        self.seed += 1


def test_parts_of_the_long_run_are_carried_on_and_those_of_other_code_are_not(tmp_path, monkeypatch):
    monkeypatch.delenv("SIGNING_SEED", raising=False)
    path = str(tmp_path / "soak" / "signing.jsonl")
    first = Parts(path, "a", "sqlite")
    first.done(Counter(steps=40, signed=3), 9.6)
    first.done(Counter(steps=50), 8)
    assert len(source()) == 16
    for code, database, seed, steps in (
        ("a", "sqlite", 3, 90),
        ("b", "sqlite", 1, 0),
        ("a", "postgresql", 1, 0),
    ):
        again = Parts(path, code, database)
        assert (again.seed, again.tally["steps"]) == (seed, steps)


@pytest.mark.soak
def test_a_hundred_thousand_steps_sign_nothing_without_all_components(desk):
    """In parts of some 1,200 steps. SIGNING_LOG: a file of the parts done, behind which a run that was cut off goes on;
    SIGNING_STEPS, SIGNING_SEED: another number of steps, from another seed on."""
    wanted = int(os.environ.get("SIGNING_STEPS", SOAK))
    parts = Parts(os.environ.get("SIGNING_LOG", ""), source(), connection.vendor)
    while parts.tally["steps"] < wanted:
        tally, began = Counter[str](), time.monotonic()
        run(desk, examples=PART, seed=parts.seed, tally=tally)
        parts.done(tally, time.monotonic() - began)
        print(f"{parts.tally['steps']} steps, seed {parts.seed - 1}", flush=True)
    assert [what for what in NEEDED if not parts.tally[what]] == []
    print(f"seeds to {parts.seed - 1}: {dict(sorted(parts.tally.items()))}")
