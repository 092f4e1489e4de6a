"""Training: the matrix in force, how people stand against it, and what was recorded."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access import acts
from apps.access import training_queries as reads
from apps.access import training_versions as past
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.models import Assignment, TrainingMatrix, TrainingRecord
from apps.access.previewing import Preview
from apps.access.training import State, book_in_force, shipped
from apps.accounts.models import User
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, change_of
from apps.api.lookup import one_of, ordered
from apps.core import blobs
from apps.core.downloads import attachment
from apps.core.errors import NotVisible
from apps.registry.models import Model

KINDS = list(shipped().kinds)
OWN = [kind.id for kind in shipped().kinds.values() if kind.own]


class TrainingOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    model = serializers.CharField(
        source="place_told", help_text="Whose limits were taught; empty: no model's."
    )
    recorded_by = serializers.CharField(source="recorded_by.username")
    corrects = serializers.SerializerMethodField(help_text="The earlier record that this one replaces.")
    corrected_by = serializers.SerializerMethodField(help_text="The later record that replaces this one.")

    class Meta:
        model = TrainingRecord
        fields = [
            "id",
            "ref",
            "person",
            "kind",
            "model",
            "edition",
            "completed_on",
            "expires_on",
            "evidence",
            "file_name",
            "file_digest",
            "recorded_by",
            "recorded_at",
            "corrects",
            "corrected_by",
            "void",
        ]

    def get_corrects(self, row) -> str:
        return row.corrects.ref if row.corrects else ""

    def get_corrected_by(self, row) -> str:
        later = getattr(row, "corrected_by", None)
        return later.ref if later else ""


class TrainingInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username; never one's own.")
    kind = serializers.ChoiceField(choices=[kind for kind in KINDS if kind not in OWN])
    model = serializers.CharField(
        max_length=60, required=False, default="", allow_blank=True, help_text="Short name, for limits_…"
    )
    edition = serializers.CharField(max_length=20, required=False, default="", allow_blank=True)
    completed_on = serializers.DateField()
    expires_on = serializers.DateField(
        required=False, allow_null=True, default=None, help_text="Missing: reckoned from the kind."
    )
    evidence = serializers.CharField(max_length=4000)
    corrects_id = serializers.IntegerField(required=False, allow_null=True, default=None)
    void = serializers.BooleanField(
        required=False, default=False, help_text="Only take back what it corrects."
    )
    file = serializers.FileField(required=False, help_text="In a multipart form.")


class PolicyInput(serializers.Serializer):
    edition = serializers.CharField(max_length=40, help_text="The edition that was read.")


@extend_schema_view(
    list=extend_schema(
        tags=["training"],
        summary="Training records the caller may see, newest first",
        parameters=[
            OpenApiParameter("person", str, description="Username."),
            OpenApiParameter("kind", str, enum=KINDS),
        ],
    ),
    retrieve=extend_schema(tags=["training"], summary="One training record"),
)
class Trainings(GateViewSet):
    """What people were trained in. Records are never edited; a later one corrects an earlier one."""

    model = TrainingRecord
    serializer_class = TrainingOut
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return TrainingRecord.objects.none()
        rows = reads.with_places(self.actor, visible(self.actor, TrainingRecord)).order_by("-pk")
        rows = rows.select_related("person", "recorded_by", "corrects", "corrected_by")
        if self.action == "list":
            if kind := one_of(self.request, "kind", KINDS):
                rows = rows.filter(kind=kind)
            if person := self.request.query_params.get("person", ""):
                rows = rows.filter(person__username__iexact=person)
        return rows

    @extend_schema(
        tags=["training"],
        summary="Record a training of another person, or correct an earlier record",
        request={"application/json": TrainingInput, "multipart/form-data": TrainingInput},
        responses={201: TrainingOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        person = self._person(request)
        given = self.given(TrainingInput, "access.record_training", person)
        given.pop("person")
        with self.asking("access.record_training", person):
            slug = given.pop("model")
            model = visible(self.actor, Model).filter(slug=slug).values_list("pk", flat=True).first()
        file = given.pop("file", None)
        stored = blobs.put(file, limit=settings.UPLOAD_LIMIT_FILE) if file else None
        made = acts.record_training(
            self.actor,
            person.pk,
            model_id=(model or -1) if slug else 0,
            file_digest=stored.digest if stored else "",
            file_name=file.name if file else "",
            **given,
            **self.key(),
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    def _person(self, request) -> User:
        named = request.data.get("person", "") if hasattr(request.data, "get") else ""
        rows = visible(self.actor, User).filter(is_service=False)
        found = rows.filter(username__iexact=named).first() if isinstance(named, str) and named else None
        if found is None:
            raise NotVisible()
        return found

    @extend_schema(
        tags=["training"],
        summary="Accept the signature policy oneself (not with a token)",
        request=PolicyInput,
        responses={201: TrainingOut},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=False, methods=["post"], url_path="accept-policy")
    def accept_policy(self, request):
        given = self.given(PolicyInput)
        made = acts.accept_signature_policy(self.actor, self.actor.pk, edition=given["edition"], **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["training"],
        summary="The file that shows a training; every fetching is logged",
        request=None,
        responses={(200, "application/octet-stream"): bytes},
    )
    @action(detail=True, methods=["post"])
    def evidence(self, request, pk=None):
        return attachment(acts.read_training_evidence(self.actor, self.get_object().pk))


class MatrixOut(serializers.ModelSerializer):
    adopted_by = serializers.CharField(source="adopted_by.username")
    duties = serializers.DictField(
        source="body.duties", child=serializers.ListField(child=serializers.CharField())
    )
    editions = serializers.DictField(source="body.editions", child=serializers.CharField())
    policy = serializers.CharField(source="body.policy", help_text="Text of the signature policy.")

    class Meta:
        model = TrainingMatrix
        fields = [
            "version",
            "digest",
            "reason",
            "adopted_by",
            "adopted_at",
            "duties",
            "editions",
            "policy",
        ]


class NeedChangeOut(serializers.Serializer):
    what = serializers.CharField(help_text="A duty, or the edition of a training.")
    before = serializers.CharField()
    after = serializers.CharField()


class PolicyLineOut(serializers.Serializer):
    kind = serializers.CharField(help_text="same, added or removed.")
    text = serializers.CharField()


class FollowingOut(serializers.Serializer):
    until = serializers.DateTimeField(allow_null=True, help_text="Null: it is in force.")
    version = serializers.IntegerField(allow_null=True, help_text="Of the next one.")
    changes = NeedChangeOut(many=True)
    policy = PolicyLineOut(many=True, help_text="The signature policy line by line; empty: unchanged.")


class MatrixInput(ChangeFields):
    seen = serializers.IntegerField(min_value=0, help_text="Version in force that was read; 0: none.")
    duties = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(max_length=30)),
        help_text="Duty, or board_member, to the kinds it needs; one left out needs none.",
    )
    editions = serializers.DictField(child=serializers.CharField(max_length=40), required=False)
    policy = serializers.CharField(max_length=8000, required=False)


@extend_schema_view(
    list=extend_schema(
        tags=["training"],
        summary="Versions of the training matrix, newest first",
        parameters=[
            OpenApiParameter("adopted_by", str, description="Username of who put it into force."),
            OpenApiParameter("ordering", str, enum=["version", "-version"]),
        ],
    ),
    retrieve=extend_schema(tags=["training"], summary="One version of the training matrix"),
)
class Matrices(GateViewSet):
    """Which duty needs which training. The newest version is in force; without one nothing is asked."""

    model = TrainingMatrix
    serializer_class = MatrixOut
    select_related = ("adopted_by",)
    lookup_field = "version"
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        if by := self.request.query_params.get("adopted_by", ""):
            rows = rows.filter(adopted_by__username__iexact=by)
        return ordered(self.request, rows, {"version": "version"}, "-version")

    @extend_schema(
        tags=["training"],
        summary="Put a training matrix into force (not with a token)",
        request=MatrixInput,
        responses={201: MatrixOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(MatrixInput, "access.adopt_training_matrix", ORGANISATION_SUBJECT)
        why, needs = change_of(given), given.pop("duties")
        made = acts.adopt_training_matrix(self.actor, needs=needs, **why, **given, **self.key())
        if isinstance(made, Preview):
            return self.answer(made)
        self.kwargs["version"] = made.version
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["training"],
        summary="How long a version was in force, and what the next one changed",
        responses=FollowingOut,
    )
    @action(detail=True)
    def following(self, request, version=None):
        found = self.get_object()
        each = past.version(self.actor, found.version)
        if each is None:
            raise NotVisible()
        after = each.following.body if each.following else found.body
        shown = {
            "until": each.until,
            "version": each.following.version if each.following else None,
            "changes": past.changes(found.body, after),
            "policy": past.policy_lines(found.body.get("policy", ""), after.get("policy", "")),
        }
        return Response(FollowingOut(shown).data)


class StandingOut(serializers.Serializer):
    kind = serializers.CharField(source="kind.id")
    title = serializers.CharField(source="kind.title")
    state = serializers.ChoiceField(choices=[s.value for s in State])
    expires_on = serializers.DateField(source="record.expires_on", default=None, allow_null=True)
    record = serializers.CharField(source="record.ref", default="")


class HeldOut(serializers.Serializer):
    assignment = serializers.CharField(source="ref")
    person = serializers.CharField(source="person.username")
    duty = serializers.CharField()
    scope = serializers.CharField()
    binding = serializers.SerializerMethodField(help_text="A matrix is in force: what is not good blocks.")
    trainings = serializers.SerializerMethodField()

    def get_binding(self, _row) -> bool:
        return book_in_force().binding

    def get_trainings(self, row) -> list[dict]:
        return StandingOut(row.trainings, many=True).data


@extend_schema_view(
    list=extend_schema(
        tags=["training"],
        summary="Duties in force with the trainings they need and how each stands",
        parameters=[
            OpenApiParameter("person", str, description="Username."),
            OpenApiParameter("duty", str, enum=[d.value for d in Duty]),
            OpenApiParameter("state", str, enum=["gap", "none", *(s.value for s in State)]),
        ],
    ),
    retrieve=extend_schema(tags=["training"], summary="One duty with the trainings it needs"),
)
class Standings(GateViewSet):
    """The training matrix by person and duty (21 CFR 11.10(i))."""

    model = Assignment
    serializer_class = HeldOut
    http_method_names = ["get", "head", "options"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Assignment.objects.none()
        rows = reads.held(self.actor).order_by("person__printed_name", "pk")
        if person := self.request.query_params.get("person", ""):
            rows = rows.filter(person__username__iexact=person)
        if duty := one_of(self.request, "duty", [d.value for d in Duty]):
            rows = rows.filter(duty=duty)
        if state := one_of(self.request, "state", ["gap", "none", *(s.value for s in State)]):
            rows = reads.in_state(rows, state)
        return rows

    def paginate_queryset(self, queryset):
        return self._with_trainings(super().paginate_queryset(queryset))

    def get_object(self):
        return self._with_trainings([super().get_object()])[0]

    def _with_trainings(self, rows):
        found = reads.standings(rows)
        for row in rows:
            row.trainings = found[row.pk]
        return rows


def register(router) -> None:
    router.register("trainings", Trainings, basename="training")
    router.register("training-matrices", Matrices, basename="training-matrix")
    router.register("training-standings", Standings, basename="training-standing")
