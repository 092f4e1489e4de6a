"""People and duties."""

from __future__ import annotations

from django.apps import apps
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access import acts, approving, duties, queries
from apps.access.acting import refuse_at_front
from apps.access.acts.enrolment import CHECKS
from apps.access.enrolment import chosen
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.models import Assignment
from apps.accounts.models import Enrolment, User
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, allowed_acts
from apps.api.lookup import ordered, said
from apps.core.errors import BadInput, NotVisible
from apps.core.rulewords import rule_words

PLACES = {"models": duties.MODEL, "datasets": duties.DATASET}


class PersonOut(serializers.ModelSerializer):
    duties = serializers.SerializerMethodField(help_text="Duties in force that the caller may see.")
    enrolled = serializers.SerializerMethodField(
        help_text="The person has chosen a password; null as of a moment past: of passwords no history is kept."
    )

    class Meta:
        model = User
        fields = [
            "username",
            "uuid",
            "printed_name",
            "title",
            "email",
            "time_zone",
            "is_active",
            "created_at",
            "deactivated_at",
            "enrolled",
            "identity_confirmed_at",
            "identity_checked",
            "duties",
        ]

    def get_enrolled(self, person) -> bool | None:
        return chosen(person)

    def get_duties(self, person) -> list[dict]:
        return [{"assignment": a.ref, "duty": a.duty, "scope": a.scope} for a in person.in_force_now]


class EnrolmentOut(serializers.ModelSerializer):
    state = serializers.ChoiceField(choices=["waiting", "sent", "used", "expired", "ended", "failed"])

    class Meta:
        model = Enrolment
        fields = ["state", "created_at", "sent_at", "expires_at", "used_at", "failure"]


class PersonDetail(PersonOut):
    enrolment = serializers.SerializerMethodField(
        help_text="State of the newest link that was mailed to the person; never the link."
    )
    allowed_acts = serializers.SerializerMethodField()

    class Meta(PersonOut.Meta):
        fields = [*PersonOut.Meta.fields, "enrolment", "allowed_acts"]

    @extend_schema_field(EnrolmentOut(allow_null=True))
    def get_enrolment(self, person) -> dict | None:
        row = visible(self.context["view"].actor, Enrolment).filter(person=person).first()
        return EnrolmentOut(row).data if row else None

    def get_allowed_acts(self, person) -> list[dict]:
        return allowed_acts(self.context["view"].actor, person)


class PersonInput(serializers.Serializer):
    username = serializers.CharField(max_length=80)
    printed_name = serializers.CharField(max_length=120)
    title = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    email = serializers.CharField(
        max_length=254, help_text="The person's own: the enrolment link is mailed there."
    )


class IdentityInput(serializers.Serializer):
    how = serializers.ChoiceField(choices=CHECKS)


LOOK_FOR = [
    OpenApiParameter("search", str, description="Part of the printed name or username."),
    OpenApiParameter("active", str, enum=["yes", "no"]),
    OpenApiParameter("duty", str, enum=[d.value for d in duties.Duty], description="Holds this duty now."),
]


def one_of(request, name: str, allowed) -> str:
    """A query parameter that must be one of `allowed`, or empty."""
    value = request.query_params.get(name, "")
    if value and value not in allowed:
        raise BadInput(fields={name: [f"One of: {', '.join(allowed)}."]})
    return value


