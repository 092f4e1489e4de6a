"""What every viewset shares: rows from the gate only, acts only, one paging."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from apps.access import gate, reasons
from apps.access.acting import refuse_first
from apps.access.previewing import Preview
from apps.access.signing import SignatureInput
from apps.api.auth import actor_of
from apps.core.errors import BadInput, NotVisible
from apps.core.rulewords import rule_words

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Asked again with the same key, the act answers the same and happens once.",
)


class GateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Read access through `gate.visible`; changes only by acts, each its own POST. `model` names the rows."""

    model = None
    select_related: tuple[str, ...] = ()
    prefetch_related: tuple[str, ...] = ()
    http_method_names = ["get", "post", "head", "options"]

    @property
    def actor(self):
        return actor_of(self.request)

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()
        rows = gate.visible(self.actor, self.model)
        if self.select_related:
            rows = rows.select_related(*self.select_related)
        if self.prefetch_related:
            rows = rows.prefetch_related(*self.prefetch_related)
        return rows.order_by("-pk")

    def get_object(self):
        rows = self.filter_queryset(self.get_queryset())
        try:
            return rows.get(**{self.lookup_field: self.kwargs[self.lookup_url_kwarg or self.lookup_field]})
        except (self.model.DoesNotExist, ValueError):
            raise NotVisible() from None

    def given(self, serializer_class, act: str = "", subject=None, *others: str) -> dict:
        """The checked input of `act` on `subject`. Who may not do it hears that, whatever is wrong with the input.

        others: acts that the input might have meant as well.
        """
        with self.asking(act, subject, *others):
            return self._checked(serializer_class)

    @contextmanager
    def asking(self, act: str, subject, *others: str):
        """What is read of the input in here belongs to `act`: found to be bad, the gate is asked before it is told."""
        try:
            yield
        except (BadInput, serializers.ValidationError):
            if act and subject is not None:
                refuse_first(self.actor, act, subject, *others)
            raise

    def _checked(self, serializer_class) -> dict:
        """Fields nobody declared are an error, not silently dropped."""
        data = self.request.data
        unknown = set(data) - set(serializer_class().fields) if hasattr(data, "keys") else set()
        if unknown:
            raise BadInput(fields={name: ["This field is not known here."] for name in sorted(unknown)})
        serializer = serializer_class(data=data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def key(self) -> dict[str, str]:
        """idempotency_key= for an act, from the header."""
        return {"idempotency_key": self.request.headers.get("Idempotency-Key", "")}

    def answer(self, record, *, status: int = 200) -> Response:
        if isinstance(record, Preview):
            return Response(record.as_data())
        return Response(self.get_serializer(record).data, status=status)


def allowed_acts(actor, subject) -> list[dict]:
    """Every act on this record with its verdict: what a page shows as buttons."""
    return [
        {
            "act": v.act,
            "label": v.label,
            "allowed": v.allowed,
            "signs": v.signs,
            "needs_reason": v.needs_reason,
            "what": v.what,
            "fact": v.fact,
            "rule": v.rule,
            "rule_text": rule_words(v.rule),
            "eligible": list(v.who),
        }
        for v in gate.offers(actor, subject)
    ]


class ReasonInput(serializers.Serializer):
    reason = serializers.CharField(max_length=2000)


class ChangeFields(serializers.Serializer):
    """What a change of a record after its draft asks besides its own fields."""

    reason = serializers.CharField(max_length=2000)
    reason_code = serializers.ChoiceField(
        choices=reasons.choices(),
        default=reasons.OTHER,
        help_text="What kind of reason it is; it stands before the text wherever the reason is shown.",
    )
    dry_run = serializers.BooleanField(
        default=False,
        help_text="Nothing is done; the answer (200) is {changes: [{record, field, before, after}], digest}.",
    )
    confirmed = serializers.CharField(
        max_length=80,
        required=False,
        default="",
        allow_blank=True,
        help_text="The digest of a dry run: refused (409) where something else would change.",
    )


def change_of(given: dict) -> dict:
    """The arguments of the act that the fields of `ChangeFields` give, taken out of `given`."""
    reason = reasons.Reason(given.pop("reason_code"), given.pop("reason"))
    return {"reason": reason, "preview": given.pop("dry_run"), "confirmed": given.pop("confirmed")}


class SignatureFields(serializers.Serializer):
    """What signing asks: the digest that was shown, the decision, the password, and a one-time code of who has an
    authenticator app. Passkeys sign on the page of the record. A token cannot sign."""

    digest = serializers.RegexField(r"^sha256:[0-9a-f]{64}$")
    password = serializers.CharField(trim_whitespace=False, write_only=True)
    code = serializers.CharField(max_length=20, required=False, default="", allow_blank=True, write_only=True)
    decision = serializers.ChoiceField(choices=["approved", "rejected"], default="approved")
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


def signing(halves: Iterable[str], data: Any, prefix: str) -> tuple[str, ...]:
    """The acts that a signature of two halves may mean: the one of the half that was given, or all of them."""
    half = data.get("half") if hasattr(data, "get") else None
    return tuple(f"{prefix}{each}" for each in halves if half == each) or tuple(
        f"{prefix}{h}" for h in halves
    )


def entered(given) -> SignatureInput:
    """The signature that the fields of `SignatureFields` give."""
    return SignatureInput(
        digest=given["digest"], password=given["password"], decision=given["decision"], code=given["code"]
    )
