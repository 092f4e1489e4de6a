"""Every chart, as an SVG that is the same in page and PDF, with the Vega-Lite specification that made it.

Altair and vl-convert are imported when a chart is drawn: about a second and 130 MB that other processes do
not pay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from apps.analysis.errors import InputError
from apps.analysis.metrics import LABELS, canonical_name
from apps.analysis.svg import COLOURS, FONT, bars, finish, shown

OK, FAIL, FEW, NONE = "ok", "fail", "few", "none"
_ROW = 26
_WIDTH = 380
_PLOT = 300  # of a forest plot, whose rows carry their figures beside it
_TEXT: dict[str, Any] = {"font": FONT, "fontSize": 12}


@dataclass(frozen=True)
class Drawing:
    """`svg`: the finished drawing, one element; `spec`: the Vega-Lite specification with its data, for the pack."""

    svg: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """A row of a forest plot. `state`: ok (circle), fail (square), few (hollow: too few to judge), none (no value).

    `limit`: the row's own limit, for rows that are differences or ratios.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    state: str = OK
    note: str = ""
    limit: float | None = None


def marks(grouping: dict[str, Any], metric: str, min_n: int, failing: Sequence[str] = ()) -> list[Mark]:
    """The rows of a forest plot from one grouping of a bias report; `failing`: names of groups that break a limit."""
    name = canonical_name(metric)
    found = []
    for group in grouping["groups"]:
        estimate = group["metrics"].get(name)
        if estimate is None:
            raise InputError(f"The report has no {LABELS.get(name, name)}.")
        state = FAIL if group["name"] in failing else OK
        if (estimate["n"] or 0) < min_n:
            state = FEW
        if estimate["value"] is None:
            state = NONE
        found.append(
            Mark(
                group["name"],
                estimate["value"],
                estimate["low"],
                estimate["high"],
                estimate["n"],
                state,
                estimate["reason"],
            )
        )
    return found


def forest(
    rows: Sequence[Mark],
    *,
    title: str,
    axis: str,
    limit: float | None = None,
    limit_label: str = "",
    domain: tuple[float, float] | None = None,
) -> Drawing:
    """Forest plot: one row per group with its value, interval and n, and a labelled limit line.

    `title`: a sentence, the drawing's alternative text. `axis`: the metric's name. Raises `InputError`
    without rows.
    """
    import altair as alt

    if not rows:
        raise InputError("There are no groups to draw.")
    low, high = domain or _domain(rows, limit)
    data = [
        {
            "row": f"{i:03d}",
            "name": row.name,
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "state": row.state,
            "text": _mark_text(row),
        }
        | ({} if row.limit is None else {"limit": row.limit})
        for i, row in enumerate(rows)
    ]
    names = {f"{i:03d}": shown(row.name) for i, row in enumerate(rows)}
    base = alt.Chart(alt.Data(values=data))
    label = f"{_js(names)}[datum.value]"
    y = alt.Y(
        "row:O",
        title=None,
        axis=alt.Axis(labelExpr=label, labelLimit=240, ticks=False, domain=False, grid=False),
    )
    x = alt.X("value:Q", title=axis, scale=alt.Scale(domain=[low, high], zero=False, nice=False))
    bounded = alt.X("low:Q", title=axis, scale=alt.Scale(domain=[low, high]))
    layers = [
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(color=COLOURS["ink"], strokeWidth=1.5, clip=True)
        .encode(x=bounded, x2="high:Q", y=y)
    ]
    shapes = {OK: ("circle", "accent", True), FAIL: ("square", "bad", True), FEW: ("circle", "muted", False)}
    for state, (shape, colour, filled) in shapes.items():
        if not any(row.state == state for row in rows):
            continue
        point = base.transform_filter(f"datum.state == '{state}'").mark_point(
            shape=shape,
            size=80,
            opacity=1,
            strokeWidth=2,
            stroke=COLOURS[colour],
            fill=COLOURS[colour if filled else "surface"],
        )
        layers.append(point.encode(x=x, y=y))
    text = base.mark_text(align="left", color=COLOURS["ink"], **_TEXT)
    layers.append(text.encode(x=alt.value(_PLOT + 12), y=y, text="text:N"))
    if limit is not None:
        layers += _limit_line(alt, limit, limit_label, low, high)
    if any(row.limit is not None for row in rows):
        tick = base.transform_filter("isValid(datum.limit)").mark_tick(
            orient="vertical", color=COLOURS["bad"], thickness=2.5, size=_ROW - 4, opacity=1
        )
        layers.append(tick.encode(x=alt.X("limit:Q", title=axis, scale=alt.Scale(domain=[low, high])), y=y))
    chart = alt.layer(*layers).properties(width=_PLOT, height=_ROW * len(rows))
    return draw(chart, title, "; ".join(f"{row.name}: {_mark_text(row)}" for row in rows) + ".")


