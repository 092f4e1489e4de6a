"""Outside services that act for a person: pipelines and the like, their trusts, and what a token reaches.

A service is no user and holds no duty. It acts for its owner, through tokens, within its scope: the trail names the
owner and the service together, and what it does is done by the owner wherever deeds are counted.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.core.clock import now
from apps.trail.history import history

ORGANISATION_SCOPE = "organisation:0"


class Granted(models.Model):
    """What one person asks for and another approves."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        APPROVED = "approved", "Approved"
        SUSPENDED = "suspended", "Suspended"
        REFUSED = "refused", "Refused"
        ENDED = "ended", "Ended"

    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    # Who, when and why of a refusal, a suspension or the end.
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True, default="")

    class Meta:
        abstract = True

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE


class ServiceAccount(Granted):
    """A named service outside the portal: who answers for it, what for, which acts, on which objects, how long."""

    subject_kind = "accounts.service"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=40)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="services")
    purpose = models.TextField()
    acts = models.JSONField()  # ["registry.register_version", …], never empty
    objects_reached = models.JSONField()  # [["registry.model", 3], …], never empty
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["owner", "state"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=models.F("starts_at")), name="service_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(approver=None)
                | (~Q(approver=models.F("owner")) & ~Q(approver=models.F("requester"))),
                name="service_approver_is_third",
            ),
            # Never given to another service later, so that old entries of the trail stay unambiguous.
            models.UniqueConstraint(Lower("name"), condition=~Q(state="refused"), name="service_name_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"service {self.name}"

    def reaches(self) -> frozenset[tuple[str, int]]:
        return frozenset((kind, pk) for kind, pk in self.objects_reached)


class CiTrust(Granted):
    """Which identity of a CI system is this service: issuer, audience, and claims that must be exactly these."""

    subject_kind = "accounts.trust"

    service = models.ForeignKey(ServiceAccount, on_delete=models.PROTECT, related_name="trusts")
    issuer = models.CharField(max_length=200)
    audience = models.CharField(max_length=200)
    claims = models.JSONField()  # {"repository_id": "123", "ref": "refs/heads/main"}
    reason = models.TextField()
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(approver=None) | ~Q(approver=models.F("requester")),
                name="trust_approver_is_another",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref}: {self.issuer}"

    @property
    def ref(self) -> str:
        return f"trust {self.pk}"


class TokenScope(models.Model):
    """What narrows one access token, written once with it; a token without this row does all its owner may do by token.

    acts, objects_reached: empty means no narrowing beyond that of the service, if it belongs to one.
    """

    subject_kind = "accounts.token_scope"

    token = models.OneToOneField("accounts.ApiToken", on_delete=models.PROTECT, related_name="narrowed")
    service = models.ForeignKey(
        ServiceAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="token_scopes"
    )
    trust = models.ForeignKey(
        CiTrust, on_delete=models.PROTECT, null=True, blank=True, related_name="token_scopes"
    )
    replaces = models.ForeignKey(
        "accounts.ApiToken", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    acts = models.JSONField(default=list, blank=True)
    objects_reached = models.JSONField(default=list, blank=True)
    history = history()

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"scope of {self.token.ref}"

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE


def begun(service: ServiceAccount, at: datetime | None = None) -> bool:
    return service.starts_at <= (at or now())


def run_out(service: ServiceAccount, at: datetime | None = None) -> bool:
    return service.ends_at <= (at or now())
