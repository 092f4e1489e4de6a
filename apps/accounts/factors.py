"""What a person shows besides the password, resets of what was lost, and accounts of identity providers.

A factor's secret is sealed (`apps.accounts.sealing`); the sealed text is part of the history, so that a factor changed
behind the portal is seen before it is used (`apps.trail.standing`).
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.trail.history import history

SCOPE = "organisation:0"


class Factor(models.Model):
    """An authenticator app (TOTP) or a passkey (WebAuthn) of one person; proved when it was added."""

    subject_kind = "accounts.factor"

    class Kind(models.TextChoices):
        TOTP = "totp", "One-time codes"
        PASSKEY = "passkey", "Passkey"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="factors")
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=80)
    sealed = models.TextField(blank=True, default="")  # of TOTP: the secret, encrypted
    credential_id = models.CharField(max_length=1400, blank=True, default="")  # of a passkey, base64url
    credential = models.TextField(
        blank=True, default=""
    )  # of a passkey: AAGUID, id and public key, base64url
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_cause = models.CharField(max_length=120, blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["credential_id"], condition=~Q(credential_id=""), name="factor_credential_once"
            ),
        ]
        indexes = [models.Index(fields=["person", "ended_at"], name="factor_of_person")]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"factor {self.pk}"

    @property
    def scope(self) -> str:
        return SCOPE


class FactorUse(models.Model):
    """How far a factor was used (bookkeeping): a code's step works once, a passkey's counter only grows."""

    factor = models.OneToOneField(Factor, on_delete=models.PROTECT, related_name="use")
    last_step = models.BigIntegerField(default=0)
    sign_count = models.BigIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True, blank=True)


class RecoveryCode(models.Model):
    """A code that lets a person in once when the second factor is lost; kept as a hash, shown once."""

    subject_kind = "accounts.recovery_code"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="recovery_codes"
    )
    hashed = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    history = history()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["person", "used_at", "ended_at"], name="recovery_of_person")]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"recovery code {self.pk}"

    @property
    def scope(self) -> str:
        return SCOPE


class Reset(models.Model):
    """A lost password or second factor: asked for by one person, approved by a second (21 CFR 11.200(a)(3))."""

    subject_kind = "accounts.reset"

    class What(models.TextChoices):
        PASSWORD = "password", "Password"
        FACTORS = "factors", "Second factors"

    class State(models.TextChoices):
        REQUESTED = "requested", "Asked for"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="resets")
    what = models.CharField(max_length=10, choices=What)
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "what"], condition=Q(state="requested"), name="reset_asked_once"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None)
                | (~Q(decided_by=models.F("requested_by")) & ~Q(decided_by=models.F("person"))),
                name="reset_decided_by_third",
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"R-{self.pk}"

    @property
    def scope(self) -> str:
        return SCOPE


class SignOnLink(models.Model):
    """The account of an identity provider that opens this account: proposed by one, confirmed by the person."""

    subject_kind = "accounts.link"

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        CONFIRMED = "confirmed", "Confirmed"
        ENDED = "ended", "Ended"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="links")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True, default="")  # empty where the person ended their own
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], condition=~Q(state="ended"), name="link_subject_once"
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"sign-on {self.pk}"

    @property
    def scope(self) -> str:
        return SCOPE
