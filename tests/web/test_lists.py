"""The list machine: order, filters, pages, CSV and its side file; bad queries get a sentence, never a crash."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db.models.functions import Length
from django.test import RequestFactory
from django_htmx.middleware import HtmxMiddleware

from apps.web import exports
from apps.web.lists import Column, Table, choice, on_day, text

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)

THINGS = Table(
    name="things",
    caption="Things",
    columns=[
        Column("model", "Name", sort="model", heading=True),
        Column("app_label", "App", sort=("app_label", "model")),
        Column("size", "Size", value=lambda r: len(r.model), sort=Length("model"), kind="number"),
        Column("seen", "Seen", value=lambda r: NOON, kind="moment"),
        Column("odd", "Odd", value=lambda r: '=HYPERLINK("http://x")', render=lambda r: "<b>raw</b>"),
    ],
    order="model",
    empty="No thing yet. A maker makes one.",
    filters=[
        text("has", "Name has", lambda rows, v: rows.filter(model__contains=v)),
        choice(
            "app", "App", [("zoo", "The zoo"), ("sea", "The sea")], lambda rows, v: rows.filter(app_label=v)
        ),
        on_day("since", "Since", lambda rows, v: rows.filter(pk__gt=0) if v.year > 2000 else rows.none()),
    ],
    page_rows=10,
)


@pytest.fixture
def rows():
    ContentType.objects.bulk_create(
        [ContentType(app_label="zoo" if n % 2 else "sea", model=f"thing{n:02d}") for n in range(25)]
    )
    return ContentType.objects.filter(model__startswith="thing")


def ask(query: str = "", **headers: str):
    request = RequestFactory().get(f"/things/{query}", headers=headers)
    request.user = SimpleNamespace(
        get_username=lambda: "mchen",
        printed_name="Maria Chen",
        time_zone="Europe/Zurich",
        is_authenticated=False,
    )
    HtmxMiddleware(lambda r: r)(request)
    return request


def page(rows, query: str = "", **headers: str):
    return THINGS.read(ask(query, **headers), rows).respond("parts/list.html")


def names(html: str) -> list[str]:
    return re.findall(r"thing\d\d", html)


def test_a_page_holds_some_rows_and_says_how_many_there_are(rows):
    html = page(rows).content.decode()
    assert names(html) == [f"thing{n:02d}" for n in range(10)]
    assert "25 rows, page 1 of 3. Sorted by Name, ascending." in html
    assert 'aria-sort="ascending"' in html
    assert '<th scope="row">thing00</th>' in html


def test_the_sort_link_turns_the_order_round_and_keeps_the_filter(rows):
    html = page(rows, "?o=model&app=zoo").content.decode()
    assert 'href="?app=zoo&amp;o=-model"' in html
    turned = page(rows, "?o=-model").content.decode()
    assert names(turned)[0] == "thing24"
    assert 'aria-sort="descending"' in turned


def test_sorting_by_several_fields_and_by_an_expression(rows):
    assert names(page(rows, "?o=app_label").content.decode())[0] == "thing00"
    assert names(page(rows, "?o=-app_label").content.decode())[0] == "thing23"
    assert len(names(page(rows, "?o=-size").content.decode())) == 10


def test_pages_do_not_overlap_when_values_are_equal(rows):
    seen = [name for n in (1, 2, 3) for name in names(page(rows, f"?o=size&page={n}").content.decode())]
    assert sorted(seen) == sorted(set(seen)) == [f"thing{n:02d}" for n in range(25)]


def test_a_filter_narrows_and_shows_a_chip_that_removes_it(rows):
    html = page(rows, "?app=zoo&has=thing0").content.decode()
    assert set(names(html)) == {"thing01", "thing03", "thing05", "thing07", "thing09"} | {"thing0" + "1"}
    assert "App: <strong>The zoo</strong>" in html
    assert 'href="?has=thing0"' in html
    assert "5 rows match" in html


def test_no_row_at_all_and_no_row_in_the_filter_are_told_apart(rows):
    assert "A maker makes one." in page(rows.none()).content.decode()
    html = page(rows, "?has=nowhere").content.decode()
    assert "Nothing matches this filter." in html
    assert "A maker makes one." not in html


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?app=moon", "App: “moon” is not one of the values to choose from."),
        ("?since=19/11/2026", "write the date as YYYY-MM-DD"),
        ("?has=%00", "” holds a character that nobody sees (U+0000), after 0 characters."),
        ("?has=" + "x" * 300, "at most 200 characters"),
    ],
)
def test_a_bad_filter_shows_a_sentence_and_no_rows(rows, query, sentence):
    response = page(rows, query)
    html = response.content.decode()
    assert response.status_code == 422
    assert sentence in html
    assert "Nothing is shown until the filter is mended." in html
    assert "<tbody>" not in html


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?o=password", "cannot be sorted by “password”"),
        ("?o=seen", "cannot be sorted by “seen”"),
        ("?o=--model", "cannot be sorted by"),
        ("?page=0", "There is no page 0"),
        ("?page=99", "There is no page 99: the list has 3. You see page 3."),
        ("?page=two", "“two” is not a page number"),
        ("?page=" + "9" * 5000, "is not a page number"),
    ],
)
def test_a_bad_order_or_page_says_so_and_shows_the_usual(rows, query, sentence):
    response = page(rows, query)
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert names(response.content.decode())


def test_a_bad_filter_never_exports_everything(rows):
    response = page(rows, "?app=moon&format=csv")
    assert response.status_code == 422
    assert "thing00" not in response.content.decode()


def test_cells_are_escaped_unless_the_column_made_them_safe(rows):
    html = page(rows).content.decode()
    assert "&lt;b&gt;raw&lt;/b&gt;" in html
    assert "<b>raw</b>" not in html


def test_times_are_in_utc_and_in_the_readers_zone(rows):
    told = re.sub(r"<[^>]+>", "", page(rows).content.decode())
    assert "2026-11-19 12:00 UTC (13:00 Europe/Zurich, UTC+01:00)" in told


def test_htmx_gets_the_rows_alone_but_a_restored_page_is_whole(rows):
    part = page(rows, **{"HX-Request": "true", "HX-Target": "rows-things"})
    assert part.content.decode().lstrip().startswith('<div class="stack-s" id="rows-things">')
    assert "<form" not in part.content.decode()
    assert "HX-Request" in part["Vary"]
    again = page(
        rows, **{"HX-Request": "true", "HX-Target": "rows-things", "HX-History-Restore-Request": "true"}
    )
    assert "<form" in again.content.decode()


def test_the_csv_holds_all_filtered_rows_not_the_page(rows):
    told = []
    listing = THINGS.read(ask("?app=zoo&format=csv"), rows, on_export=told.append)
    response = listing.respond("parts/list.html")
    body = b"".join(response.streaming_content)
    lines = list(csv.reader(io.StringIO(body.decode())))
    assert lines[0] == ["Name", "App", "Size", "Seen", "Odd"]
    assert len(lines) == 1 + 12
    assert lines[1] == ["thing01", "zoo", "7", "2026-11-19T12:00:00.000000Z", '\'=HYPERLINK("http://x")']
    assert response["Content-Disposition"] == 'attachment; filename="things.csv"'
    assert told[0]["count"] == 12
    assert told[0]["filter"] == {"App": "The zoo"}


def test_the_side_file_says_what_the_csv_holds(rows):
    body = b"".join(page(rows, "?app=zoo&o=-model&format=csv").streaming_content)
    about = json.loads(page(rows, "?app=zoo&o=-model&format=meta.json").content)
    assert about["sha256"] == hashlib.sha256(body).hexdigest()
    assert about["count"] == 12
    assert about["filter"] == {"App": "The zoo"}
    assert about["order"] == "Name, descending"
    assert about["made_by"] == {"username": "mchen", "printed_name": "Maria Chen"}


@pytest.mark.parametrize("page_rows", [1, 3, 25])
def test_the_number_of_queries_does_not_grow_with_the_rows(rows, page_rows, django_assert_num_queries):
    few = rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:page_rows]))
    with django_assert_num_queries(2):
        page(few)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+41 61", "'+41 61"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-0.25", "-0.25"),
        ("+1e-9", "+1e-9"),
        (-3, "-3"),
        (Decimal("-1.50"), "-1.50"),
        (True, "yes"),
        (None, ""),
        ("LOTX 3.2", "LOTX 3.2"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000000Z"),
    ],
)
def test_a_cell_never_starts_a_formula(value, written):
    assert exports.cell(value) == written


def test_a_time_without_a_zone_is_not_exported():
    with pytest.raises(ValueError, match="without a zone"):
        exports.cell(datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_table_refuses_a_filter_with_a_reserved_name():
    with pytest.raises(ValueError, match="may not be called"):
        Table(
            name="x",
            caption="X",
            columns=[],
            order="a",
            empty="",
            filters=[text("page", "Page", lambda r, v: r)],
        )


def test_a_usual_order_that_cannot_sort_is_an_error(rows):
    table = Table(name="x", caption="X", columns=[Column("model", "Name")], order="model", empty="")
    with pytest.raises(ValueError, match="no sortable column"):
        table.read(ask(), rows)
