"""What hangs on a version, by keys alone: exactly the records of that version, of every kind, in one query."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.facts import facts_of
from apps.access.sharing import shared, within_act
from apps.approvals.board_models import Meeting
from apps.approvals.models import Gate, Slot
from apps.explanation.models import Report as Explanation
from apps.fairness.models import Report
from apps.quality.models import Deviation
from apps.registry import hanging
from apps.registry.models import Version
from apps.robustness.models import ProbePlan, ProbeReport
from apps.validations.models import Plan, Run
from apps.verification.models import Requirement

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("matrix")]  # one record of every kind


def test_each_version_has_exactly_its_own_records(world):
    everything = set()
    for version in Version.objects.all():
        wanted = {
            Plan: Plan.objects.filter(version=version),
            Run: Run.objects.filter(plan__version=version),
            Report: Report.objects.filter(run__plan__version=version),
            Deviation: version.deviations.all(),
            Requirement: Requirement.objects.filter(model=version.model),
            ProbePlan: ProbePlan.objects.filter(validation_plan__version=version),
            ProbeReport: ProbeReport.objects.filter(plan__validation_plan__version=version),
            Gate: Gate.objects.filter(version=version),
            Slot: Slot.objects.filter(gate__version=version),
            Meeting: Meeting.objects.filter(gate__version=version),
            Explanation: Explanation.objects.filter(run__plan__version=version),
        }
        for model, rows in wanted.items():
            found = [each.pk for each in hanging.of_kind(model, [version.pk])]
            assert sorted(found) == sorted(rows.values_list("pk", flat=True)), (version.ref, model)
        found = hanging.hung_on([version.pk])[version.pk]
        assert {each.kind for each in found} <= {model.subject_kind for model in wanted}
        everything |= {each.kind for each in found}
    assert everything == {model.subject_kind for model in wanted}, (
        "a kind of which nothing stands here is not tested"
    )


def test_what_a_record_was_made_for(world):
    plan = Plan.objects.latest("pk")
    version = plan.version_id
    assert plan.test_data_id in {each.made_for for each in hanging.of_kind(Plan, [version])}
    runs = {each.pk: each.made_for for each in hanging.of_kind(Run, [version])}
    assert runs == dict(Run.objects.filter(plan__version=version).values_list("pk", "plan_id"))


def test_any_number_of_versions_is_one_query_and_each_is_asked_for_once(world):
    ids = list(Version.objects.values_list("pk", flat=True))
    with shared(), CaptureQueriesContext(connection) as queries:
        first = hanging.hung_on(ids)
        assert hanging.hung_on(ids) == first
    assert len(queries) == 1
    assert {pk: sorted(rows) for pk, rows in first.items()} == {
        pk: sorted(hanging.hung_on([pk])[pk]) for pk in ids
    }


def test_more_versions_than_one_query_takes_and_versions_that_are_not_there(world):
    version = Plan.objects.latest("pk").version_id
    many = [version, *range(10**6, 10**6 + 300)]
    with CaptureQueriesContext(connection) as queries:
        found = hanging.hung_on(many)
    assert len(queries) == 2
    assert found[version]
    assert not any(found[pk] for pk in many[1:])
    assert hanging.hung_on([]) == {}


def test_nothing_is_forgotten_for_reading_in_an_act(world):
    """Its text begins otherwise on each database; taken for a statement that writes, all that was read would go."""
    version = Version.objects.latest("pk")
    with within_act():
        hanging.hung_on([version.pk])
        with CaptureQueriesContext(connection) as queries:
            hanging.hung_on([version.pk])
        assert len(queries) == 0


def test_facts_of_a_version_cost_few_queries(world):
    """Closures are asked for at every act that separation judges."""
    version = Plan.objects.latest("pk").version
    with shared(), CaptureQueriesContext(connection) as queries:
        assert facts_of(version).closures["family"]
    assert len(queries) <= 9, [q["sql"][:160] for q in queries]