def _limit_line(alt: Any, limit: float, label: str, low: float, high: float) -> list[Any]:
    base = alt.Chart(alt.Data(values=[{"limit": limit, "label": label or f"limit {limit:g}"}]))
    x = alt.X("limit:Q", scale=alt.Scale(domain=[low, high]))
    rule = base.mark_rule(color=COLOURS["bad"], strokeDash=[5, 3], strokeWidth=1.5).encode(x=x)
    text = base.mark_text(align="center", baseline="bottom", dy=-3, color=COLOURS["bad"], **_TEXT)
    return [rule, text.encode(x=x, y=alt.value(0), text="label:N")]


def _mark_text(row: Mark) -> str:
    if row.value is None:
        return f"no value: {row.note or 'not defined'}{'' if row.n is None else f', n {row.n:,}'}"
    ends = "" if row.low is None or row.high is None else f" ({row.low:z.3f} to {row.high:z.3f})"
    word = {FEW: ", too few to judge", FAIL: ", limit broken"}.get(row.state, "")
    held = "" if row.limit is None else f", limit {row.limit:g}"
    return f"{row.value:z.3f}{ends}, n {row.n:,}{held}{word}"


def _domain(rows: Sequence[Mark], limit: float | None) -> tuple[float, float]:
    ends = [v for row in rows for v in (row.value, row.low, row.high, row.limit) if v is not None]
    if limit is not None:
        ends.append(limit)
    if not ends:
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    pad = (high - low or 0.1) * 0.05
    low, high = low - pad, high + pad
    if min(ends) >= 0 and max(ends) <= 1:
        low, high = max(0.0, low), min(1.0, high)
    return round(low, 3), round(high, 3)


def calibration(bins: Sequence[dict[str, Any]], *, title: str) -> Drawing:
    """Observed rate against mean score per bin of a report, with intervals, diagonal and counts below."""
    import altair as alt

    if not bins:
        raise InputError("There are no scores to draw a calibration curve from.")
    data = alt.Chart(alt.Data(values=[dict(row) for row in bins]))
    unit = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("mean_score:Q", title="Mean score", scale=unit)
    y = alt.Y("rate:Q", title="Observed rate", scale=unit)
    diagonal = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])).mark_line(
        color=COLOURS["muted"], strokeDash=[5, 3], strokeWidth=1.5
    )
    curve = alt.layer(
        diagonal.encode(x=alt.X("x:Q", scale=unit), y=alt.Y("y:Q", scale=unit)),
        data.mark_rule(color=COLOURS["ink"], strokeWidth=1.5).encode(
            x=x, y=alt.Y("low:Q", title="Observed rate", scale=unit), y2="high:Q"
        ),
        data.mark_line(color=COLOURS["accent"], strokeWidth=2, strokeJoin="round").encode(x=x, y=y),
        data.mark_point(
            shape="circle", size=60, opacity=1, fill=COLOURS["accent"], stroke=COLOURS["accent"]
        ).encode(x=x, y=y),
    ).properties(width=_WIDTH, height=260)
    strip = (
        data.mark_bar(color=COLOURS["accent"], binSpacing=0, stroke=COLOURS["surface"], strokeWidth=1)
        .encode(
            x=alt.X("from:Q", title="Score", scale=unit),
            x2="to:Q",
            y=alt.Y("n:Q", title="Cases", axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=True)),
            y2=alt.value(70),
        )
        .properties(width=_WIDTH, height=70)
    )
    described = "; ".join(
        f"mean score {b['mean_score']:.2f}: observed {b['rate']:.3f} ({b['low']:.3f} to {b['high']:.3f}), n {b['n']:,}"
        for b in bins
    )
    return draw(alt.vconcat(curve, strip, spacing=16), title, described + ".")


