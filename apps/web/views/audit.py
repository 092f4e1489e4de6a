"""The audit trail: entries one may see, one entry with what it changed and its proof, exports, signatures."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html

from apps.access import acts, duties
from apps.access.gate import ORGANISATION_SUBJECT, Judge, Scopes, visible
from apps.access.policy import TABLE, policy
from apps.access.refs import resolve
from apps.core import registries
from apps.core.errors import NotVisible
from apps.core.rulewords import rule_words
from apps.explanation.models import Report as Explanation
from apps.fairness.models import Report
from apps.packs.models import Pack
from apps.robustness.models import ProbePlan, ProbeReport
from apps.trail import queries
from apps.trail.chain import chain_state, told_outside
from apps.trail.models import Entry, Kind, Signature
from apps.trail.preimages import erased_by
from apps.web.binding import Bonds
from apps.web.door import actor_of, page
from apps.web.links import subject_of, url_of
from apps.web.lists import Column, Listing, Table, choice, on_day, text
from apps.web.marks import icon
from apps.web.scopes import duties_in_words, scope_in_words
from apps.web.templatetags.countersign import when
from apps.web.timeline import line_of, of_later_uses
from apps.web.times import day_begins, day_ends
from apps.web.zipped import zip_response

KINDS = [
    (Kind.ACT, "act"),
    (Kind.REFUSAL, "refusal"),
    (Kind.EVENT, "event"),
    (Kind.SEAL, "seal"),
    (Kind.ROW, "row that an act wrote"),
]
DUTIES = sorted(((str(duty), word) for duty, word in duties.WORDS.items()), key=lambda pair: pair[1])
ACT_CHOICES = sorted(((row.act, row.sentence) for row in TABLE.values()), key=lambda pair: pair[1])


def _link(entry: Entry):
    return format_html('<a href="{}">{}</a>', reverse("web:entry", args=[entry.pk]), entry.pk)


def _told(entry: Entry):
    """The plain sentence; a refusal with its fact and rule; a row by its table."""
    if entry.kind == Kind.ROW:
        return _row(entry)
    line = line_of(entry)
    if not line.refused:
        return format_html("{} {}", icon("bot"), line.told) if line.machine else line.told
    facts = json.loads(entry.body).get("facts", {})
    why = " ".join(p for p in (facts.get("fact") or facts.get("cause", ""), _rule(facts)) if p)
    return format_html('{} {}<br><span class="t2">{}</span>', icon("ban"), line.told, why)


def _rule(facts: dict) -> str:
    return rule_words(str(facts.get("rule") or ""))


def _row(entry: Entry) -> str:
    done = {"insert": "written", "delete": "removed", "update": "changed"}.get(
        json.loads(entry.body)["op"], ""
    )
    return f"{entry.table_name} row {entry.row_id} {done}"


def _who(entry: Entry) -> str:
    return "the act that wrote it" if entry.kind == Kind.ROW else line_of(entry).who


def _record(entry: Entry) -> str:
    return f"{entry.subject_kind} {entry.subject_id}" if entry.kind == Kind.ROW else line_of(entry).ref


def _sentence(entry: Entry) -> str:
    if entry.kind == Kind.ROW:
        return _row(entry)
    line = line_of(entry)
    facts = json.loads(entry.body).get("facts", {}) if line.refused else {}
    return " ".join(p for p in (line.told, str(facts.get("fact", "")), _rule(facts)) if p)


def with_all_below(rows, records):
    """Entries about these records and about all that hangs on them: a version's plans, runs, reports, gates, packs."""
    pairs: dict[str, set[str]] = {}
    for record in records:
        for kind, pk in below_of(record):
            pairs.setdefault(kind, set()).add(pk)
    own = queries.by_records(rows, records)
    condition = Q(pk__in=[])
    for kind, ids in pairs.items():
        condition |= Q(subject_kind=kind, subject_id__in=ids)
    for record in records:
        if record.subject_kind == "registry.version" and len(records) == 1:
            condition &= ~of_later_uses(record)
    return rows.filter(condition | Q(pk__in=own.order_by().values("pk")))


