"""The sections of a dossier: the same order in page, API and pack."""

from __future__ import annotations

from apps.approvals.evaluation import ORDER, Evaluation

# slug, title, and the gate checks whose state the section shows.
SECTIONS: tuple[tuple[str, str], ...] = (
    ("summary", "Summary"),
    ("intended-use", "Intended use & risk"),
    ("data", "Data readiness"),
    ("verification", "Verification & traceability"),
    ("validation", "Validation"),
    ("fairness", "Bias & fairness"),
    ("explainability", "Explainability"),
    ("robustness", "Robustness & privacy"),
    ("deviations", "Deviations"),
    ("signatures", "Signatures"),
    ("people", "People & separation"),
    ("lineage", "Lineage"),
    ("documents", "Documents & packs"),
    ("audit", "Audit trail"),
)
TITLES = dict(SECTIONS)


def section_states(evaluation: Evaluation) -> list[dict]:
    """Each section with the most pressing state among its rows (None where it has none)."""
    pressing = {}
    for row in evaluation.rows:
        known = pressing.get(row.section)
        if known is None or ORDER.index(row.state) < ORDER.index(known):
            pressing[row.section] = row.state
    return [{"slug": slug, "title": title, "state": pressing.get(slug)} for slug, title in SECTIONS]
