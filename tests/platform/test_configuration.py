"""docs/configuration.md lists the variables the code reads: no more, no fewer."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READERS = {"text", "integer", "names", "secret"}
FOREIGN = {"DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER", "COUNTERSIGN_TEST_DATA"}


def variables_read() -> set[str]:
    """Names passed to env.text/integer/names/secret or to os.environ, in portal/ and apps/."""
    found = set()
    for path in [*(ROOT / "portal").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= set(_names(node))
    return found - FOREIGN


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        owner = ast.unparse(node.func.value)
        reads = (owner == "env" and node.func.attr in READERS) or (
            owner == "os.environ" and node.func.attr == "get"
        )
        if reads and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
            yield name
            if node.func.attr == "secret":
                yield f"{name}_FILE"
    # os.environ["X"] being read (not set for a child)
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and ast.unparse(node.value) == "os.environ"
        and isinstance(node.slice, ast.Constant)
    ):
        yield str(node.slice.value)


def variables_documented() -> set[str]:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return {
        name
        for row in re.findall(r"(?m)^\| (`[^|]+) \|", text)
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)
    }


def test_every_variable_is_documented_and_every_documented_one_is_read():
    assert {"DATABASE_URL", "REDIS_URL", "COUNTERSIGN_DATA", "SECRET_KEY_FILE"} <= variables_documented()
    assert variables_documented() == variables_read()


GOOD = {
    "DJANGO_SETTINGS_MODULE": "portal.settings.prod",
    "SECRET_KEY": "a-secret-of-our-own-0123456789-abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": "portal.example",
    "DATABASE_URL": "postgres://someone@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a fresh interpreter with exactly these variables."""
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment = {k: v for k, v in {**inherited, **GOOD, **changes}.items() if v != ""}
    code = "from django.conf import settings; print(settings.DEMO, settings.ENVIRONMENT_LABEL)"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_production_settings_load_with_a_full_configuration():
    result = start()
    assert (result.returncode, result.stdout.strip()) == (0, "False PRODUCTION"), result.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be your own"),
        ({"SECRET_KEY": "demo-only-not-a-secret-demo-only-not-a-secret-demo"}, "SECRET_KEY must be your own"),
        (
            {"SECRET_KEY_FILE": "/nowhere/secret"},
            "SECRET_KEY_FILE names /nowhere/secret, which cannot be read",
        ),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS must list"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must list"),
        ({"DATABASE_URL": "sqlite:////tmp/x.sqlite3"}, "must name a PostgreSQL database"),
        ({"DATABASE_URL": "mysql://localhost/x"}, "DATABASE_URL must name SQLite"),
        ({"REDIS_URL": ""}, "REDIS_URL must name"),
        ({"SECOND_FACTOR": "offered"}, 'SECOND_FACTOR must be "required"'),
        ({"SECOND_FACTOR": "none"}, 'SECOND_FACTOR must be "required" or "offered"'),
        ({"OIDC_PROVIDERS": "{}"}, "OIDC_PROVIDERS must be a list"),
        ({"OIDC_PROVIDERS": "no"}, "OIDC_PROVIDERS is not JSON"),
        (
            {
                "OIDC_PROVIDERS": '[{"key": "x", "name": "X", "issuer": "http://x.example/", "client_id": "c"}]'
            },
            "must begin with https://",
        ),
        ({"JOB_LEASE_SECONDS": "soon"}, "JOB_LEASE_SECONDS must be a whole number, not 'soon'"),
    ],
)
def test_production_refuses_what_only_suits_a_demo(change: dict[str, str], sentence: str):
    result = start(**change)
    assert result.returncode != 0
    assert sentence in result.stderr


def test_running_without_second_factors_needs_a_stated_reason():
    assert start(SECOND_FACTOR="offered", SECOND_FACTOR_REASON="A trial without signatures").returncode == 0


def test_a_secret_can_come_from_a_file(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(GOOD["SECRET_KEY"] + "\n", encoding="utf-8")
    assert start(SECRET_KEY="", SECRET_KEY_FILE=str(file)).returncode == 0