def below_of(record) -> set[tuple[str, str]]:
    """What hangs on a version, plan or run, and nothing that hangs on another; of other records, themselves."""
    kind = record.subject_kind
    found: set[tuple[str, str]] = {(kind, str(record.pk))}
    if kind == "registry.version":
        for give in registries.closure["registry.versions:version"]:
            found |= give([record.pk])
        found |= {
            ("packs.pack", str(pk)) for pk in Pack.objects.filter(version=record).values_list("pk", flat=True)
        }
    elif kind == "validations.plan":
        found |= {("validations.run", str(pk)) for pk in record.runs.values_list("pk", flat=True)}
        reports = Report.objects.filter(run__plan=record).values_list("pk", flat=True)
        found |= {("fairness.report", str(pk)) for pk in reports}
        explained = Explanation.objects.filter(run__plan=record).values_list("pk", flat=True)
        found |= {("explanation.report", str(pk)) for pk in explained}
        probes = ProbePlan.objects.filter(validation_plan=record).values_list("pk", flat=True)
        found |= {("robustness.plan", str(pk)) for pk in probes}
        made = ProbeReport.objects.filter(plan__validation_plan=record).values_list("pk", flat=True)
        found |= {("robustness.report", str(pk)) for pk in made}
    elif kind == "validations.run":
        found |= {("fairness.report", str(pk)) for pk in record.bias_reports.values_list("pk", flat=True)}
        found |= {("explanation.report", str(pk)) for pk in record.explanations.values_list("pk", flat=True)}
    return found


def audit_table(actor, *, below: bool = False) -> Table:
    """The list of entries; its filter by record sees what `actor` sees."""

    zone = {"time_zone": actor.user.time_zone}

    def of_record(rows, value):
        records = resolve(actor, value)
        return queries.by_records(rows, records) if not below else with_all_below(rows, records)

    def of_scope(rows, value):
        if value == "organisation":
            return rows.filter(scope=duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID))
        return rows.filter(scope__in=[r.scope for r in resolve(actor, value) if hasattr(r, "scope")])

    return Table(
        name="audit-trail",
        caption="Entries of the audit trail you may see",
        order="-at",
        empty="The trail holds no entry that you may see.",
        columns=[
            Column("number", "Entry", sort="id", heading=True, value=lambda e: e.pk, render=_link),
            Column(
                "at", "When (UTC)", sort="id", value=lambda e: e.at, render=lambda e: when(zone, e.at, True)
            ),
            Column(
                "who",
                "Who",
                sort="actor_name",
                value=_who,
            ),
            Column("what", "What", sort="act", value=_sentence, render=_told),
            Column("record", "Record", sort=("subject_kind", "subject_id"), value=_record),
            Column("reason", "Reason", value=lambda e: line_of(e).reason),
            Column("kind", "Kind", sort="kind", value=lambda e: str(e.kind)),
        ],
        filters=[
            text("record", "Record (R-3, lotx/1.0.0, @mchen)", of_record),
            choice(
                "below",
                "Its entries",
                [("yes", "with everything below it")],
                lambda rows, v: rows,
                any_label="its own",
            ),
            text("who", "Who", queries.by_person),
            choice("act", "Act", ACT_CHOICES, lambda rows, v: rows.filter(act=v)),
            choice("duty", "Duty held by who did it", DUTIES, queries.by_duty),
            choice("kind", "Kind", KINDS, lambda rows, v: rows.filter(kind=v)),
            text("scope", "Belongs to (a model, a dataset, organisation)", of_scope),
            on_day("from", "From (UTC)", lambda rows, v: queries.between(rows, since=day_begins(v))),
            on_day("to", "To (UTC)", lambda rows, v: queries.between(rows, until=day_ends(v))),
        ],
    )


@page
def audit(request: HttpRequest) -> HttpResponseBase:
    """Entries, filtered and sorted. CSV and JSON are acts of their own and stand in the trail before they leave."""
    actor = actor_of(request)
    rows = queries.told(visible(actor, Entry))
    if request.GET.get("kind") == Kind.ROW:
        rows = queries.rows_behind(rows)
    wanted = request.GET.get("format", "")
    if wanted:
        # What is written from here on, the entry of the export itself included, is not part of it.
        newest = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        rows = rows.filter(pk__lte=newest)

    def enter(about: dict, form: str = "CSV", export: str = "") -> None:
        acts.export_trail(
            actor,
            asked={str(k): str(v) for k, v in about["filter"].items()},
            count=about["count"],
            form=form,
            export=export,
        )

    below = request.GET.get("below") == "yes"
    listing = audit_table(actor, below=below).read(request, rows, on_export=enter)
    if wanted == "jsonl" and not listing.bad:
        return _json_lines(listing, enter)
    if wanted in ZIPPED and not listing.bad:
        return _zipped(listing, wanted, enter)
    chain, sees_all = chain_state(), Scopes(actor.user).sees_all
    told, unread = told_outside(chain.size) if sees_all else ([], "")
    return listing.respond(
        "audit/audit.html",
        {
            "chain": chain,
            "told": told,
            "told_fault": unread,
            "json_url": listing.url(format="jsonl"),
            "csv_zip_url": listing.url(format="csv.zip"),
            "json_zip_url": listing.url(format="jsonl.zip"),
            "sees_all": sees_all,
        },
    )


