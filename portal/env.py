"""Typed reading of the environment. Every variable the portal knows is named here and in docs/configuration.md."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
_env = environ.Env()


def secret(name: str, default: str | None = None) -> str:
    """A secret from NAME, or from the file named by NAME_FILE; a named but unreadable file is fatal."""
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        try:
            return Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {file_name}, which cannot be read: {error}"
            ) from error
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. Set {name} or {name}_FILE.")
    return value


def data_folder() -> Path:
    """COUNTERSIGN_DATA: blob store, vault, keys, run files (default: var/ beside manage.py)."""
    return Path(os.environ.get("COUNTERSIGN_DATA") or ROOT / "var").resolve()


def database() -> dict:
    """DATABASE_URL as a Django database setting; SQLite runs in WAL with IMMEDIATE transactions."""
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{data_folder() / 'countersign.sqlite3'}"
    try:
        config = _env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    elif config["ENGINE"].endswith("postgresql"):
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured(
            "DATABASE_URL must name SQLite (sqlite:///…) or PostgreSQL (postgres://…)."
        )
    return config


def redis_url() -> str:
    """REDIS_URL of the broker; the demo's supervisor sets it for its embedded broker."""
    return os.environ.get("REDIS_URL", "")


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def integer(name: str, default: int) -> int:
    raw = os.environ.get(name)
    if raw in (None, ""):
        return default
    try:
        return int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}.") from error


def names(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


PROVIDER_FIELDS = {
    "key",
    "name",
    "issuer",
    "client_id",
    "client_secret",
    "second_factor_amr",
    "second_factor_acr",
}


def oidc_providers(raw: str) -> list[dict]:
    """Identity providers as JSON: a list of objects with key, name, issuer, client_id, client_secret.

    `second_factor_amr` and `second_factor_acr`: values of these claims that count as a second factor (lists of text).
    """
    name = "OIDC_PROVIDERS"
    if not raw:
        return []
    try:
        given = json.loads(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON: {error}") from error
    if not isinstance(given, list):
        raise ImproperlyConfigured(f"{name} must be a list of identity providers.")
    for one in given:
        wanted = {"key", "name", "issuer", "client_id"}
        if not isinstance(one, dict) or not wanted <= set(one) <= PROVIDER_FIELDS:
            raise ImproperlyConfigured(
                f"{name}: each provider needs key, name, issuer and client_id, and may have client_secret, "
                "second_factor_amr and second_factor_acr."
            )
        for field in ("second_factor_amr", "second_factor_acr"):
            values = one.setdefault(field, [])
            if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
                raise ImproperlyConfigured(f"{name}: {field} of {one['key']!r} must be a list of text.")
        one.setdefault("client_secret", "")
        for field in ("key", "name", "issuer", "client_id", "client_secret"):
            if not isinstance(one[field], str):
                raise ImproperlyConfigured(f"{name}: {field} must be text.")
        if not re.fullmatch(r"[a-z0-9-]{1,40}", one["key"]):
            raise ImproperlyConfigured(
                f"{name}: key {one['key']!r} must be 1 to 40 small letters, digits or dashes."
            )
        if not re.match(r"https://|http://(localhost|127\.0\.0\.1)[:/]", one["issuer"]):
            raise ImproperlyConfigured(f"{name}: issuer {one['issuer']!r} must begin with https://.")
    if len({one["key"] for one in given}) != len(given):
        raise ImproperlyConfigured(f"{name}: two providers have the same key.")
    return given