@extend_schema_view(
    list=extend_schema(tags=["people"], summary="Accounts the caller may see", parameters=LOOK_FOR),
    retrieve=extend_schema(tags=["people"], summary="One account", responses=PersonDetail),
)
class People(GateViewSet):
    """Accounts of people. Services are no people."""

    model = User
    lookup_field = "username"
    lookup_value_regex = "[a-z0-9][a-z0-9._-]*"

    def get_serializer_class(self):
        return PersonOut if self.action == "list" else PersonDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return User.objects.none()
        rows = queries.accounts(self.actor).order_by("username")
        if self.action != "list":
            return rows
        if active := one_of(self.request, "active", ["yes", "no"]):
            rows = rows.filter(is_active=active == "yes")
        if duty := one_of(self.request, "duty", [d.value for d in duties.Duty]):
            holders = visible(self.actor, Assignment).active().filter(duty=duty).values("person_id")
            rows = rows.filter(pk__in=holders)
        if words := self.request.query_params.get("search", ""):
            rows = rows.filter(printed_name__icontains=words) | rows.filter(username__icontains=words)
        return rows

    @extend_schema(
        tags=["people"],
        summary="Create an account; its person gets an enrolment link by mail",
        request=PersonInput,
        responses={201: PersonDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        person = acts.create_account(
            self.actor, **self.given(PersonInput, "access.create_account", ORGANISATION_SUBJECT), **self.key()
        )
        self.kwargs["username"] = person.username
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["people"],
        summary="Deactivate an account: duties and tokens end with it",
        request=ReasonInput,
        responses=PersonDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def deactivate(self, request, username=None):
        person = self.get_object()
        given = self.given(ReasonInput, "access.deactivate_account", person)
        acts.deactivate_account(self.actor, person.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["people"],
        summary="Send a new enrolment link to a person without a password (not with a token)",
        request=None,
        responses=PersonDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="renew-enrolment")
    def renew_enrolment(self, request, username=None):
        acts.renew_enrolment(self.actor, self.get_object().pk, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["people"],
        summary="Confirm who is behind an account, before its first signature (not with a token)",
        request=IdentityInput,
        responses=PersonDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="confirm-identity")
    def confirm_identity(self, request, username=None):
        person = self.get_object()
        given = self.given(IdentityInput, "access.confirm_identity", person)
        acts.confirm_identity(self.actor, person.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["people"],
        summary="End the locks of sign-in and signing (not with a token)",
        request=ReasonInput,
        responses=PersonDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def unlock(self, request, username=None):
        person = self.get_object()
        given = self.given(ReasonInput, "access.unlock_account", person)
        acts.unlock_account(self.actor, person.pk, **given, **self.key())
        return self.answer(self.get_object())


class AssignmentOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    scope = serializers.CharField(help_text="registry.model:3, datasets.dataset:1 or organisation:0.")
    requester = serializers.CharField(source="requester.username")
    approver = serializers.SerializerMethodField()
    ended_by = serializers.CharField(
        source="ended_by.username", default=None, allow_null=True, help_text="Who refused or ended it."
    )

    class Meta:
        model = Assignment
        fields = [
            "id",
            "ref",
            "person",
            "duty",
            "scope",
            "state",
            "starts_at",
            "ends_at",
            "reason",
            "requester",
            "requested_at",
            "approver",
            "decided_at",
            "ended_by",
            "ended_at",
            "end_reason",
        ]

    def get_approver(self, row) -> str | None:
        return row.approver.username if row.approver else None


class AssignmentDetail(AssignmentOut):
    allowed_acts = serializers.SerializerMethodField()

    class Meta(AssignmentOut.Meta):
        fields = [*AssignmentOut.Meta.fields, "allowed_acts"]

    def get_allowed_acts(self, row) -> list[dict]:
        wrong = {"access.approve_assignment", "access.approve_organisation_assignment"} - {
            queries.approval_of(row).act
        }
        return [a for a in allowed_acts(self.context["view"].actor, row) if a["act"] not in wrong]


class AssignmentInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    duty = serializers.CharField(max_length=20)
    on = serializers.CharField(max_length=80, help_text="organisation, models/lotx or datasets/trial.")
    reason = serializers.CharField(max_length=2000)
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, default=None, allow_null=True)


class ApproveInput(serializers.Serializer):
    assignments = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=approving.MAX_ID),
        min_length=1,
        max_length=approving.MOST,
        help_text="Ids of the requests.",
    )


class NotApprovedOut(serializers.Serializer):
    assignment = serializers.CharField()
    status = serializers.IntegerField(help_text="What the approval of this one alone would answer.")
    what = serializers.CharField()
    fact = serializers.CharField()
    rule = serializers.CharField()
    rule_text = serializers.CharField(help_text="What the rule says, as pages and mails say it.")
    eligible = serializers.ListField(child=serializers.CharField(), help_text="Who may.")


class ApprovedOut(serializers.Serializer):
    told = serializers.CharField(help_text="In one sentence, which are approved and which are not.")
    approved = serializers.ListField(child=serializers.CharField())
    refused = NotApprovedOut(many=True)


ORDER = {"id": "pk", "starts_at": "starts_at", "ended_at": "ended_at"}
STATES = [state.value for state in Assignment.State]
NARROW = [
    OpenApiParameter("person", str, description="Username."),
    OpenApiParameter("duty", str, enum=[d.value for d in duties.Duty]),
    OpenApiParameter("state", str, enum=STATES),
    OpenApiParameter("on", str, description="organisation, models/lotx or datasets/trial."),
    OpenApiParameter(
        "over", str, enum=["yes", "no"], description="Ended, refused or run out; no: none of these."
    ),
    OpenApiParameter("ordering", str, enum=[f"{sign}{name}" for name in ORDER for sign in ("", "-")]),
]


