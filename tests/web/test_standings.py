"""A list and its filter by state say the same words of the same rows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from apps.access import acts, reach
from apps.access.models import AccessReview, Inspection, RulesChange, SeparationRules, Waiver
from apps.access.service_queries import services
from apps.accounts.factors import Reset
from apps.approvals.board_models import Meeting
from apps.core.clock import now
from apps.datasets.grants import ReadGrant
from apps.fairness.models import Report
from apps.packs.models import Pack
from apps.quality.models import Deviation, TrailReview
from apps.validations.models import Plan, Run
from apps.web.views import (
    bias,
    boards,
    deviations,
    inspections,
    packs,
    plans,
    resets,
    reviews,
    rules,
    runs,
    sensitive,
    trail_reviews,
    waivers,
)
from apps.web.views import services as service_pages
from tests.factories.doors import browser, text_of
from tests.factories.services import asked_service, service

pytestmark = pytest.mark.django_db
SOON, PAST, LONG_AGO = timedelta(hours=1), -timedelta(hours=1), -timedelta(days=2)


def words_of(table) -> dict[str, str]:
    """What the filter by state offers: code -> word."""
    [chosen] = [each for each in table.filters if each.key == "state"]
    return {str(code): word for code, word in chosen.field.choices if code}


def cell_of(table, row) -> str:
    """The cell of the column State, as it is read."""
    [column] = [each for each in table.columns if each.key == "state"]
    shown = column.render(row) if column.render else column.value(row)
    return re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>|<[^>]+>", "", str(shown), flags=re.DOTALL)).strip()


@pytest.mark.parametrize(
    ("table", "model"),
    [
        (plans.PLANS, Plan),
        (runs.RUNS, Run),
        (bias.REPORTS, Report),
        (packs.PACKS, Pack),
        (deviations.DEVIATIONS, Deviation),
        (resets.RESETS, Reset),
        (trail_reviews.REVIEWS, TrailReview),
        (boards.MEETINGS, Meeting),
        (reviews.SHEETS, reviews.ReviewSheet),
        (inspections.COPIES, inspections.Copy),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_of_a_state_that_is_kept_the_filter_has_the_word_of_the_cell(table, model):
    words = words_of(table)
    assert set(words) == {str(code) for code, _word in model._meta.get_field("state").choices}
    assert {code: cell_of(table, model(state=code)) for code in words} == words


MOMENTS = {
    Waiver: [
        {"state": state, "expires_at": now() + ends} for state in Waiver.State.values for ends in (SOON, PAST)
    ],
    Inspection: [
        {"state": state, "starts_at": now() + starts, "ends_at": now() + ends}
        for state in Inspection.State.values
        for starts, ends in ((SOON, SOON * 2), (PAST, SOON), (LONG_AGO, PAST))
    ],
    ReadGrant: [
        {"state": state, "decided_at": now() + LONG_AGO, "expires_at": now() + ends}
        for state in ReadGrant.State.values
        for ends in (SOON, PAST)
    ],
    AccessReview: [
        {"state": state, "due_at": now() + due} for state in AccessReview.State.values for due in (SOON, PAST)
    ],
    RulesChange: [
        {
            "state": state,
            "made": SeparationRules(effective_from=now() + starts) if state == "signed" else None,
        }
        for state in RulesChange.State.values
        for starts in (SOON, PAST)
    ],
}
TABLES = {
    Waiver: waivers.WAIVERS,
    Inspection: inspections.INSPECTIONS,
    ReadGrant: sensitive.GRANTS,
    AccessReview: reviews.REVIEWS,
    RulesChange: rules.CHANGES,
}


@pytest.mark.parametrize("model", list(TABLES), ids=lambda each: each.__name__)
def test_of_a_standing_that_is_judged_every_word_is_one_of_the_filter(model):
    table = TABLES[model]
    shown = {cell_of(table, model(**fields)) for fields in MOMENTS[model]}
    assert shown == set(words_of(table).values())


def filtered(client, address: str, code: str) -> str:
    return text_of(client.get(address, {"state": code}))


def test_each_waiver_stands_under_exactly_its_own_word(world):
    def asked(rule, days=30):
        return acts.request_waiver(
            world.owner,
            model_id=world.model.pk,
            person_id=world.author.pk,
            rule=rule,
            control="A colleague looks over it.",
            expires_at=now() + timedelta(days=days),
            reason="Nobody else is here",
        )

    rows = {"proposed": asked("ST8"), "run_out": asked("DY17"), "in_force": asked("DY1")}
    Waiver.objects.filter(pk=rows["run_out"].pk).update(expires_at=now() - timedelta(minutes=1))
    Waiver.objects.filter(pk=rows["in_force"].pk).update(state="signed", decided_at=now())
    client = browser(world.compliance)
    for code, row in rows.items():
        page = filtered(client, "/waivers/", code)
        assert {each.ref for each in rows.values() if each.ref in page} == {row.ref}
        assert words_of(waivers.WAIVERS)[code] in page


def test_each_service_stands_under_exactly_its_own_word(world):
    waits = asked_service(world)
    runs_on = service(world, name="nightly-ci")
    orphan = service(world, name="orphan-ci", owner="colleague", by="author")
    for held in world.colleague.assignments.filter(state="approved"):
        acts.end_assignment(world.owner, held.pk, reason="Changes department")
    client = browser(world.compliance)
    every = {row.name: reach.word_of(row) for row in services(world.compliance)}
    assert every == {waits.name: "requested", runs_on.name: "in force", orphan.name: "suspended"}
    assert set(reach.STANDING_WORDS) == set(service_pages.MARKS)
    for name, word in every.items():
        page = filtered(client, "/services/", word)
        assert {each for each in every if f"{each} " in page} == {name}
