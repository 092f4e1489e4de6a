"""No signature without all its components: a fixed sample of the state machine, and 10^5 steps marked `soak`."""

from __future__ import annotations

import os
import time
from collections import Counter

import hypothesis
import pytest
from django.core import signing as django_signing
from hypothesis.stateful import run_state_machine_as_test

from apps.access import ceremony, factors, oidc, throttle
from apps.core import clock
from tests.factories.issuer import Issuer
from tests.trail.signing_machine import Signing
from tests.trail.signing_parts import Clock, Committee, committee

pytestmark = pytest.mark.django_db
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


@pytest.mark.soak
def test_a_hundred_thousand_steps_sign_nothing_without_all_components(desk):
    """SIGNING_STEPS and SIGNING_SEED: another number of steps, from another seed on, to run it in parts."""
    wanted = int(os.environ.get("SIGNING_STEPS", SOAK))
    seed, tally, began = int(os.environ.get("SIGNING_SEED", "1")), Counter[str](), time.monotonic()
    while tally["steps"] < wanted:
        run(desk, examples=PART, seed=seed, tally=tally)
        seed += 1
        print(f"{tally['steps']} steps, {time.monotonic() - began:.0f} s", flush=True)
    assert [what for what in NEEDED if not tally[what]] == []
    print(f"seeds to {seed - 1}: {dict(sorted(tally.items()))}")
