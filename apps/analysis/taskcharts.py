"""Charts of models with several classes and of regression models, in the style of `charts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.analysis.charts import _WIDTH, Drawing, _js, draw
from apps.analysis.errors import InputError
from apps.analysis.svg import COLOURS, FONT, shown

MAX_DRAWN = 20  # classes: a matrix of more is a table alone
_CELL = 46
_TEXT: dict[str, Any] = {"font": FONT, "fontSize": 12}


def confusion(names: Sequence[str], counts: Sequence[Sequence[int]], *, title: str) -> Drawing:
    """Labels in rows, predictions in columns; a mark grows with the share of its label's cases.

    Right answers are circles, wrong ones squares, each with its count. Raises `InputError` above 20 classes.
    """
    import altair as alt

    if not 0 < len(names) <= MAX_DRAWN:
        raise InputError(f"A matrix of up to {MAX_DRAWN} classes is drawn.")
    data = []
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            share = n / max(1, sum(row))
            data.append(
                {
                    "label": f"{i:03d}",
                    "said": f"{j:03d}",
                    "share": share,
                    "right": i == j,
                    "text": f"{n:,}",
                    "there": n > 0,
                }
            )
    words = {f"{i:03d}": shown(name) for i, name in enumerate(names)}
    expression = f"{_js(words)}[datum.value]"

    def axis(**more: Any) -> Any:
        return alt.Axis(labelExpr=expression, labelLimit=140, ticks=False, domain=False, grid=False, **more)

    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X(
            "said:O",
            title="Predicted",
            axis=axis(orient="top", labelAngle=-40 if len(names) > 4 else 0),
        ),
        y=alt.Y("label:O", title="Label", axis=axis()),
    )
    size = alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[20, 620]), legend=None)
    layers = []
    for right, shape, colour in ((True, "circle", "accent"), (False, "square", "bad")):
        marked = base.transform_filter(f"datum.there && datum.right == {'true' if right else 'false'}")
        point = marked.mark_point(
            shape=shape, opacity=1, fill=COLOURS[colour], stroke=COLOURS[colour], yOffset=-7
        )
        layers.append(point.encode(size=size))
    text = base.mark_text(align="center", baseline="bottom", dy=_CELL / 2 - 1, color=COLOURS["ink"], **_TEXT)
    layers.append(text.encode(text="text:N"))
    side = _CELL * len(names)
    said = "; ".join(
        f"label {names[i]}: " + ", ".join(f"{n:,} predicted {names[j]}" for j, n in enumerate(row) if n)
        for i, row in enumerate(counts)
        if sum(row)
    )
    chart = alt.layer(*layers).properties(width=max(side, _WIDTH), height=side)
    return draw(chart, title, (said or "no cases") + ".")


def observed(bands: Sequence[dict[str, Any]], *, title: str, unit: str = "") -> Drawing:
    """Mean observed against mean predicted value of each band of `residuals.bands`, with intervals and diagonal."""
    import altair as alt

    if not bands:
        raise InputError("There are no cases to draw.")
    data = alt.Chart(alt.Data(values=[dict(row) for row in bands]))
    ends = [v for b in bands for v in (b["predicted"], b["observed"], b["low"], b["high"]) if v is not None]
    scale = alt.Scale(domain=_padded(ends), nice=False, zero=False)
    x = alt.X("predicted:Q", title=_named("Mean predicted", unit), scale=scale)
    y = alt.Y("observed:Q", title=_named("Mean observed", unit), scale=scale)
    low, high = _padded(ends)
    diagonal = alt.Chart(alt.Data(values=[{"x": low, "y": low}, {"x": high, "y": high}])).mark_line(
        color=COLOURS["muted"], strokeDash=[5, 3], strokeWidth=1.5
    )
    chart = alt.layer(
        diagonal.encode(x=alt.X("x:Q", scale=scale), y=alt.Y("y:Q", scale=scale)),
        data.transform_filter("isValid(datum.low)")
        .mark_rule(color=COLOURS["ink"], strokeWidth=1.5)
        .encode(x=x, y=alt.Y("low:Q", title=_named("Mean observed", unit), scale=scale), y2="high:Q"),
        data.mark_point(
            shape="circle", size=60, opacity=1, fill=COLOURS["accent"], stroke=COLOURS["accent"]
        ).encode(x=x, y=y),
    ).properties(width=_WIDTH, height=280)
    said = "; ".join(
        f"predicted {b['predicted']:.4g}: observed {b['observed']:.4g}{_ends(b['low'], b['high'])}, n {b['n']:,}"
        for b in bands
    )
    return draw(chart, title, said + ".")


def errors(bands: Sequence[dict[str, Any]], bars: dict[str, Any], *, title: str, unit: str = "") -> Drawing:
    """Mean error of each band with its interval around zero, and below how often each size of error occurs."""
    import altair as alt

    if not bands:
        raise InputError("There are no cases to draw.")
    data = alt.Chart(alt.Data(values=[dict(row) for row in bands]))
    ends = [0.0] + [v for b in bands for v in (b["error"], b["error_low"], b["error_high"]) if v is not None]
    scale = alt.Scale(domain=_padded(ends), nice=False, zero=False)
    across = alt.Scale(domain=_padded([b["predicted"] for b in bands]), nice=False, zero=False)
    x = alt.X("predicted:Q", title=_named("Mean predicted", unit), scale=across)
    words = _named("Mean error, predicted minus true", unit)
    zero = alt.Chart(alt.Data(values=[{"y": 0}])).mark_rule(
        color=COLOURS["muted"], strokeDash=[5, 3], strokeWidth=1.5
    )
    upper = alt.layer(
        zero.encode(y=alt.Y("y:Q", scale=scale)),
        data.transform_filter("isValid(datum.error_low)")
        .mark_rule(color=COLOURS["ink"], strokeWidth=1.5)
        .encode(x=x, y=alt.Y("error_low:Q", title=words, scale=scale), y2="error_high:Q"),
        data.mark_point(
            shape="circle", size=60, opacity=1, fill=COLOURS["accent"], stroke=COLOURS["accent"]
        ).encode(x=x, y=alt.Y("error:Q", title=words, scale=scale)),
    ).properties(width=_WIDTH, height=220)
    edges = bars["edges"]
    rows = [{"from": edges[i], "to": edges[i + 1], "n": n} for i, n in enumerate(bars["counts"])]
    lower = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=COLOURS["accent"], stroke=COLOURS["surface"], strokeWidth=1)
        .encode(
            x=alt.X("from:Q", title=_named("Error", unit), scale=alt.Scale(zero=False, nice=False)),
            x2="to:Q",
            y=alt.Y("n:Q", title="Cases", axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=True)),
            y2=alt.value(90),
        )
        .properties(width=_WIDTH, height=90)
    )
    said = "; ".join(
        f"predicted {b['predicted']:.4g}: mean error {b['error']:.4g}"
        f"{_ends(b['error_low'], b['error_high'])}, n {b['n']:,}"
        for b in bands
    )
    said += ". Errors: " + "; ".join(f"{r['from']:g} to {r['to']:g}: {r['n']:,}" for r in rows if r["n"])
    return draw(alt.vconcat(upper, lower, spacing=16), title, said + ".")


def _named(words: str, unit: str) -> str:
    return f"{words} ({shown(unit)})" if unit else words


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.4g} to {high:.4g})"


def _padded(values: Sequence[float]) -> list[float]:
    """Least and greatest value with a little room, to four figures."""
    low, high = min(values), max(values)
    pad = (high - low or abs(high) or 1.0) * 0.05
    return [float(f"{low - pad:.4g}"), float(f"{high + pad:.4g}")]
