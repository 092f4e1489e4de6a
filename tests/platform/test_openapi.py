"""The API's description is valid OpenAPI (checked by a reader that is not its writer) and says what callers need."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import validate

METHODS = ("get", "post", "put", "patch", "delete")


@cache
def description() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description()["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def test_it_is_valid_openapi():
    validate(description())
    assert len(dict(operations())) > 30


def test_every_operation_names_both_ways_to_authenticate():
    assert set(description()["components"]["securitySchemes"]) == {"token", "session"}
    open_doors = [name for name, each in operations() if not each.get("security") or {} in each["security"]]
    # A CI job has no token yet: the identity in the body is what it shows.
    assert open_doors == ["POST /api/v1/ci/token"]


def test_every_operation_has_a_name_of_its_own():
    names = [each["operationId"] for _, each in operations()]
    assert len(names) == len(set(names))
    assert [name for name, each in operations() if not each.get("summary")] == []


def test_no_operation_sets_a_state():
    """State changes by acts, each its own POST: nothing is put, patched or deleted."""
    assert [name for name, _ in operations() if name.split()[0] in ("PUT", "PATCH", "DELETE")] == []
