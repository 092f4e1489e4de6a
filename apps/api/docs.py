"""The API's documentation page, rendered from the OpenAPI schema by the server: no script, no third party."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer

METHODS = ("get", "post", "put", "patch", "delete")


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


class Kept(SchemaGenerator):
    """The description is the same for everybody as long as the process lives, and takes half a second to make."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        return _schema()


def _once(renderer: type[BaseRenderer]) -> type[BaseRenderer]:
    """The renderer, writing the description once; what else is answered, a refusal, is written each time."""
    kept = lru_cache(maxsize=1)(lambda: renderer().render(_schema(), renderer_context={}))

    class Once(renderer):  # type: ignore[misc, valid-type]
        def render(self, data: Any, media_type: Any = None, renderer_context: Any = None) -> Any:
            return kept() if data is _schema() else super().render(data, media_type, renderer_context)

    return Once


class Schema(SpectacularAPIView):
    generator_class = Kept
    renderer_classes = [_once(each) for each in SpectacularAPIView.renderer_classes]


def _name(schema: dict[str, Any] | None) -> str:
    """A type in a few words: `Version`, `list of Version`, `text`."""
    if not schema:
        return ""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "allOf" in schema:
        return _name(schema["allOf"][0])
    if schema.get("type") == "array":
        return f"list of {_name(schema.get('items'))}"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "object": "object",
    }
    kind = words.get(schema.get("type", ""), "any")
    if schema.get("format"):
        kind += f" ({schema['format']})"
    if schema.get("enum"):
        kind += ": " + ", ".join(str(value) for value in schema["enum"] if value not in ("", None))
    return kind


def _fields(schema: dict[str, Any] | None, components: dict[str, Any]) -> list[dict[str, Any]]:
    """The properties of a request or answer, one level deep."""
    if not schema:
        return []
    if "$ref" in schema:
        schema = components.get(schema["$ref"].rpartition("/")[2], {})
    required = set(schema.get("required", ()))
    return [
        {
            "name": name,
            "type": _name(each),
            "required": name in required,
            "about": each.get("description", ""),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def operations() -> list[dict[str, Any]]:
    """Every operation by tag: method, path, summary, parameters, fields of the request, answers."""
    schema = _schema()
    components = schema.get("components", {}).get("schemas", {})
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in schema["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            said = item[method]
            body = said.get("requestBody", {}).get("content", {})
            kind, content = next(iter(body.items()), ("", {}))
            answers = []
            for status, answer in said.get("responses", {}).items():
                given = next(iter(answer.get("content", {}).values()), {}).get("schema")
                answers.append(
                    {"status": status, "type": _name(given), "about": answer.get("description", "")}
                )
            groups.setdefault(said.get("tags", ["other"])[0], []).append(
                {
                    "id": said["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "about": said.get("summary") or said.get("description", ""),
                    "parameters": [
                        {
                            "name": p["name"],
                            "where": p["in"],
                            "required": p.get("required", False),
                            "type": _name(p.get("schema")),
                            "about": p.get("description", ""),
                        }
                        for p in said.get("parameters", ())
                    ],
                    "kind": kind,
                    "fields": _fields(content.get("schema"), components),
                    "answers": answers,
                }
            )
    return [{"tag": tag, "operations": listed} for tag, listed in sorted(groups.items())]


@login_required
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api/docs.html", {"groups": operations(), "version": _schema()["info"]["version"]})
