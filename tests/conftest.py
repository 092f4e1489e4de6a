"""Fixtures every test may use."""

from __future__ import annotations

import gc

import hypothesis
import pytest
from django.test import TransactionTestCase

from apps.trail.testing import trail_allows_flush  # noqa: F401  (session-wide: flushing meets append-only triggers)
from tests import data_once, kept_world, let_in
from tests.cast import build_world, load_world
from tests.evidence_base import base

# A time limit for one example would judge the machine, not the code.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


COLLECTING = gc.get_threshold()


def pytest_collection_finish():
    """What the imports made stays: neither the interpreter nor a library that collects in each call (statsmodels) need
    walk it again; and what tests throw away is not looked for at every turn."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_unconfigure():
    gc.unfreeze()
    gc.set_threshold(*COLLECTING)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker, trail_allows_flush):  # noqa: F811
    """The world is built once for each test database, by committed acts; every test works in its own transaction."""
    patch = pytest.MonkeyPatch()
    data_once.remember(patch)
    let_in.note_beginnings(patch)
    with django_db_blocker.unblock():
        build_world()
        kept_world.keep()
    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: kept_world.restore())
    yield
    patch.undo()
    with django_db_blocker.unblock():
        base.leave()


@pytest.fixture
def world(db):
    """The cast with one model and one dataset they work on, and another of each that they may not see."""
    return load_world()
