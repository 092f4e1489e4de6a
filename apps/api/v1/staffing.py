"""People of a model, several duties at once, and what a leaver would leave behind."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from apps.access import acts, queries
from apps.access.duties import DATASET, MODEL, Duty
from apps.access.gate import Judge, Scopes, may
from apps.access.leaving import leaving
from apps.access.leftovers import seen, told_to
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.together import Row, judge_rows, stuck_after
from apps.accounts.models import User
from apps.api.base import IDEMPOTENCY, GateViewSet
from apps.api.v1.people import AssignmentOut, place
from apps.approvals.leavers import waiting_told
from apps.core.errors import BadInput
from apps.registry.models import Model


class RowInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    duty = serializers.CharField(max_length=20, help_text="Such as validator.")


class PlacedRow(RowInput):
    on = serializers.CharField(
        max_length=80,
        required=False,
        default="",
        help_text="models/lotx or datasets/trial; empty: this model.",
    )


class ManyInput(serializers.Serializer):
    rows = RowInput(many=True)
    reason = serializers.CharField(max_length=2000)
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, default=None, allow_null=True)


class TryInput(serializers.Serializer):
    rows = PlacedRow(many=True)


class RefusedOut(serializers.Serializer):
    act = serializers.CharField()
    rule = serializers.CharField()
    text = serializers.CharField()
    told = serializers.CharField(help_text="What was recorded.")


class JudgedOut(serializers.Serializer):
    row = serializers.IntegerField(source="row.number")
    person = serializers.CharField(source="row.person.username")
    duty = serializers.CharField(source="row.duty")
    on = serializers.CharField(source="row.parent.ref")
    because = serializers.CharField(help_text="What stands against it; empty: it could be requested.")
    rule = serializers.CharField()
    others = serializers.ListField(child=serializers.IntegerField(), help_text="Rows it conflicts with.")
    warnings = serializers.ListField(child=serializers.CharField())
    refused = RefusedOut(many=True, help_text="Acts that it would be refused, for what was recorded.")


class StuckOut(serializers.Serializer):
    duty = serializers.CharField()
    acts = serializers.ListField(child=serializers.CharField())


class TriedOut(serializers.Serializer):
    rows = JudgedOut(many=True)
    stuck = StuckOut(many=True, help_text="Duties of the model that would still have nobody.")


class LeavingDuty(serializers.Serializer):
    duty = serializers.CharField(source="assignment.duty")
    scope = serializers.CharField(source="assignment.scope")
    until = serializers.DateTimeField(source="assignment.ends_at", allow_null=True)
    others = serializers.IntegerField(help_text="How many others hold it there.")
    stopped = serializers.ListField(child=serializers.CharField(), help_text="Acts that nobody could do.")
    could_take = serializers.SerializerMethodField(help_text="Some who could, where nobody else holds it.")

    def get_could_take(self, held) -> list[str]:
        return [person.username for person in held.takers.free] if held.takers else []


class WantedOut(serializers.Serializer):
    version = serializers.CharField()
    signature = serializers.CharField()
    others = serializers.ListField(child=serializers.CharField())


class LeftRecordOut(serializers.Serializer):
    ref = serializers.CharField()
    told = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)


class LeftOut(serializers.Serializer):
    kind = serializers.CharField(
        help_text="Service accounts owned, read access, seats, inspections and the like."
    )
    records = LeftRecordOut(many=True)
    hidden = serializers.IntegerField(help_text="How many more the caller may not see.")


class LeavingOut(serializers.Serializer):
    duties = LeavingDuty(many=True, source="held")
    to_come = serializers.ListField(
        child=serializers.CharField(), help_text="Approved duties that never begin."
    )
    requested = serializers.IntegerField()
    tokens = serializers.IntegerField()
    sessions = serializers.IntegerField()
    waivers = serializers.ListField(child=serializers.CharField())
    hidden_waivers = serializers.IntegerField()
    left = LeftOut(many=True, help_text="What else ends with the account.")
    gates = WantedOut(many=True, help_text="Signatures that open gates want and this person could give.")
    hidden_gates = serializers.IntegerField(help_text="The same on gates that the caller may not see.")
    hidden_gates_alone = serializers.IntegerField(
        help_text="Of those, signatures that nobody else could give."
    )


class OfModel(GateViewSet):
    """Several duties on one model."""

    model = Model
    lookup_field = "slug"

    @extend_schema(
        tags=["assignments"],
        summary="Request duties for several people: all or none",
        request=ManyInput,
        responses={201: AssignmentOut(many=True)},
        parameters=[IDEMPOTENCY],
    )
    def request_all(self, request, slug=None):
        model = self.get_object()
        given = self.given(ManyInput, "access.request_assignments", model)
        wanted = [row["person"] for row in given["rows"]]
        known = dict(User.objects.filter(username__in=wanted).values_list("username", "pk"))
        rows = [{"person_id": known.get(r["person"], 0), "duty": r["duty"]} for r in given.pop("rows")]
        acts.request_assignments(self.actor, model.pk, rows=rows, **given, **self.key())
        made = Assignment.objects.on(MODEL, model.pk).filter(state=Assignment.State.REQUESTED)
        made = made.filter(person__in=known.values(), requester=self.actor.user)
        made = made.select_related("person", "requester", "approver").order_by("-pk")[: len(rows)]
        return Response(AssignmentOut(made, many=True).data, status=201)

    @extend_schema(
        tags=["assignments"],
        summary="Try duties out: which conflicts they would raise; nothing is written",
        request=TryInput,
        responses=TriedOut,
    )
    def simulate(self, request, slug=None):
        model = self.get_object()
        verdict = may(self.actor, "access.request_assignment", model)
        if not verdict.allowed and not Scopes(self.actor.user).sees_all:
            raise verdict.refusal()
        given = self.given(TryInput)["rows"]
        with shared():
            judged = judge_rows(self._rows(given, model))
            stuck = [{"duty": word, "acts": list(told)} for word, told in stuck_after(model, judged)]
            return Response(TriedOut({"rows": judged, "stuck": stuck}).data)

    def _rows(self, given, model) -> list[Row]:
        people = {
            p.username: p
            for p in User.objects.filter(
                username__in=[r["person"] for r in given], is_active=True, is_service=False
            )
        }
        rows, problems = [], {}
        for number, row in enumerate(given, 1):
            parent = place(self.actor, row["on"]) if row["on"] else model
            held = parent.subject_kind in (MODEL, DATASET) and queries.duties_on(parent.subject_kind)
            if row["person"] not in people:
                problems[f"row-{number}"] = ["No active account with this username."]
            elif not held or row["duty"] not in held:
                problems[f"row-{number}"] = [f"There is no such duty on {parent.ref}."]
            else:
                rows.append(Row(number, people[row["person"]], Duty(row["duty"]), parent))
        if problems:
            raise BadInput(fields=problems)
        return rows


class OfPerson(GateViewSet):
    """What the leaving of one person would end and block."""

    model = User
    lookup_field = "username"

    @extend_schema(
        tags=["people"], summary="What deactivating an account would end and block", responses=LeavingOut
    )
    def leaving(self, request, username=None):
        person = self.get_object()
        verdict = Judge(person).verdict(self.actor, policy("access.deactivate_account"))
        if not verdict.allowed:
            raise verdict.refusal()
        with shared():
            told = leaving(person)
            waiting = waiting_told(self.actor, person)
        waivers, hidden_waivers = seen(self.actor, told.waivers)
        shown = {
            "held": told.held,
            "to_come": [each.ref for each in told.to_come],
            "requested": len(told.requested),
            "tokens": told.tokens,
            "sessions": told.sessions,
            "waivers": [waiver.ref for waiver in waivers],
            "hidden_waivers": hidden_waivers,
            "left": [
                {
                    "kind": each.word,
                    "hidden": each.hidden,
                    "records": [
                        {"ref": thing.ref, "told": thing.told, "until": thing.until} for thing in each.shown
                    ],
                }
                for each in told_to(self.actor, person)
            ],
            "gates": [
                {"version": w.ref, "signature": w.label, "others": [p.username for p in w.others(person)]}
                for w in waiting.shown
            ],
            "hidden_gates": waiting.hidden,
            "hidden_gates_alone": waiting.hidden_alone,
        }
        return Response(LeavingOut(shown).data)


urlpatterns = [
    path(
        "models/<slug:slug>/people/request",
        OfModel.as_view({"post": "request_all"}),
        name="model_people_request",
    ),
    path(
        "models/<slug:slug>/people/simulate",
        OfModel.as_view({"post": "simulate"}),
        name="model_people_simulate",
    ),
    path("people/<str:username>/leaving", OfPerson.as_view({"get": "leaving"}), name="person_leaving"),
]
