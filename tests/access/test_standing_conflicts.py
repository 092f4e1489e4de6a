"""Duties that were rightly given and no longer go together: told on the people page and to compliance, not hidden."""

from __future__ import annotations

import pytest

from apps.access import acts
from apps.access.models import Assignment
from apps.access.staffing import Ground
from apps.access.standing_conflicts import everywhere, on_place
from tests.access.people import crowd
from tests.access.test_waivers import granted
from tests.cast import give
from tests.factories.doors import browser, text_of
from tests.factories.foundation import signed_use

pytestmark = pytest.mark.django_db
LOW = {"gmp_critical": False, "affects_people": False, "influence": "low", "consequence": "low"}


def here(world) -> list[str]:
    rows = Assignment.objects.active().on("registry.model", world.model.pk).select_related("person")
    return sorted(
        f"{each.person.username} {each.rule.split(':')[0]}" for each in on_place(Ground(world.model), rows)
    )


@pytest.fixture
def both(world):
    """Bias tester and developer of a model of low tier, where ST7 only warns; then its tier rises."""
    crowd(world, ["kim"])
    signed_use(world, **LOW)
    for duty in ("developer", "bias_tester"):
        give(world, "kim", duty, world.model)
    assert (here(world), everywhere()) == ([], [])
    signed_use(world)
    return world.kim


def test_a_pair_that_a_higher_tier_keeps_apart_is_told(world, both):
    assert here(world) == ["kim ST7", "kim ST7"], "once for each of the two duties"
    assert {each.person for each in everywhere()} == {both}
    page = text_of(browser(world.compliance).get("/models/lotx/people/"))
    assert "Duties that no longer go together" in page
    assert "Kim Person is bias tester here and holds developer too." in page
    work = browser(world.compliance).get("/work/")
    assert "Duties that no longer go together" in text_of(work)
    assert 'href="/models/lotx/people/"' in work.content.decode()
    for who in ("author", "approver"):  # who gives no duties is not told of others'
        assert "no longer go together" not in text_of(browser(world.people[who]).get("/work/"))
        assert "no longer go together" not in text_of(browser(world.people[who]).get("/models/lotx/people/"))


def test_ending_one_or_a_waiver_settles_it(world, both):
    held = Assignment.objects.active().get(person=both, duty="bias_tester")
    acts.end_assignment(world.owner, held.pk, reason="Develops")
    assert (here(world), everywhere()) == ([], [])


def test_a_waiver_in_force_settles_it(world, both):
    granted(world, rule="ST7", person="kim")
    assert (here(world), everywhere()) == ([], [])


def test_what_nobody_conflicts_in_costs_four_queries(world, django_assert_num_queries):
    with django_assert_num_queries(4):
        assert everywhere() == []
