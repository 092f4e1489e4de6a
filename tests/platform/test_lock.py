"""requirements.lock is complete, hashed, and says what pyproject.toml and the installed packages ask for."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@lru_cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lock_text() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def entries() -> list[Requirement]:
    """Every pin; a package may have one for each platform."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", lock_text())[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    return [Requirement(block.splitlines()[0].rstrip(" \\")) for block in blocks]


def locked() -> dict[str, str]:
    """The pins that apply on this machine: canonical name to version."""
    return {
        canonicalize_name(entry.name): next(iter(entry.specifier)).version
        for entry in entries()
        if applies(entry)
    }


def direct() -> list[Requirement]:
    data = project()
    lines = [*data["project"]["dependencies"]]
    for group in data["dependency-groups"].values():
        lines += group
    return [Requirement(line) for line in lines]


def extras() -> list[Requirement]:
    """What an installation may add by itself; not in the lock file."""
    groups = project()["project"]["optional-dependencies"].values()
    return [Requirement(line) for lines in groups for line in lines]


def without_requirements() -> set[str]:
    """Packages wanted only as a container of data (see tool.uv.dependency-metadata)."""
    entries = project()["tool"]["uv"].get("dependency-metadata", [])
    return {canonicalize_name(entry["name"]) for entry in entries if not entry["requires-dist"]}


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate(
        {**default_environment(), "extra": extra}
    )


def closure() -> dict[str, list[Requirement]]:
    """Every package reached from pyproject.toml through installed metadata, with the requirements on it."""
    reached: dict[str, list[Requirement]] = {}
    waiting = [requirement for requirement in direct() if applies(requirement)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        reached.setdefault(name, []).append(requirement)
        key = (name, frozenset(requirement.extras))
        if key in seen or name in without_requirements():
            continue
        seen.add(key)
        for line in metadata.requires(name) or []:
            wanted = Requirement(line)
            if any(applies(wanted, extra) for extra in ("", *requirement.extras)):
                waiting.append(wanted)
    return reached


def test_the_lock_is_not_stale():
    """Whoever changes pyproject.toml runs `make lock`."""
    pins = locked()
    stale = [
        f"{requirement} (locked: {pins.get(name, 'nothing')})"
        for name, requirements in closure().items()
        for requirement in requirements
        if name not in pins or not requirement.specifier.contains(pins[name], prereleases=True)
    ]
    assert not stale, "run make lock: " + ", ".join(sorted(stale))


def test_the_lock_holds_nothing_that_nobody_asks_for():
    reached = set(closure())
    here = {canonicalize_name(d.metadata["Name"]) for d in metadata.distributions()}
    orphans = (set(locked()) & here) - reached
    assert not orphans, f"run make lock: {sorted(orphans)} are locked and wanted by nothing"


def test_every_package_is_pinned_with_hashes_and_no_index_is_named():
    assert len(entries()) > 100
    assert [str(e) for e in entries() if [each.operator for each in e.specifier] != ["=="]] == []
    assert "://" not in lock_text()
    assert "--index" not in lock_text()