def place(actor, on: str):
    """The visible parent that `on` names: the organisation, models/<slug> or datasets/<slug>."""
    if on == "organisation":
        return ORGANISATION_SUBJECT
    kind, _, slug = on.partition("/")
    if kind not in PLACES or not slug:
        raise BadInput(fields={"on": ["organisation, models/<short name> or datasets/<short name>."]})
    found = visible(actor, apps.get_model(queries.PARENTS[PLACES[kind]])).filter(slug=slug).first()
    if found is None:
        raise NotVisible()
    return found


def _decision(summary: str, body):
    return extend_schema(
        tags=["assignments"],
        summary=summary,
        request=body,
        responses=AssignmentDetail,
        parameters=[IDEMPOTENCY],
    )


@extend_schema_view(
    list=extend_schema(tags=["assignments"], summary="Duties the caller may see", parameters=NARROW),
    retrieve=extend_schema(tags=["assignments"], summary="One duty", responses=AssignmentDetail),
)
class Assignments(GateViewSet):
    """Duties: requested by one person, approved by another, ended with a reason."""

    model = Assignment
    select_related = ("person", "requester", "approver", "ended_by")

    def get_serializer_class(self):
        return AssignmentOut if self.action == "list" else AssignmentDetail

    def get_queryset(self):
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        if duty := one_of(self.request, "duty", [d.value for d in duties.Duty]):
            rows = rows.filter(duty=duty)
        if state := one_of(self.request, "state", STATES):
            rows = rows.filter(state=state)
        if person := self.request.query_params.get("person", ""):
            rows = rows.filter(person__username__iexact=person)
        if on := self.request.query_params.get("on", ""):
            parent = place(self.actor, on)
            rows = rows.on(parent.subject_kind, parent.pk)
        if over := one_of(self.request, "over", ["yes", "no"]):
            rows = rows.filter(queries.past()) if over == "yes" else rows.exclude(queries.past())
        return ordered(self.request, rows, ORDER, "-id")

    @_decision("Request a duty for a person", AssignmentInput)
    def create(self, request, *args, **kwargs):
        on = said(request, "on")
        if on:  # which parent is asked first: hence whether the caller may at all
            parent = place(self.actor, on)
            kind = "organisation_assignment" if parent is ORGANISATION_SUBJECT else "assignment"
            given = self.given(AssignmentInput, f"access.request_{kind}", parent)
        else:
            given = self.given(AssignmentInput)
        del given["on"]
        person = User.objects.filter(username__iexact=given.pop("person"), is_service=False).first()
        given["person_id"] = person.pk if person else 0
        if parent is ORGANISATION_SUBJECT:
            made = acts.request_organisation_assignment(self.actor, **given, **self.key())
        else:
            where = {"scope_kind": parent.subject_kind, "scope_id": parent.pk}
            made = acts.request_assignment(self.actor, **given, **where, **self.key())
        return self.answer(made, status=201)

    def _act(self, name: str, body=None):
        row = self.get_object()  # before the input is judged: what one may not see is not there
        given = self.given(body, f"access.{name}", row) if body else {}
        getattr(acts, name)(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @_decision("Approve a requested duty (not with a token)", None)
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        return self._act(queries.approval_of(self.get_object()).act.removeprefix("access."))

    @extend_schema(
        operation_id="assignments_approve_many",
        tags=["assignments"],
        summary="Approve several requested duties, each by an act of its own (not with a token)",
        description="One that is refused stops none of the others: every one is answered for itself.",
        request=ApproveInput,
        responses=ApprovedOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=False, methods=["post"], url_path="approve", url_name="approve-many")
    def approve_many(self, request):
        refuse_at_front(self.actor, "access.approve_assignment")
        numbers = self.given(ApproveInput)["assignments"]
        key = self.key().get("idempotency_key", "")
        answers = approving.approve_many(self.actor, numbers, idempotency_key=key)
        return Response(
            {
                "told": approving.told(answers),
                "approved": [each.ref for each in answers if each.refused is None],
                "refused": [
                    {
                        "assignment": each.ref,
                        "status": each.refused.status,
                        "what": each.refused.what,
                        "fact": each.refused.fact,
                        "rule": each.refused.rule,
                        "rule_text": rule_words(each.refused.rule),
                        "eligible": list(each.refused.who),
                    }
                    for each in answers
                    if each.refused is not None
                ],
            }
        )

    @_decision("Refuse a requested duty (not with a token)", ReasonInput)
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        return self._act("refuse_assignment", ReasonInput)

    @_decision("End a duty now", ReasonInput)
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        return self._act("end_assignment", ReasonInput)


def register(router) -> None:
    router.register("people", People, basename="person")
    router.register("assignments", Assignments, basename="assignment")
