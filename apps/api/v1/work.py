"""What waits for the caller, and what is shut to them and who can: the page of work, for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.urls import path, reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access.actors import Actor
from apps.access.gate import Verdict
from apps.access.looking import inspecting
from apps.access.reach import narrowed_by
from apps.access.review_queries import Waiting as Sheet
from apps.access.review_queries import waiting_for
from apps.access.waiting import QUEUES, Item
from apps.api.auth import actor_of
from apps.api.lookup import one_of
from apps.api.pages import Pages
from apps.approvals.queries import Task, work_for
from apps.core.rulewords import rule_words

VERSIONS, SHEETS = "versions", "access_reviews"
MINE, BLOCKED, WAITING = "mine", "blocked", "waiting"
WHOSE = (MINE, BLOCKED, WAITING)


@dataclass(frozen=True)
class Line:
    """One thing that waits, in the words of the page. `why`: why the caller, or why not by them."""

    queue: str
    whose: str
    what: str
    why: str
    page: str
    record: str
    verdict: Verdict | None = None
    eligible: tuple[str, ...] = ()
    asked_by: str | None = None
    since: datetime | None = None
    due: datetime | None = None
    late: bool = False
    stuck: bool = False


def of_queue(item: Item) -> Line:
    verdict, one = item.verdict, item.queue.one
    return Line(
        queue=item.queue.key,
        whose=MINE if item.mine else BLOCKED,
        what=item.what,
        why=f"{one[0].upper()}{one[1:]}." if item.mine else f"{verdict.what} {verdict.fact}",
        page=item.path,
        record=item.record.ref,
        verdict=verdict,
        eligible=tuple(verdict.who),
        asked_by=item.asked_by.username if item.asked_by else None,
        since=item.since,
        due=item.due,
        late=item.late,
        stuck=item.stuck,
    )


def of_version(task: Task, whose: str) -> Line:
    shut = next((v for v, _kind, _pk in task.row.verdicts if v.rule.startswith(("DY", "ST"))), None)
    return Line(
        queue=VERSIONS,
        whose=whose,
        what=task.title,
        why=task.why,
        page=reverse("web:version", args=[task.version.model.slug, task.version.label]),
        record=task.version.ref,
        verdict=task.needs[0] if task.needs else shut if whose == BLOCKED else None,
        eligible=task.row.others if whose == MINE else task.row.who,
        stuck=task.row.state == "stuck",
    )


def of_sheet(found: Sheet) -> Line:
    sheet, left = found.sheet, found.undecided
    lines = (
        f"{left} line{'' if left == 1 else 's'} to decide" if left else "every line is decided; it is signed"
    )
    return Line(
        queue=SHEETS,
        whose=MINE,
        what=sheet.title,
        why=f"Access review {sheet.review.ref}, {sheet.review.title}: {lines}.",
        page=reverse("web:review_sheet", args=[sheet.pk]),
        record=sheet.review.ref,
        due=sheet.review.due_at,
    )


def as_person(actor: Actor) -> Actor:
    """What waits for a person waits for them whatever they ask with, a signature too, which no token gives. A token for
    some acts or objects, and a service, are told what waits for them."""
    if narrowed_by(actor.token) is not None:
        return actor
    return replace(actor, token=None)


def lines_of(actor: Actor) -> tuple[list[Line], list[str]]:
    """Everything the page of work tells this person, and the queues of which not all was looked through."""
    if inspecting(actor.user):
        return [], []  # nothing waits for an inspector
    found = work_for(actor)

    def every() -> Iterator[Line]:
        for whose, tasks in ((MINE, found.mine), (BLOCKED, found.blocked), (WAITING, found.waiting)):
            yield from (of_version(task, whose) for task in tasks)
        yield from (of_sheet(each) for each in waiting_for(actor))
        for each in found.queues:
            yield from (of_queue(item) for item in (*each.mine, *each.blocked))

    left = [VERSIONS] if found.more else []
    return list(every()), left + [each.queue.key for each in found.queues if each.more]


class LineOut(serializers.Serializer):
    queue = serializers.ChoiceField(
        choices=[VERSIONS, SHEETS, *QUEUES], help_text="What kind of thing waits."
    )
    whose = serializers.ChoiceField(
        choices=WHOSE,
        help_text="mine: the caller's to do; blocked: shut to them by a rule; waiting: on others.",
    )
    what = serializers.CharField()
    why = serializers.CharField(help_text="Why it is the caller's, or why it is not.")
    record = serializers.CharField(help_text="Reference of the record that waits.")
    page = serializers.SerializerMethodField(help_text="Address of the page where it is decided.")
    act = serializers.SerializerMethodField(
        help_text="The act that would decide it; empty where several would."
    )
    label = serializers.SerializerMethodField(help_text="What its button says.")
    signs = serializers.SerializerMethodField(help_text="It is signed: no token can do it.")
    rule = serializers.SerializerMethodField(help_text="The rule that shuts it to the caller.")
    rule_text = serializers.SerializerMethodField()
    eligible = serializers.ListField(child=serializers.CharField(), help_text="Who else can.")
    asked_by = serializers.CharField(allow_null=True, help_text="Username; null: nobody asked, it is needed.")
    since = serializers.DateTimeField(allow_null=True)
    due = serializers.DateTimeField(allow_null=True)
    late = serializers.BooleanField()
    stuck = serializers.BooleanField(help_text="Nobody can do it now.")

    def get_page(self, line: Line) -> str:
        return self.context["request"].build_absolute_uri(line.page)

    def get_act(self, line: Line) -> str:
        return line.verdict.act if line.verdict else ""

    def get_label(self, line: Line) -> str:
        return line.verdict.label if line.verdict else ""

    def get_signs(self, line: Line) -> bool:
        return bool(line.verdict and line.verdict.signs)

    def get_rule(self, line: Line) -> str:
        return line.verdict.rule if line.verdict and line.whose == BLOCKED else ""

    def get_rule_text(self, line: Line) -> str:
        return rule_words(self.get_rule(line))


class WorkOut(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    left_off = serializers.ListField(
        child=serializers.CharField(), help_text="Queues in which more waits than was looked through."
    )
    results = LineOut(many=True)


class Work(APIView):
    """The caller's work, in the order of the page: versions, access reviews, then the queues."""

    @extend_schema(
        tags=["me"],
        summary="What waits for the caller, what is shut to them and by which rule, and what waits on others",
        parameters=[
            OpenApiParameter("whose", str, enum=WHOSE),
            OpenApiParameter("queue", str, enum=[VERSIONS, SHEETS, *QUEUES]),
            OpenApiParameter(
                "late", str, enum=["true"], description="Only what should have been decided by now."
            ),
            OpenApiParameter("page", int),
            OpenApiParameter("page_size", int),
        ],
        responses=WorkOut,
    )
    def get(self, request):
        whose = one_of(request, "whose", WHOSE)
        queue = one_of(request, "queue", [VERSIONS, SHEETS, *QUEUES])
        late = one_of(request, "late", ["true"])
        lines, left = lines_of(as_person(actor_of(request)))
        wanted = [
            line
            for line in lines
            if whose in ("", line.whose) and queue in ("", line.queue) and (line.late or not late)
        ]
        pages = Pages()
        shown = LineOut(pages.paginate_queryset(wanted, request), many=True, context={"request": request})
        answer = pages.get_paginated_response(shown.data).data
        return Response(answer | {"left_off": left})


urlpatterns = [path("work", Work.as_view(), name="work")]
