"""Who you are. Duties are not here: they are assignments on an object (apps.access)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from apps.accounts import passwords
from apps.core.clock import now
from apps.trail.history import history


class UserManager(BaseUserManager):
    def get_by_natural_key(self, username):
        return self.get(username__iexact=username)


IDENTITY_CHECKS = [
    ("document", "An identity document, seen in person"),
    ("video", "An identity document, seen in a video call"),
    ("known", "Known in person from working together"),
    ("personnel", "Confirmed by the personnel office, called back on its known number"),
    ("installation", "Named by whoever installed the portal"),
]


class User(AbstractBaseUser, PermissionsMixin):
    """A person, or a named service. Never deleted and never reissued (21 CFR 11.100(a)): deactivated.

    The superuser flag that Django knows opens nothing here: `access.gate` never asks for it.
    """

    subject_kind = "accounts.user"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    username = models.CharField(max_length=80, unique=True)
    printed_name = models.CharField(max_length=120)
    title = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    time_zone = models.CharField(max_length=60, default="UTC")
    is_service = models.BooleanField(default=False)
    is_demo = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    # Who made sure that the account belongs to this person, and how: before it, nothing can be signed with it.
    identity_confirmed_at = models.DateTimeField(null=True, blank=True)
    identity_confirmed_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    identity_checked = models.CharField(max_length=12, choices=IDENTITY_CHECKS, blank=True, default="")
    # Holds or held the duty of inspector: what this account looks at is entered while it does (apps.access.looking).
    inspects = models.BooleanField(default=False, editable=False)
    # Binds the password hash, which the history leaves out, to this account (apps.accounts.passwords).
    password_mark = models.CharField(max_length=64, blank=True, default="", editable=False)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["printed_name"]
    objects = UserManager()
    codes: list[str]  # recovery codes, set by the act that makes them, shown once, kept nowhere
    history = history(excluded_fields=["password", "last_login"])

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="username_unique_in_any_case"),
            # Links for passwords go there. An account that is out of use leaves its address to whom it belongs now.
            models.UniqueConstraint(
                Lower("email"),
                condition=models.Q(is_active=True) & ~models.Q(email=""),
                name="email_unique_in_any_case",
            ),
        ]

    def __str__(self):
        return self.printed_name

    @property
    def usable(self) -> bool:
        """Active, and no demo account outside demo settings."""
        return self.is_active and (settings.DEMO or not self.is_demo)

    def check_password(self, raw_password):
        """Compare only. The hash is renewed by an act, never as a side effect of a look."""
        good, _ = passwords.matches(self, raw_password)
        return good

    def set_password(self, raw_password):
        super().set_password(raw_password)
        self.password_mark = passwords.mark_of(self)

    def set_unusable_password(self):
        super().set_unusable_password()
        self.password_mark = passwords.mark_of(self)

    def name_at(self, moment):
        """The printed name of then, by the history: it may have been corrected since."""
        rows = self.history.filter(history_date__lte=moment).order_by("-history_id")
        return rows.values_list("printed_name", flat=True).first() or self.printed_name

    @property
    def ref(self):
        return f"@{self.username}"

    @property
    def scope(self):
        return "organisation:0"


class Lockout(models.Model):
    """Failed attempts of one account (bookkeeping): sign-in and signing count apart (21 CFR 11.300(d))."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="lockout")
    sign_in_failures = models.PositiveSmallIntegerField(default=0)
    sign_in_locked_until = models.DateTimeField(null=True, blank=True)
    signing_failures = models.PositiveSmallIntegerField(default=0)
    signing_locked_until = models.DateTimeField(null=True, blank=True)


class Throttle(models.Model):
    """How often something happened in a window of time (bookkeeping); `apps.access.throttle` counts in it."""

    key = models.CharField(max_length=120, unique=True)
    count = models.PositiveBigIntegerField()
    ends_at = models.BigIntegerField(db_index=True)  # seconds since 1970, by the portal's clock


class ApiToken(models.Model):
    """A personal access token: kept as a hash, shown once, expiring. It acts for its owner and can never sign."""

    subject_kind = "accounts.token"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    hashed = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    history = history()
    secret: str  # set by the act that makes the token, shown once, kept nowhere

    class Meta:
        ordering = ["-created_at"]

    def __str__(self):
        return f"token {self.name} ({self.prefix}…)"

    @property
    def ref(self):
        return f"token {self.prefix}"

    @property
    def scope(self):
        return "organisation:0"


class Enrolment(models.Model):
    """One enrolment link: asked for, sent to the person's own address, used once; its secret is kept as a hash."""

    subject_kind = "accounts.enrolment"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="enrolments")
    created_at = models.DateTimeField()
    hashed = models.CharField(max_length=64, blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)  # a newer link took its place, or none was needed
    failure = models.TextField(blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]

    def __str__(self):
        return self.ref

    @property
    def state(self) -> str:
        """waiting, sent, used, expired, ended or failed."""
        if self.used_at:
            return "used"
        if self.ended_at:
            return "ended"
        if self.failure:
            return "failed"
        if self.sent_at is None or self.expires_at is None:
            return "waiting"
        return "expired" if self.expires_at <= now() else "sent"

    @property
    def ref(self):
        return f"enrolment {self.pk}"

    @property
    def scope(self):
        return "organisation:0"


class SignedIn(models.Model):
    """A browser session of a person (bookkeeping): where and since when; `key` is empty once it has ended."""

    subject_kind = "accounts.session"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sessions")
    key = models.CharField(max_length=40, unique=True, null=True, blank=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    address = models.CharField(max_length=60, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cause = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["-began_at", "-pk"]
        indexes = [models.Index(fields=["user", "ended_at"])]

    def __str__(self):
        return self.ref

    @property
    def ref(self):
        return f"session {self.pk}"

    @property
    def scope(self):
        return "organisation:0"


class TokenUse(models.Model):
    """When a token was last used (bookkeeping)."""

    token = models.OneToOneField(ApiToken, on_delete=models.PROTECT, related_name="use")
    last_used_at = models.DateTimeField()
    last_address = models.GenericIPAddressField(null=True, blank=True)


# The models beside these, in files of their own.
from apps.accounts.corrections import Correction  # noqa: E402, F401
from apps.accounts.factors import Factor, FactorUse, RecoveryCode, Reset, SignOnLink  # noqa: E402, F401
from apps.accounts.services import CiTrust, ServiceAccount, TokenScope  # noqa: E402, F401
