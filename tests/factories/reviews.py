"""A reviewed trail, as a release of medium and high tier needs it."""

from __future__ import annotations

from apps.quality.models import TrailReview
from apps.quality.review_acts import mark_trail_entries, open_trail_review, sign_trail_review
from apps.registry.models import Version
from tests.cast import World
from tests.factories.foundation import sign


def seen_whole(review: TrailReview, person) -> TrailReview:
    """Every exception and the sample marked as seen by `person`."""
    return mark_trail_entries(person, review.pk, entries=sorted(review.shown), comment="Looked at; in order.")


def trail_reviewed(world: World, version: Version, *, by: str = "compliance2") -> TrailReview:
    """The trail of `version` up to now reviewed and signed by somebody who did nothing on it."""
    person = world.people[by]
    review = open_trail_review(world.owner, version.pk)
    seen_whole(review, person)
    review = TrailReview.objects.select_related("version__model", "version__intended_use").get(pk=review.pk)
    return sign_trail_review(person, review.pk, signature=sign(review))
