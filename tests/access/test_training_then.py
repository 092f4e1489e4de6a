"""The access register says how training stood at the moment asked for: by the matrix and the records of then."""

from __future__ import annotations

import pytest

from apps.access import register
from apps.core.clock import now
from tests.access.test_training import adopt, record
from tests.factories.doors import browser, session_api, text_of

pytestmark = pytest.mark.django_db


def then(moment) -> str:
    standing = register.standing_at(moment)
    row = register.held_at(moment).get(username_then="monitor", duty="monitor")
    return standing.trained(row)


def test_training_as_it_stood_at_each_moment(world):
    before = now()
    adopt(world, {"monitor": ["system"]})
    adopted = now()
    kept = record(world, "monitor")
    recorded = now()
    taken_back = record(
        world, "monitor", corrects_id=kept.pk, void=True, evidence="Certificate of another person"
    )
    assert taken_back.void
    assert then(before) == "not asked: no training matrix was in force"
    assert then(adopted).startswith("Missing: ")
    assert then(recorded) in ("Current", "Lapses soon")
    assert then(now()).startswith("Missing: "), "taken back since"
    standing = register.standing_at(recorded)
    owner = register.held_at(recorded).get(
        username_then="owner", duty="owner", scope_id=world.model.pk, scope_kind="registry.model"
    )
    assert standing.trained(owner) == "none needed"


def test_both_doors_tell_it(world):
    adopt(world, {"monitor": ["system"]})
    page = text_of(browser(world.compliance).get("/access-register/?person=monitor"))
    assert "Training then" in page
    assert "Missing: " in page
    rows = session_api(world.compliance).get("/api/v1/access-register?person=monitor").json()["results"]
    assert [row["training"].split(":")[0] for row in rows] == ["Missing"]
