"""Canonical content of a trail review: the range, what was shown, what was seen, what was found."""

from __future__ import annotations

from typing import Any

from apps.core import registries
from apps.core.clock import iso
from apps.quality.models import TrailFinding, TrailReview
from apps.quality.review_queries import findings_of, marks_of_reviews
from apps.quality.review_rules import review_rules


@registries.content("quality.trail_review")
def trail_review_content(review: TrailReview) -> dict[str, Any]:
    """What its signature covers. Entries are numbers of the trail; `root` is that of the signed checkpoint."""
    rules = review_rules(review.rules_version)
    return {
        "schema": "quality.trail_review/1",
        "ref": review.ref,
        "version": review.version.ref,
        "artefact_digest": review.version.artefact_digest,
        "range": {
            "from_leaf": review.from_size,
            "tree_size": review.until_size,
            "root": review.root,
            "until": iso(review.until_at),
            "entries": review.covered,
        },
        "rules": f"trail review v{review.rules_version}",
        "hours": review.hours,
        "filters": [
            {
                "code": each["code"],
                "title": each["title"],
                "text": each["text"],
                "count": len(review.exceptions[each["code"]]),
                "entries": review.exceptions[each["code"]],
            }
            for each in rules["filters"]
        ],
        "sample": {
            "seed": review.seed,
            "size": len(review.sample),
            "rule": rules["sample"]["text"],
            "entries": review.sample,
        },
        "seen": [
            {
                "entry": mark.entry,
                "comment": mark.comment,
                "by": mark.seen_by.username,
                "at": iso(mark.seen_at),
            }
            for mark in marks_of_reviews([review.pk])[review.pk]
        ],
        "findings": [finding_content(each) for each in findings_of(review)],
        "opened_by": review.opened_by.username,
        "opened_at": iso(review.opened_at),
    }


def finding_content(finding: TrailFinding) -> dict[str, Any]:
    return {
        "number": finding.number,
        "entry": finding.entry,
        "weight": finding.weight,
        "text": finding.text,
        "by": finding.recorded_by.username,
        "at": iso(finding.recorded_at),
    }
