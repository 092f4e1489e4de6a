"""A requirement shown by a limit of the probes or by an explanation: what counts, waits, or speaks against it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.core.errors import BadInput, NotAllowed
from apps.registry.models import Version
from apps.verification.acts import link_requirement
from apps.verification.queries import lines_of
from apps.verification.states import Lack
from tests.cast import World
from tests.factories.doors import browser
from tests.factories.evidence import validated_world
from tests.factories.explanations import explained, reviewed
from tests.factories.probes import LIMITS, done_probes, handed_in, locked_probes
from tests.factories.verification import approved

pytestmark = pytest.mark.evidence("reported")


def linked(world: World, version: Version, target: str, pattern: str, by: str = "validator") -> str:
    """Reference of an approved requirement that this is said to show."""
    made = approved(world)
    link_requirement(
        world.people[by],
        version.pk,
        requirement=made.ref,
        target=target,
        pattern=pattern,
        reason="It shows it",
    )
    return made.ref


def line_of(version: Version, requirement: str):
    fresh = Version.objects.select_related("model", "intended_use__model").get(pk=version.pk)
    (found,) = [line for line in lines_of(fresh) if line.requirement == requirement]
    return found


@pytest.mark.evidence("run")
def test_a_limit_of_the_probes_shows_a_requirement_once_the_probes_were_made(world):
    evidence = validated_world(world, until="run")
    version = evidence.version
    with pytest.raises(BadInput) as refused:
        linked(world, version, "probe", "noise_5")
    assert refused.value.fields["pattern"] == ["Not known for this version. Known: there is none yet."]
    handed_in(world, version)
    # Every probe the tier asks for: one is kept by any model, one needs more rows than there are.
    lenient = {"limit": "0.99", "rule": "point", "min_n": 1}
    limits = [one | lenient for one in LIMITS if one["probe"] not in ("group_shift", "repeatability")]
    limits += [one for one in LIMITS if one["probe"] == "group_shift"]
    limits += [one | {"min_n": 100_000} for one in LIMITS if one["probe"] == "repeatability"]
    plan = locked_probes(world, evidence.plan, limits=limits)
    with pytest.raises(BadInput) as refused:
        linked(world, version, "probe", "N9")
    assert "adversarial, far_rows" in refused.value.fields["pattern"][0]
    with pytest.raises(NotAllowed):
        linked(world, version, "probe", "noise_5", by="owner")
    kept, scarce = (
        linked(world, version, "probe", "noise_5"),
        linked(world, version, "probe", "repeatability"),
    )
    assert (line_of(version, kept).outcome, line_of(version, kept).lack) == ("missing", Lack.NO_RESULT)
    report = done_probes(world, plan)
    found = line_of(version, kept)
    assert (found.outcome, found.lack, found.evidence) == ("passed", "", report.ref)
    assert found.message == next(item["sentence"] for item in report.summary if item["id"] == "noise_5")
    few = line_of(version, scarce)
    assert (few.outcome, few.lack, few.evidence) == ("undecided", Lack.NO_RESULT, report.ref)
    page = browser(world.owner).get(reverse("web:traceability", args=[version.pk])).content.decode()
    assert f'href="{reverse("web:probe_report", args=[report.number])}"' in page
    assert browser(world.owner).get(reverse("web:probe_report", args=[report.number])).status_code == 200


def test_an_explanation_shows_a_requirement_once_its_review_is_approved(world):
    evidence = validated_world(world, until="reported")
    version = evidence.version
    report = explained(world, evidence.run)
    made = linked(world, version, "explained", report.ref)
    waiting = line_of(version, made)
    assert (waiting.outcome, waiting.lack, waiting.evidence) == ("unreviewed", Lack.NO_RESULT, report.ref)
    page = browser(world.owner).get(reverse("web:traceability", args=[version.pk])).content.decode()
    assert f'href="{reverse("web:explanation", args=[report.number])}"' in page
    assert "Not reviewed yet" in page


@pytest.mark.parametrize(
    ("doubt", "outcome", "lack"),
    [({}, "passed", ""), ({"marker": ("not_plausible", "It is a site code")}, "failed", Lack.FAILED_TEST)],
)
def test_a_review_that_doubts_a_feature_speaks_against_the_requirement(world, doubt, outcome, lack):
    evidence = validated_world(world, until="reported")
    report = reviewed(world, evidence.run, **doubt)
    found = line_of(evidence.version, linked(world, evidence.version, "explained", report.ref))
    assert (found.outcome, found.lack) == (outcome, lack)
    assert ("It is a site code" in found.message) == bool(doubt)
