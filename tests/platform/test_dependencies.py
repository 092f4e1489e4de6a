"""docs/dependencies.md explains every direct dependency, and what is imported is a direct dependency."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.platform.test_lock import ROOT, direct, extras, locked

OURS = {"apps", "portal", "tests"}
# Comes with a direct dependency and is the language that one speaks: gone together, never alone.
PART_OF = {
    "fontpkg": "fontpkg-noto-sans",
    "fontTools": "weasyprint",
    "jsonschema": "altair",
    "kombu": "celery",
    "onnx": "skl2onnx",
    "packaging": "pytest",
    "pandas": "fairlearn",
    "pydyf": "weasyprint",
}


def rows() -> list[list[str]]:
    lines = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] != "package"]


def test_every_direct_dependency_has_one_row_and_no_other():
    explained = [canonicalize_name(row[0]) for row in rows()]
    assert sorted(explained) == sorted(canonicalize_name(each.name) for each in [*direct(), *extras()])


def test_extras_are_not_locked_and_not_imported():
    """What an installation may add is imported by name at run time, so that its absence is a sentence."""
    names = {canonicalize_name(each.name) for each in extras()}
    assert names & set(locked()) == set()
    assert {name for name in ("pyspark", "ibis", "numba") if name in imported()} == set()


def test_every_row_says_what_why_and_where():
    assert all(len(row) == 4 and all(row) for row in rows())


def test_every_file_a_row_names_exists():
    named = {path for row in rows() for path in re.findall(r"`([\w./-]+(?:/|\.\w+))`", row[3])}
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert len(named) > 20


def imported() -> dict[str, str]:
    """Third-party top-level modules and a file that imports each."""
    found = {}
    for folder in ("apps", "portal", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                for name in names:
                    found.setdefault(name.partition(".")[0], path.relative_to(ROOT).as_posix())
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | OURS}


def test_every_import_is_a_direct_dependency():
    """A package that only came along with another may go with it."""
    wanted = {canonicalize_name(each.name) for each in direct()}
    packages = metadata.packages_distributions()
    stray = {}
    for name, path in imported().items():
        givers = {canonicalize_name(giver) for giver in packages.get(name, [])}
        if not givers & wanted and PART_OF.get(name) not in wanted and not inside_the_sandbox(path):
            stray[name] = path
    assert stray == {}


def inside_the_sandbox(path: str) -> bool:
    """Inner modules of the sandbox import each other by bare name: they run alone, outside the project."""
    return Path(path).parent.name == "inside"


def test_a_process_starts_without_the_large_libraries():
    """What only an analysis, a chart or a PDF needs is loaded there: two seconds that a command, a worker of another
    queue and a page do not pay."""
    large = {
        "scipy.stats",
        "duckdb",
        "altair",
        "vl_convert",
        "weasyprint",
        "pikepdf",
        "fontTools",
        "onnxruntime",
    }
    code = "import sys, django; django.setup(); import portal.urls, portal.celery; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings.test"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert large & set(told.stdout.split()) == set()
