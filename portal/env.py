"""Typed reading of the environment. Every variable the portal knows is named here and in docs/configuration.md."""

from __future__ import annotations

import os
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
