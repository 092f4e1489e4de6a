"""The chart of a threshold sweep: rates against the threshold, the locked one marked. Drawn as `charts` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from apps.analysis import charts
from apps.analysis.charts import Drawing
from apps.analysis.errors import InputError
from apps.analysis.metrics import LABELS
from apps.analysis.svg import COLOURS, FONT

DRAWN = ("tpr", "tnr", "ppv")
_DASHES: tuple[list[int], ...] = ([1, 0], [7, 3], [2, 3])
_SHADES = ("accent", "ink", "muted")
_WIDTH, _HEIGHT = 380, 240


def apart(values: Sequence[float], least: float = 0.06) -> list[float]:
    """Where the names of lines stand that end at these rates, 0 to 1: beside their line, moved where two would meet."""
    order = sorted(range(len(values)), key=values.__getitem__)
    places = list(values)
    for below, above in pairwise(order):
        places[above] = max(places[above], places[below] + least)
    top = 1.0
    for each in reversed(order):
        places[each] = min(places[each], top)
        top = places[each] - least
    return places


def sweep(
    points: Sequence[Mapping[str, Any]],
    *,
    title: str,
    locked: float,
    band: tuple[float, float] | None = None,
    metrics: Sequence[str] = DRAWN,
) -> Drawing:
    """Each metric of `thresholds.report`'s points as a line of its own dash and name, its interval as a bar per point.

    `locked`: the threshold in force, a labelled upright line; `band`: scores that count as undecided, a shade.
    At most three metrics. Raises `InputError` without points.
    """
    import altair as alt

    if not points:
        raise InputError("There are no thresholds to draw.")
    unit = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("threshold:Q", title="Threshold", scale=unit)
    layers: list[Any] = []
    if band is not None:
        shade = alt.Chart(alt.Data(values=[{"from": band[0], "to": band[1]}]))
        layers.append(
            shade.mark_rect(color=COLOURS["rule"], opacity=0.5).encode(
                x=alt.X("from:Q", title="Threshold", scale=unit), x2="to:Q"
            )
        )
    said, ends = [], list[dict[str, Any]]()
    for name, dash, colour in zip(metrics[:3], _DASHES, _SHADES, strict=False):
        rows = [
            {
                "threshold": point["threshold"],
                **{k: point["metrics"][name][k] for k in ("value", "low", "high")},
            }
            for point in points
            if point["metrics"][name]["value"] is not None
        ]
        if not rows:
            continue
        data = alt.Chart(alt.Data(values=rows))
        y = alt.Y("value:Q", title="Rate", scale=unit)
        layers.append(
            data.transform_filter("isValid(datum.low) && isValid(datum.high)")
            .mark_rule(color=COLOURS[colour], strokeWidth=1, opacity=0.6)
            .encode(x=x, y=alt.Y("low:Q", title="Rate", scale=unit), y2="high:Q")
        )
        layers.append(
            data.mark_line(color=COLOURS[colour], strokeWidth=2, strokeDash=dash, strokeJoin="round").encode(
                x=x, y=y
            )
        )
        ends.append({"threshold": rows[-1]["threshold"], "value": rows[-1]["value"], "name": LABELS[name]})
        at = min(rows, key=lambda row: abs(row["threshold"] - locked))
        said.append(f"{LABELS[name]} {at['value']:z.3f}")
    for end, place in zip(ends, apart([each["value"] for each in ends]), strict=True):
        label = alt.Chart(alt.Data(values=[{**end, "value": place}]))
        label = label.mark_text(align="left", dx=8, color=COLOURS["ink"], font=FONT, fontSize=12)
        layers.append(label.encode(x=x, y=alt.Y("value:Q", title="Rate", scale=unit), text="name:N"))
    mark = alt.Chart(alt.Data(values=[{"at": locked, "label": f"locked {locked:g}"}]))
    at_x = alt.X("at:Q", title="Threshold", scale=unit)
    layers.append(mark.mark_rule(color=COLOURS["bad"], strokeDash=[5, 3], strokeWidth=1.5).encode(x=at_x))
    layers.append(
        mark.mark_text(baseline="bottom", dy=-3, color=COLOURS["bad"], font=FONT, fontSize=12).encode(
            x=at_x, y=alt.value(0), text="label:N"
        )
    )
    described = f"At the locked threshold {locked:g}: {'; '.join(said)}. Every threshold stands in the table."
    return charts.draw(alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT), title, described)