def histogram(edges: Sequence[float], counts: Sequence[int], *, title: str, axis: str) -> Drawing:
    """Histogram of a number column from a profile's `edges` (one more than bars) and `bars`."""
    import altair as alt

    if not counts or len(edges) != len(counts) + 1:
        raise InputError("A histogram needs one edge more than bars.")
    rows = [{"from": edges[i], "to": edges[i + 1], "n": count} for i, count in enumerate(counts)]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=COLOURS["accent"], stroke=COLOURS["surface"], strokeWidth=1)
        .encode(
            x=alt.X("from:Q", title=axis, scale=alt.Scale(zero=False, nice=False)),
            x2="to:Q",
            y=alt.Y("n:Q", title="Rows", scale=alt.Scale(zero=True)),
            y2=alt.value(160),
        )
        .properties(width=_WIDTH, height=160)
    )
    return draw(chart, title, "; ".join(f"{r['from']:g} to {r['to']:g}: {r['n']:,}" for r in rows) + ".")


def value_bars(values: Sequence[tuple[str, int]], *, title: str) -> Drawing:
    """Horizontal bars of the most frequent values, in the order given, counts printed."""
    import altair as alt

    if not values:
        raise InputError("There are no values to draw.")
    rows = [{"row": f"{i:03d}", "n": n, "text": f"{n:,}"} for i, (_, n) in enumerate(values)]
    names = {f"{i:03d}": shown(name) for i, (name, _) in enumerate(values)}
    axis = alt.Axis(
        labelExpr=f"{_js(names)}[datum.value]", labelLimit=240, ticks=False, domain=False, grid=False
    )
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("n:Q", title="Rows"), y=alt.Y("row:O", title=None, axis=axis)
    )
    text = base.mark_text(align="left", dx=6, color=COLOURS["ink"], **_TEXT).encode(text="text:N")
    chart = alt.layer(base.mark_bar(color=COLOURS["accent"]), text).properties(
        width=_WIDTH, height=_ROW * len(rows)
    )
    return draw(chart, title, "; ".join(f"{name}: {n:,}" for name, n in values) + ".")


def column_bars(counts: Sequence[int], title: str = "Distribution") -> str:
    """A small SVG for a table's cell, from a profile's `bars`."""
    return bars(list(counts), shown(title))


def _js(names: dict[str, str]) -> str:
    """An object literal for a Vega expression; JSON with the few characters escaped that would end it."""
    return json.dumps(names, ensure_ascii=True, sort_keys=True)


@cache
def _engine() -> Any:
    """vl-convert, measuring text with the very font the PDF uses."""
    import fontpkg  # type: ignore[import-untyped]
    import vl_convert

    for folder in sorted({file.path.parent for file in fontpkg.family("Noto Sans").files}):
        vl_convert.register_font_directory(str(folder))
    return vl_convert


def draw(chart: Any, title: str, description: str) -> Drawing:
    """A finished drawing in the house's type and colours; `description`: what a reader who cannot see it is told."""
    text: dict[str, Any] = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    spec = (
        chart.configure(background="transparent", font=FONT, aria=False, padding=12)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=COLOURS["ink"],
            titleColor=COLOURS["ink"],
            gridColor=COLOURS["rule"],
            domainColor=COLOURS["muted"],
            tickColor=COLOURS["muted"],
            **text,
        )
        # Held to the schema by the tests, for every kind of chart: that takes half of the time without drawing.
        .to_dict(validate=False)
    )
    spec = shown(spec)
    return Drawing(finish(_drawn(json.dumps(spec)), shown(title), shown(description)), spec)


@lru_cache(maxsize=256)
def _drawn(spec: str) -> str:
    """The SVG of one specification. Drawing is most of a chart's time, and reports repeat charts of the same cases."""
    svg: str = _engine().vegalite_to_svg(spec)
    return svg
