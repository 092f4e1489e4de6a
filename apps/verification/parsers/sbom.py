"""Bills of materials: CycloneDX JSON and SPDX 2.x JSON. Components with their versions and licences."""

from __future__ import annotations

from typing import Any

from apps.verification.parsers.found import MAX_DEPTH, Unreadable, clip, enough, result, zoned
from apps.verification.parsers.jsonread import objects, part, text

_UNSAID = ("", "NOASSERTION", "NONE")


def _summary(details: list[dict[str, Any]]) -> dict[str, Any]:
    enough(len(details), "components")
    if not details:
        raise Unreadable("The bill of materials lists no component.")
    return {
        "components": len(details),
        "without_version": sum(not each["version"] for each in details),
        "without_licence": sum(not each["licence"] for each in details),
    }


def _licences(given: Any, where: str) -> str:
    said = []
    for each in objects(given, where):
        own = part(each.get("license"))
        said.append(text(each.get("expression")) or text(own.get("id")) or text(own.get("name")))
    return clip(", ".join(filter(None, said)))


def _flat(given: Any, where: str, depth: int = 0) -> list[dict[str, Any]]:
    """Components with those inside them."""
    if depth > MAX_DEPTH:
        raise Unreadable(f"Components are nested more than {MAX_DEPTH} deep.")
    found = []
    for place, each in enumerate(objects(given, where), start=1):
        name = text(each.get("name"))
        if not name:
            raise Unreadable(f"“{where}”, entry {place}: a component without a name.")
        found.append(
            {
                "name": name,
                "version": text(each.get("version")),
                "licence": _licences(each.get("licenses"), f"{where} {place}.licenses"),
                "purl": text(each.get("purl")),
            }
        )
        if each.get("components"):
            found += _flat(each.get("components"), f"{where} {place}.components", depth + 1)
    return found


def parse_cyclonedx(found: dict[str, Any]) -> dict[str, Any]:
    """details: name, version, licence, purl."""
    meta = part(found.get("metadata"))
    tools = meta.get("tools")
    if isinstance(tools, dict):  # since 1.5
        tools = tools.get("components")
    named = objects(tools, "metadata.tools")
    details = _flat(found.get("components"), "components")
    return result(
        "cyclonedx-json",
        tool=", ".join(filter(None, (text(each.get("name")) for each in named))),
        tool_version=", ".join(filter(None, (text(each.get("version")) for each in named))),
        produced_at=zoned(meta.get("timestamp")),
        summary=_summary(details) | {"spec": text(found.get("specVersion"))},
        details=details,
    )


def parse_spdx(found: dict[str, Any]) -> dict[str, Any]:
    """details as of CycloneDX. A licence concluded goes before one declared; NOASSERTION is none."""
    version = text(found.get("spdxVersion"))
    if not version.startswith("SPDX-2."):
        raise Unreadable(f"This is {version or 'SPDX of no stated version'}; SPDX 2.x in JSON is read.")
    details = []
    for place, each in enumerate(objects(found.get("packages"), "packages"), start=1):
        name = text(each.get("name"))
        if not name:
            raise Unreadable(f"“packages”, entry {place}: a package without a name.")
        licences = [text(each.get(key)) for key in ("licenseConcluded", "licenseDeclared")]
        refs = objects(each.get("externalRefs"), f"packages {place}.externalRefs")
        details.append(
            {
                "name": name,
                "version": text(each.get("versionInfo")),
                "licence": next((said for said in licences if said not in _UNSAID), ""),
                "purl": next(
                    (text(r.get("referenceLocator")) for r in refs if r.get("referenceType") == "purl"), ""
                ),
            }
        )
    creation = part(found.get("creationInfo"))
    creators = creation.get("creators")
    tools = (
        [text(c)[5:].strip() for c in creators if text(c).startswith("Tool:")]
        if isinstance(creators, list)
        else []
    )
    tool, _, number = (tools[0] if tools else "").rpartition("-")
    return result(
        "spdx-json",
        tool=tool or number,
        tool_version=number if tool else "",
        produced_at=zoned(creation.get("created")),
        summary=_summary(details) | {"spec": version},
        details=details,
    )
