"""What separation and visibility ask of reviews of the trail (DY14)."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import Scopes
from apps.core import registries
from apps.quality.models import TrailFinding, TrailMark, TrailReview
from apps.quality.review_queries import deeds_reviewed
from apps.registry.facts import facts_on_version


@registries.facts("quality.trail_review")
def trail_review_facts(review: TrailReview) -> Facts:
    """Every act in the range is a deed on the review: nobody reviews what they did (DY14).

    Nothing else is reviewed (closure `reviewed`): not what came after the range, nor the review's own acts.
    """
    return facts_on_version(review.version).besides(
        lambda: {"reviewed": frozenset()}, lambda: deeds_reviewed(review, review.version)
    )


@registries.facts("quality.trail_mark")
@registries.facts("quality.trail_finding")
def on_review_facts(part: TrailMark | TrailFinding) -> Facts:
    return facts_on_version(part.review.version)


@registries.visibility("quality.TrailReview")
def trail_reviews_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("quality.TrailMark")
@registries.visibility("quality.TrailFinding")
def on_reviews_seen(scopes: Scopes) -> Q:
    return Q(review__version__model_id__in=scopes.of(duties.MODEL))