def _json_lines(listing: Listing, enter) -> StreamingHttpResponse:
    filtered = {chip.label: chip.value for chip in listing.chips}
    enter({"filter": filtered, "count": listing.total}, "JSON Lines")
    response = StreamingHttpResponse(queries.exported(listing.rows), content_type="application/x-ndjson")
    response["Content-Disposition"] = 'attachment; filename="audit-trail.jsonl"'
    return response


# format asked for -> name of the file inside the ZIP, and how its entry calls it
ZIPPED = {
    "csv.zip": ("audit-trail.csv", "CSV in a ZIP"),
    "jsonl.zip": ("audit-trail.jsonl", "JSON Lines in a ZIP"),
}


def _zipped(listing: Listing, wanted: str, enter) -> StreamingHttpResponse:
    """The file with its side file: filter, order, count, SHA-256, who, when, and the number of the export."""
    name, form = ZIPPED[wanted]
    export = secrets.token_hex(8)
    about = {**listing.meta_of(name.partition(".")[2]), "export": export}
    enter(about, form, export)
    lines = listing.lines() if wanted == "csv.zip" else queries.exported(listing.rows)
    return zip_response(f"audit-trail-{export}.zip", name, lines, about)


@page
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry: who, what, on which record, what changed, its signature and its proof in the log."""
    actor = actor_of(request)
    row = Entry.objects.filter(pk=pk, kind=Kind.ROW).first()
    if row is not None:
        act = (
            queries.told(visible(actor, Entry))
            .filter(act_id=row.act_id, kind=Kind.ACT)
            .exclude(act_id="")
            .first()
        )
        if act is None:
            raise NotVisible()
        return redirect("web:entry", act.pk)
    found = queries.told(visible(actor, Entry)).filter(pk=pk).first()
    if found is None:
        raise NotVisible()
    body = json.loads(found.body)
    facts = body.get("facts", {})
    refused = found.kind == Kind.REFUSAL
    signatures = list(visible(actor, Signature).filter(act_id=found.act_id)) if found.act_id else []
    bonds = Bonds(lambda: signatures)
    context = {
        "entry": found,
        "line": line_of(found),
        "row": TABLE.get(found.act),
        "actor_facts": body.get("actor", {}),
        "held": duties_in_words(request.user, "; ".join(body.get("actor", {}).get("duties", []))),
        "place_name": scope_in_words(request.user, found.scope),
        "on_behalf": body.get("on_behalf"),
        "facts": {} if refused else {k: v for k, v in facts.items() if k != "signatures"},
        "refusal": {k: facts.get(k, "") for k in ("what", "fact", "rule", "who")}
        if facts.get("what")
        else None,
        "other_facts": facts if refused and not facts.get("what") else {},
        "via": body.get("via", ""),
        "subject_url": _subject_url(actor, found),
        "written": queries.written_by(found),
        "place": queries.place_of(found),
        "erase": Judge(ORGANISATION_SUBJECT).verdict(actor, policy("access.request_erasure")),
        **_erased(actor, found),
        "signatures": [{"signature": s, "bond": bonds.of(s)} for s in signatures],
    }
    return render(request, "audit/entry.html", context)


def _erased(actor, found: Entry) -> dict[str, Any]:
    """The act that erased words of this entry, and its entry where the reader may open that."""
    by = erased_by(found.body)
    told = visible(actor, Entry).filter(act_id=by, kind=Kind.ACT) if by else Entry.objects.none()
    return {"erased_by": by, "erasing_entry": told.values_list("pk", flat=True).first()}


def _subject_url(actor, found: Entry) -> str:
    """The page of the record the entry tells of, where there is one the reader may open."""
    if found.subject_kind == "organisation" or not found.subject_id.isdigit():
        return ""
    try:
        subject = subject_of(found.subject_kind, found.subject_id)
    except LookupError:
        return ""
    if subject is None:
        return ""
    try:
        seen = visible(actor, type(subject)).filter(pk=subject.pk).exists()
    except LookupError:  # bookkeeping nobody looks at has no visibility, hence no page
        return ""
    return url_of(subject) if seen else ""


urlpatterns = [
    path("audit/", audit, name="audit"),
    path("audit/<int:pk>/", entry, name="entry"),
]
