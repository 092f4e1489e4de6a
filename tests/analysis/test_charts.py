"""Drawings: what a page and a PDF need of them."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import altair
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError
from lxml import etree

from apps.analysis import charts, curves, fairness, taskcharts
from apps.analysis.charts import Mark
from apps.analysis.errors import InputError
from apps.analysis.svg import COLOURS
from tests import data_once
from tests.analysis.tables import results

NS = "{http://www.w3.org/2000/svg}"
REPORT = fairness.report(results(2000), "y", "p", "s", ["race"])
ROWS = [
    Mark("sex = F", 0.84, 0.79, 0.88, 368),
    Mark("sex = M", 0.71, 0.68, 0.74, 1771, "fail"),
    Mark("sex = (missing)", 0.5, 0.2, 0.8, 7, "few"),
    Mark("</desc><script>\"\\'", None, None, None, 0, "none", "no positive case"),
]


@pytest.fixture(autouse=True)
def _every_chart_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    data_once.draw_every_time(monkeypatch)


def drawings():
    return {
        "forest": charts.forest(
            ROWS, title="Recall by sex", axis="Recall", limit=0.75, limit_label="at least 0.75"
        ),
        "calibration": charts.calibration(REPORT["overall"]["calibration"], title="Scores against outcomes"),
        "histogram": charts.histogram([0, 1, 2, 3], [4, 0, 9], title="Age", axis="Age"),
        "bars": charts.value_bars([("a", 3), ("b & c", 1)], title="Arms"),
    }


@pytest.mark.parametrize("name", ["forest", "calibration", "histogram", "bars"])
def test_a_drawing_follows_the_pages_policy_and_has_a_text(name):
    root = etree.fromstring(drawings()[name].svg)
    assert root.tag == f"{NS}svg"
    assert root.get("role") == "img"
    assert root[0].tag == f"{NS}title"
    assert root[1].tag == f"{NS}desc"
    assert root[1].text
    assert root.get("viewBox")
    assert root.get("width") is None
    for element in root.iter(etree.Element):
        assert element.get("style") is None
        assert element.tag not in (f"{NS}style", f"{NS}script", f"{NS}image")
        assert not any(str(key).startswith("on") for key in element.attrib)
        for attribute in ("fill", "stroke"):
            colour = element.get(attribute)
            if colour and colour != "none":
                role = next(role for role, value in COLOURS.items() if value == colour)
                assert f"{attribute[0]}-{role}" in element.get("class")


@given(st.lists(st.floats(0, 1), max_size=3))
def test_names_of_lines_that_end_together_stand_apart(values):
    places = curves.apart(values)
    order = sorted(range(len(values)), key=values.__getitem__)
    assert all(places[b] - places[a] >= 0.06 - 1e-12 for a, b in pairwise(order))
    assert all(0 <= place <= 1 for place in places)
    far = all(abs(a - b) >= 0.06 for i, a in enumerate(values) for b in values[:i])
    assert not far or places == values


def test_nothing_is_minus_nothing():
    svg = charts.forest([Mark("a", -0.0001, -0.0004, 0.0002, 9)], title="Gap", axis="Gap").svg
    assert "0.000 (0.000 to 0.000), n 9" in svg
    assert "-0.000" not in svg


def test_every_specification_is_valid_vega_lite():
    """Drawing leaves it unchecked, which halves its time."""
    bands = [
        {"predicted": 1.0, "observed": 1.1, "low": 1.0, "high": 1.2, "n": 9}
        | {"error": -0.1, "error_low": -0.2, "error_high": 0.0}
    ]
    estimates = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in curves.DRAWN}
    points = [{"threshold": 0.2, "metrics": estimates}, {"threshold": 0.7, "metrics": estimates}]
    limited = Mark("sex = F", 0.02, 0.01, 0.03, 368, limit=0.05)
    more = {
        "limits": charts.forest([limited], title="Gap by sex", axis="Gap"),
        "sweep": curves.sweep(points, title="Thresholds", locked=0.5, band=(0.4, 0.6)),
        "confusion": taskcharts.confusion(["a", "b"], [[3, 1], [0, 2]], title="Classes"),
        "observed": taskcharts.observed(bands, title="Observed", unit="mg/dL"),
        "errors": taskcharts.errors(bands, {"edges": [0, 1, 2], "counts": [3, 4]}, title="Errors"),
    }
    for drawing in {**drawings(), **more}.values():
        altair.Root.validate(drawing.spec)
    with pytest.raises(ValidationError):
        altair.Root.validate({**drawings()["bars"].spec, "layer": [{"mark": "nonsense"}]})


def test_the_same_drawing_gives_the_same_bytes():
    first = {name: drawing.svg for name, drawing in drawings().items()}
    second = {name: drawing.svg for name, drawing in reversed(list(drawings().items()))}
    assert first == second


def test_two_drawings_in_one_page_share_no_id():
    ids = [
        element.get("id")
        for drawing in drawings().values()
        for element in etree.fromstring(drawing.svg).iter(etree.Element)
        if element.get("id")
    ]
    assert len(ids) == len(set(ids))


def test_a_forest_plot_says_everything_in_words_too():
    svg = drawings()["forest"].svg
    texts = [element.text for element in etree.fromstring(svg).iter(f"{NS}text")]
    assert "sex = F" in texts
    assert "0.840 (0.790 to 0.880), n 368" in texts
    assert "0.710 (0.680 to 0.740), n 1,771, limit broken" in texts
    assert "0.500 (0.200 to 0.800), n 7, too few to judge" in texts
    assert "no value: no positive case, n 0" in texts
    assert "at least 0.75" in texts
    assert "Recall" in texts
    assert "<script" not in svg


def test_state_is_shown_by_shape_and_fill_not_only_colour():
    paths = [p for p in etree.fromstring(drawings()["forest"].svg).iter(f"{NS}path") if p.get("stroke")]
    shapes = {p.get("stroke"): ("A" in p.get("d"), p.get("fill")) for p in paths}
    assert shapes[COLOURS["accent"]] == (True, COLOURS["accent"])  # circle
    assert shapes[COLOURS["bad"]] == (False, COLOURS["bad"])  # square
    assert shapes[COLOURS["muted"]] == (True, COLOURS["surface"])  # hollow circle


def test_marks_come_from_a_report():
    rows = charts.marks(REPORT["groupings"][0], "recall", 100, failing=["race = A"])
    assert [row.state for row in rows] == ["fail", "ok", "ok", "few"]
    assert rows[0].value == REPORT["groupings"][0]["groups"][0]["metrics"]["tpr"]["value"]
    with pytest.raises(InputError, match="no beauty"):
        charts.marks(REPORT["groupings"][0], "beauty", 30)


def test_the_specification_carries_the_data():
    spec = drawings()["forest"].spec
    assert "vega-lite" in spec["$schema"]
    assert "sex = (missing)" in str(spec)


def test_small_bars_show_even_the_rarest_value():
    root = etree.fromstring(charts.column_bars([1, 0, 1000], "Age"))
    bars = list(root.iter(f"{NS}rect"))
    assert [bar.get("x") for bar in bars] == ["0", "10"]
    assert float(bars[0].get("height")) >= 1
    assert root.find(f"{NS}title").text == "Age"
    assert len(list(etree.fromstring(charts.column_bars([])).iter(f"{NS}rect"))) == 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.forest([], title="x", axis="x"),
        lambda: charts.calibration([], title="x"),
        lambda: charts.histogram([0], [], title="x", axis="x"),
        lambda: charts.value_bars([], title="x"),
    ],
)
def test_nothing_to_draw_is_said(draw):
    with pytest.raises(InputError):
        draw()


@pytest.mark.parametrize("char", ["\x00", "\x01", "\x0b", "\x1b", "\ud800", "\ufffe", "\uffff"])
def test_a_character_xml_cannot_hold_is_written_out(char):
    """The drawing engine would end the process; run in one of its own so that a failure is a failure."""
    code = f"""
from apps.analysis import charts
t = "a" + chr({ord(char)}) + "b"
row = charts.Mark(t, 0.5, 0.4, 0.6, 9, "few", t)
empty = charts.Mark(t, None, None, None, 0, "none", t)
for d in (charts.forest([row, empty], title=t, axis=t, limit=0.5, limit_label=t),
          charts.value_bars([(t, 3)], title=t), charts.histogram([0, 1], [3], title=t, axis=t)):
    assert d.svg.count("a[U+{ord(char):04X}]b") > 1, d.svg
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-600:]
