"""Reviews of a version's trail, as a pack prints and bundles them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.core.clock import iso
from apps.packs.gather.records import record
from apps.quality import review_queries
from apps.quality.models import TrailReview
from apps.registry.models import Version
from apps.trail.models import Signature


def trail_reviews(version: Version, as_of: datetime) -> list[dict[str, Any]]:
    """Every review opened up to `as_of`, oldest first: its content, who signed it, and what came after its range."""
    rows = TrailReview.objects.filter(version=version, opened_at__lte=as_of)
    found = []
    for review in rows.select_related("version__model", "opened_by").order_by("number"):
        signatures = Signature.objects.filter(
            subject_kind=review.subject_kind, subject_id=str(review.pk), signed_at__lte=as_of
        ).order_by("id")
        later = review_queries.came_after(review, version, until=as_of) if review.state == "signed" else []
        found.append(
            record(
                review,
                state=review.state,
                state_word=review.get_state_display(),
                signed=[
                    {"who": each.printed_name, "at": iso(each.signed_at), "meaning": each.meaning_text}
                    for each in signatures
                ],
                came_after=[{"entry": each.entry, "act": each.act, "at": iso(each.at)} for each in later],
                deviations=_deviations(review, version),
            )
        )
    return found


def _deviations(review: TrailReview, version: Version) -> dict[str, str]:
    """Finding -> the deviation that was opened for it."""
    made = {
        each.ref: review_queries.deviation_of(each, version) for each in review_queries.findings_of(review)
    }
    return {ref: deviation.ref for ref, deviation in made.items() if deviation is not None}
