"""An explanation as CSV: a line a feature in all, a line a feature of each example, a line a node of the surrogate."""

from __future__ import annotations

import csv
import io

from apps.core.csvsafe import disarmed
from apps.explanation.models import Report
from apps.explanation.queries import results_of

COLUMNS = (
    "line",
    "example",
    "class",
    "feature",
    "rank",
    "measure",
    "value",
    "low",
    "high",
    "n",
    "moved",
    "place",
    "direction",
    "strength",
    "local_direction",
    "score",
    "decision",
    "note",
)


def as_csv(report: Report) -> str:
    """The stored figures of a finished report, CRLF line ends, UTF-8. Texts that a spreadsheet would run are quoted."""
    found = results_of(report)["explanation"]
    decided = {each["feature"]: each for each in report.review.get("features", ())}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for each in found["features"]:
        own = decided.get(each["feature"], {})
        writer.writerow(
            {
                "line": "feature",
                "feature": disarmed(each["feature"]),
                **{name: each[name] for name in ("rank", "measure", "value", "low", "high", "n")},
                "moved": each.get("moved", ""),
                "decision": own.get("decision", ""),
                "note": disarmed(each["sentence"]),
            }
        )
    for example in found.get("examples", ()):
        for each in example["features"]:
            writer.writerow(
                {
                    "line": "example",
                    "example": example["example"],
                    "class": disarmed(example.get("class", "")),
                    "feature": disarmed(each["feature"]),
                    "measure": "attribution",
                    **{name: each[name] for name in ("rank", "direction", "strength", "local_direction")},
                    "score": example["score_band"],
                    "place": disarmed(each["place"]),
                }
            )
    for each in found.get("surrogate", {}).get("lines", ()):
        writer.writerow(
            {
                "line": "surrogate",
                "rank": each["depth"],
                "measure": "mean_score",
                "class": disarmed(each.get("class", "")),
                "value": each["mean"],
                "n": each["n"],
                "note": disarmed(each["rule"]),
            }
        )
    return out.getvalue()
