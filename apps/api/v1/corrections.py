"""Corrections of printed names and addresses."""

from __future__ import annotations

from rest_framework import serializers

from apps.access import acts
from apps.access.previewing import Preview
from apps.accounts.corrections import Correction
from apps.api.base import ChangeFields, change_of
from apps.api.v1.account_requests import FIRST, LAST, AccountRequests, RequestOut, described, person_named


class CorrectionOut(RequestOut):
    class Meta:
        model = Correction
        fields = [*FIRST, "printed_name", "email", "name_before", "email_before", *LAST]


class CorrectionInput(ChangeFields):
    person = serializers.CharField(max_length=80, help_text="Username.")
    printed_name = serializers.CharField(
        max_length=120, required=False, default="", allow_blank=True, help_text="Empty: stays as it is."
    )
    email = serializers.CharField(
        max_length=254, required=False, default="", allow_blank=True, help_text="Empty: stays as it is."
    )


@described("correction", CorrectionInput, CorrectionOut)
class Corrections(AccountRequests):
    """A printed name or address corrected: asked for by an administrator, decided by a compliance officer."""

    model = Correction
    noun = "correction"
    decisions = {
        "approve": acts.approve_correction,
        "refuse": acts.refuse_correction,
        "withdraw": acts.withdraw_correction,
    }
    serializer_class = CorrectionOut

    def create(self, request, *args, **kwargs):
        person = person_named(self.actor, request)
        given = self.given(CorrectionInput, "access.request_correction", person)
        made = acts.request_correction(
            self.actor,
            person.pk,
            printed_name=given["printed_name"],
            email=given["email"],
            **change_of(given),
            **self.key(),
        )
        if isinstance(made, Preview):
            return self.answer(made)
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)


def register(router) -> None:
    router.register("corrections", Corrections, basename="correction")
