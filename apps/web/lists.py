"""One list machine for every list of the portal: declared columns and filters, sorting by links, numbered
pages, empty states, CSV of all filtered rows with a side file. Works without JavaScript; htmx swaps the rows.

    MODELS = Table(
        name="models", caption="Models you may see", order="name", empty="No model yet. A developer registers one.",
        columns=[
            Column("name", "Model", sort="name", heading=True, render=lambda m: link(m)),
            Column("due", "Due", sort="due_at", kind="moment", value=lambda m: m.due_at),
        ],
        filters=[choice("tier", "Tier", Tier.choices, lambda rows, v: rows.filter(tier=v))],
    )

    def models(request):
        return MODELS.read(request, visible(actor, Model).select_related("owner")).respond("web/models.html")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.expressions import BaseExpression, Combinable
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from apps.core.clock import now
from apps.web.exports import cell, csv_lines, sha256_of
from apps.web.forms import DayField, Form
from apps.web.templatetags.countersign import NONE, day, when

PAGE_ROWS = 50
RESERVED = frozenset({"o", "page", "format"})


@dataclass(frozen=True)
class Column:
    """One column. `value(row)` is the plain value (also for CSV; default: attribute `key`, dots followed);
    `render(row)` its HTML when text is not enough. `sort`: a field, several, or an expression; empty: unsortable.
    kind: text | number | moment (aware datetime) | day.
    """

    key: str
    label: str
    value: Callable[[Any], Any] | None = None
    render: Callable[[Any], Any] | None = None
    sort: str | Sequence[str] | BaseExpression | Combinable = ""
    kind: str = "text"
    heading: bool = False  # the row's header cell; the first column when none says so
    export: bool = True
    shown: bool = True  # on the page; a column that is not is exported, sorted and filtered by

    def plain(self, row: Any) -> Any:
        """The value without HTML."""
        if self.value is not None:
            return self.value(row)
        found = row
        for name in self.key.split("."):
            found = getattr(found, name, None)
        return found() if callable(found) else found


@dataclass(frozen=True)
class Filter:
    """One filter: a form field that checks the value, and how it narrows the rows."""

    key: str
    field: forms.Field
    apply: Callable[[QuerySet, Any], QuerySet]


def choice(
    key: str, label: str, choices: Sequence[tuple[Any, str]], apply: Callable, *, any_label: str = "Any"
) -> Filter:
    """A filter by one of some values."""
    made = forms.ChoiceField(label=label, required=False, choices=[("", any_label), *choices])
    made.error_messages["invalid_choice"] = f"{label}: “%(value)s” is not one of the values to choose from."
    return Filter(key, made, apply)


def text(key: str, label: str, apply: Callable) -> Filter:
    """A filter by typed text."""
    return Filter(key, forms.CharField(label=label, required=False, max_length=200), apply)


def on_day(key: str, label: str, apply: Callable) -> Filter:
    """A filter by a calendar date in UTC, YYYY-MM-DD."""
    return Filter(key, DayField(label=label, required=False), apply)


@dataclass(frozen=True)
class Table:
    """What a list shows. `name` is unique on its page and names the CSV file; `order` is a column key, `-` reversed."""

    name: str
    caption: str
    columns: Sequence[Column]
    order: str
    empty: str
    filters: Sequence[Filter] = ()
    page_rows: int = PAGE_ROWS
    exports: bool = True
    stacks: bool = (
        False  # on a narrow page each row becomes a block of labelled lines: the list never scrolls sideways
    )
    note: str = ""  # what a reader of the rows must know: in JSON and in the side file of the CSV

    def __post_init__(self) -> None:
        taken = {one.key for one in self.filters} & RESERVED
        if taken:
            raise ValueError(f"{self.name}: a filter may not be called {sorted(taken)}")

    def read(
        self,
        request: HttpRequest,
        rows: QuerySet,
        *,
        on_export: Callable[[dict[str, Any]], None] | None = None,
        prepare: Callable[[list[Any]], Any] | None = None,
    ) -> Listing:
        """Judges the query string against this table. `rows` comes from `gate.visible`, with what the columns
        need already joined. `on_export` is called with what is exported before the first byte leaves. `prepare`
        loads what a join cannot, for the rows of a page, or of a part of the export, at once.
        """
        return Listing(self, request, rows, on_export, prepare=prepare)

    def column(self, key: str) -> Column | None:
        return next((column for column in self.columns if column.key == key), None)


@dataclass(frozen=True)
class Head:
    """One header cell."""

    column: Column
    url: str = ""  # sorts by this column, or turns it round
    aria_sort: str = ""


@dataclass(frozen=True)
class Chip:
    """One filter in force, and the address without it."""

    label: str
    value: str
    url: str


@dataclass
class Listing:
    """One list as asked for. At most two queries: the count and the page."""

    table: Table
    request: HttpRequest
    rows: QuerySet
    on_export: Callable[[dict[str, Any]], None] | None = None
    notices: list[str] = field(default_factory=list)
    prepare: Callable[[list[Any]], Any] | None = None

    def __post_init__(self) -> None:
        made = type("FilterForm", (Form,), {one.key: one.field for one in self.table.filters})
        given = {one.key: self.request.GET.get(one.key, "") for one in self.table.filters}
        self.form: Form = made(given, auto_id=f"{self.table.name}-%s")
        self.bad = not self.form.is_valid()
        self.used = {k: v for k, v in self.form.cleaned_data.items() if v not in (None, "")}
        self.order = self._order()
        if self.bad:
            # A filter that cannot be read must not look like a filter that lets all rows through.
            self.notices += [*self.form.said, "Nothing is shown until the filter is mended."]
            self.rows = self.rows.none()
        else:
            for one in self.table.filters:
                if one.key in self.used:
                    self.rows = one.apply(self.rows, self.used[one.key])
        self.rows = self._sorted(self.rows)
        self.paginator = Paginator(self.rows, self.table.page_rows)
        self.page = self._page()
        if self.prepare is not None:
            self.prepare(list(self.page.object_list))  # evaluates the page: the same rows are shown

    # ------------------------------------------------------------ reading the query string

    def _order(self) -> str:
        asked = self.request.GET.get("o", "")
        column = self.table.column(asked.removeprefix("-"))
        if not asked:
            return self.table.order
        if column is None or not column.sort:
            self.notices.append(f"This list cannot be sorted by “{asked[:60]}”. It has its usual order.")
            return self.table.order
        return asked

    def _sorted(self, rows: QuerySet) -> QuerySet:
        column = self.table.column(self.order.removeprefix("-"))
        if column is None or not column.sort:
            raise ValueError(f"{self.table.name}: the usual order “{self.order}” names no sortable column")
        down = self.order.startswith("-")
        if isinstance(column.sort, BaseExpression | Combinable):
            terms: list[Any] = [column.sort.desc() if down else column.sort.asc()]  # type: ignore[union-attr]
        else:
            names = [column.sort] if isinstance(column.sort, str) else list(column.sort)
            turned = [name.removeprefix("-") if name.startswith("-") else f"-{name}" for name in names]
            terms = turned if down else names
        # The key last: rows with equal values must not move between pages.
        return rows.order_by(*terms, "-pk" if down else "pk")

    def _page(self) -> Any:
        asked = self.request.GET.get("page", "1")
        try:
            number = int(asked)
        except ValueError:
            self.notices.append(f"“{asked[:60]}” is not a page number. You see page 1.")
            number = 1
        last = self.paginator.num_pages
        if not 1 <= number <= last:
            self.notices.append(
                f"There is no page {asked[:20]}: the list has {last}. You see page {min(max(number, 1), last)}."
            )
            number = min(max(number, 1), last)
        return self.paginator.page(number)

    def url(self, **changes: Any) -> str:
        """This list's address with some parameters changed; None removes one."""
        keep = {k: self.request.GET.get(k, "") for k in (*(f.key for f in self.table.filters), "o", "as-of")}
        merged = {**keep, **changes}
        return "?" + urlencode({k: v for k, v in merged.items() if v not in (None, "")})

    # ------------------------------------------------------------ for the template

    @property
    def total(self) -> int:
        return self.paginator.count

    @property
    def rows_id(self) -> str:
        return f"rows-{self.table.name}"

    @property
    def chips(self) -> list[Chip]:
        made = []
        for key, value in self.used.items():
            spoken = dict(getattr(self.form.fields[key], "choices", ())).get(value, cell(value))
            made.append(Chip(str(self.form.fields[key].label), str(spoken), self.url(**{key: None})))
        return made

    @property
    def cleared_url(self) -> str:
        return self.url(**{one.key: None for one in self.table.filters})

    @property
    def columns(self) -> list[Column]:
        """The columns of the page."""
        return [column for column in self.table.columns if column.shown]

    @property
    def heads(self) -> list[Head]:
        made = []
        for column in self.columns:
            if not column.sort:
                made.append(Head(column))
                continue
            up, down = self.order == column.key, self.order == f"-{column.key}"
            url = self.url(o=f"-{column.key}" if up else column.key)
            made.append(Head(column, url, "ascending" if up else "descending" if down else ""))
        return made

    @property
    def order_text(self) -> str:
        column = self.table.column(self.order.removeprefix("-"))
        return (
            f"{column.label}, {'descending' if self.order.startswith('-') else 'ascending'}" if column else ""
        )

    @property
    def body(self) -> list[list[dict[str, Any]]]:
        """Rows of cells: {html, kind, heading, label}."""
        chosen = next((c.key for c in self.columns if c.heading), self.columns[0].key)
        return [
            [
                {"html": self._cell(c, row), "kind": c.kind, "heading": c.key == chosen, "label": c.label}
                for c in self.columns
            ]
            for row in self.page.object_list
        ]

    def _cell(self, column: Column, row: Any) -> Any:
        if column.render is not None:
            found = column.render(row)
        else:
            found = column.plain(row)
            if column.kind == "moment" and found is not None:
                return when({"time_zone": self.time_zone}, found)  # type: ignore[arg-type]
            if column.kind == "day" and found is not None:
                return day(found)
        return NONE if found is None or found == "" else found

    @property
    def time_zone(self) -> str:
        return getattr(getattr(self.request, "user", None), "time_zone", "UTC")

    @property
    def pages(self) -> list[tuple[str, str, bool]]:
        """(label, address, is current) for the numbered pages; an empty address is a gap."""
        made = []
        for label in self.paginator.get_elided_page_range(self.page.number, on_each_side=2, on_ends=1):
            gap = not isinstance(label, int)
            made.append((str(label), "" if gap else self.url(page=label), label == self.page.number))
        return made

    @property
    def csv_url(self) -> str:
        return self.url(format="csv")

    @property
    def meta_url(self) -> str:
        return self.url(format="meta.json")

    # ------------------------------------------------------------ answers

    def respond(self, template: str, context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The page, the rows alone for htmx, the CSV or its side file, by the query string."""
        wanted = self.request.GET.get("format", "")
        if self.table.exports and not self.bad and wanted == "csv":
            return self.csv()
        if self.table.exports and not self.bad and wanted == "meta.json":
            return JsonResponse(self.meta(), json_dumps_params={"indent": 2})
        htmx = getattr(self.request, "htmx", None)
        fragment = bool(htmx and htmx.target == self.rows_id and not htmx.history_restore_request)
        status = 422 if self.bad else 200
        filled = {**(context or {}), "listing": self}
        response = render(self.request, "parts/_rows.html" if fragment else template, filled, status=status)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response

    def _lines(self) -> Iterator[bytes]:
        columns = [column for column in self.table.columns if column.export]
        rows = self._all()
        return csv_lines([c.label for c in columns], ([c.plain(row) for c in columns] for row in rows))

    def lines(self) -> Iterator[bytes]:
        """All filtered rows as lines of CSV."""
        return self._lines()

    def _all(self) -> Iterator[Any]:
        rows = self.rows.iterator(chunk_size=2000)
        if self.prepare is None:
            yield from rows
            return
        while part := list(islice(rows, 500)):
            self.prepare(part)
            yield from part

    def _about(self) -> dict[str, Any]:
        user = self.request.user
        return {
            "list": self.table.name,
            "file": f"{self.table.name}.csv",
            "filter": {chip.label: chip.value for chip in self.chips},
            "order": self.order_text,
            "count": self.total,
            "address": self.request.build_absolute_uri(self.csv_url),
            "made_at": cell(now()),
            "made_by": {"username": user.get_username(), "printed_name": getattr(user, "printed_name", "")},
            "portal_version": settings.VERSION,
            **({"note": self.table.note} if self.table.note else {}),
        }

    def meta_of(self, kind: str) -> dict[str, Any]:
        """What an export of another kind holds now: as `meta`, without the digest of the CSV."""
        return {
            **self._about(),
            "file": f"{self.table.name}.{kind}",
            "address": self.request.build_absolute_uri(),
        }

    def csv(self) -> StreamingHttpResponse:
        """All filtered rows, streamed."""
        if self.on_export is not None:
            self.on_export(self._about())
        response = StreamingHttpResponse(self._lines(), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{self.table.name}.csv"'
        return response

    def meta(self) -> dict[str, Any]:
        """What the CSV of this filter holds now: filter, order, count, SHA-256, who, when."""
        return {**self._about(), "sha256": sha256_of(self._lines())}
