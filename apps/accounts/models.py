"""Who you are. Duties are not here: they are assignments on an object (apps.access)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from apps.accounts import passwords
from apps.trail.history import history


class UserManager(BaseUserManager):
    def get_by_natural_key(self, username):
        return self.get(username__iexact=username)


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
    # Binds the password hash, which the history leaves out, to this account (apps.accounts.passwords).
    password_mark = models.CharField(max_length=64, blank=True, default="", editable=False)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["printed_name"]
    objects = UserManager()
    history = history(excluded_fields=["password", "last_login"])

    class Meta:
        constraints = [models.UniqueConstraint(Lower("username"), name="username_unique_in_any_case")]

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


class TokenUse(models.Model):
    """When a token was last used (bookkeeping)."""

    token = models.OneToOneField(ApiToken, on_delete=models.PROTECT, related_name="use")
    last_used_at = models.DateTimeField()
    last_address = models.GenericIPAddressField(null=True, blank=True)
