"""The description of the interface: valid, and changed only on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

SNAPSHOT = Path(__file__).parent / "openapi.json"
REFRESH = (
    "DJANGO_SETTINGS_MODULE=portal.settings.test python manage.py spectacular"
    " --format openapi-json --file tests/api/openapi.json"
)


@pytest.fixture(scope="module")
def schema() -> dict:
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))


def test_the_description_is_valid_openapi(schema):
    validate_schema(schema)


def test_the_interface_changed_only_on_purpose(schema):
    """A change is read in the difference of the file, which is made anew by the command in REFRESH."""
    kept = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    gone = sorted(set(kept["paths"]) - set(schema["paths"]))
    new = sorted(set(schema["paths"]) - set(kept["paths"]))
    changed = [path for path in kept["paths"] if kept["paths"][path] != schema["paths"].get(path)]
    parts = [schema["components"]["schemas"], kept["components"]["schemas"]]
    other = sorted(name for name in {*parts[0], *parts[1]} if parts[0].get(name) != parts[1].get(name))
    told = f"gone {gone}, new {new}, changed {sorted(set(changed) - set(gone))}, of the parts {other}."
    if schema != kept:  # not by assert, which would print both descriptions
        pytest.fail(f"{told} If that is meant: {REFRESH}", pytrace=False)


def test_every_post_says_how_it_repeats(schema):
    """Every act takes an Idempotency-Key, except reads that are entered, the store of files, and the exchange of a
    CI job's identity, which is good for one token whatever key is sent."""
    without = {
        path
        for path, item in schema["paths"].items()
        if "post" in item
        and not any(p["name"] == "Idempotency-Key" for p in item["post"].get("parameters", ()))
    }
    assert {path.rsplit("/", 1)[-1] for path in without} <= {
        "download", "cases", "profile", "uploads", "export", "simulate", "evidence", "token", "file",
    }  # fmt: skip
