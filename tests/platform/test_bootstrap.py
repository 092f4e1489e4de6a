"""The environment makes itself in a clean clone: ordinary user and root, two at once, killed in the middle."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = "/usr/bin/python3.11"
CHECK = ("test", "tests/platform/test_lock.py", "-q", "-p", "no:cacheprovider")


@pytest.fixture
def bootstrap() -> dict:
    return runpy.run_path(str(ROOT / "portal" / "bootstrap.py"))


def test_it_is_loaded_without_any_installed_package():
    code = (
        f"import runpy, sys; runpy.run_path({str(ROOT / 'portal' / 'bootstrap.py')!r}); print(*sys.modules)"
    )
    result = subprocess.run(
        ["python3", "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"django", "celery", "portal", "apps"} & set(result.stdout.split())


def test_switched_off_it_leaves_the_process_alone(bootstrap: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COUNTERSIGN_BOOTSTRAP", "off")
    assert bootstrap["prepare"](["manage.py", "check"]) is None


def test_without_uv_pip_or_ensurepip_it_says_what_to_install(
    bootstrap: dict, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    inner = bootstrap["_install_packages"].__globals__
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(inner, "_base_python", lambda: str(tmp_path / "python-without-pip"))
    monkeypatch.setitem(inner, "PYTHON", tmp_path / "no-python")
    with pytest.raises(inner["BootstrapFailed"], match="apt-get install python3-pip"):
        bootstrap["_install_packages"]()


def test_a_stamp_of_another_lock_is_not_ready(bootstrap: dict, monkeypatch: pytest.MonkeyPatch, tmp_path):
    inner = bootstrap["_ready"].__globals__
    python = tmp_path / "python"
    python.touch(mode=0o755)
    stamp = tmp_path / "stamp"
    monkeypatch.setitem(inner, "PYTHON", python)
    monkeypatch.setitem(inner, "STAMP", stamp)
    assert not bootstrap["_ready"]()
    stamp.write_text("0" * 64, encoding="ascii")
    assert not bootstrap["_ready"]()
    stamp.write_text(bootstrap["_fingerprint"](), encoding="ascii")
    assert bootstrap["_ready"]()


def test_another_python_gets_a_sentence(bootstrap: dict, monkeypatch: pytest.MonkeyPatch, tmp_path):
    inner = bootstrap["_use_wanted_python"].__globals__
    monkeypatch.setitem(inner, "WANTED", (3, 99))
    monkeypatch.setitem(inner, "STAMP", tmp_path / "none")
    with pytest.raises(
        inner["BootstrapFailed"], match=r"it needs Python 3\.99, this is 3\.11.*Install python3\.99"
    ):
        bootstrap["_use_wanted_python"](["manage.py"])


@pytest.fixture
def clone() -> Iterator[Path]:
    """A clean clone of what is committed, in a folder with a blank and an accent that every user may enter."""
    base = Path(tempfile.mkdtemp(prefix="countersign-clone-"))
    base.chmod(0o755)
    target = base / "a cloné portal"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(target)], check=True, timeout=120)
    assert not (target / ".venv").exists()
    yield target
    shutil.rmtree(base)  # a gigabyte and a half


def bare_environment() -> dict[str, str]:
    """No HOME, no uv, no pyenv: the system's Python and what the network needs."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k.startswith(("PIP_", "SSL_", "REQUESTS_")) or "proxy" in k.lower()
    }
    return {**kept, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


def start(clone: Path, *arguments: str, user: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SYSTEM_PYTHON, "manage.py", *arguments],
        cwd=clone,
        env=bare_environment(),
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=420)
    assert process.returncode == 0, output
    return output


needs_system_python = pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason=f"needs {SYSTEM_PYTHON}")


@pytest.mark.slow
@needs_system_python
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("lock", ["few packages", pytest.param("whole lock", marks=pytest.mark.soak)])
def test_ordinary_user_two_at_once(clone: Path, lock: str):
    """The whole lock is a minute of pip's; `.ci/run` itself begins with it, as one user and one process."""
    command, said_at_end = CHECK, "3 passed"
    if lock == "few packages":
        few_packages(clone / "requirements.lock")
        command, said_at_end = ("test", "--version"), "pytest 9"
    nobody = 65534
    for path in [clone, *clone.rglob("*")]:
        os.chown(path, nobody, nobody, follow_symlinks=False)
    one, two = (start(clone, *command, user=nobody) for _ in range(2))
    try:
        said = [finish(one), finish(two)]
    finally:
        for process in (one, two):
            process.kill()
            process.communicate()
    assert all(said_at_end in text for text in said)
    assert sum("Making the environment" in text for text in said) == 1
    assert sum("waiting for it" in text for text in said) == 1
    assert (clone / ".venv").stat().st_uid == nobody
    assert not (clone / ".venv.unfinished").exists()


def few_packages(lock: Path) -> None:
    """Cut the lock to pytest and one large package: what is interrupted is the same, in seconds."""
    few = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
    few += ("pytest-django", "django", "asgiref", "sqlparse", "numpy")
    blocks = re.split(r"(?m)^(?=\S)", lock.read_text(encoding="utf-8"))
    lock.write_text("".join(b for b in blocks if b.partition("==")[0] in few), encoding="utf-8")


@pytest.mark.slow
@needs_system_python
def test_killed_in_the_middle_then_again(clone: Path):
    few_packages(clone / "requirements.lock")
    command = ("test", "--version")
    first = start(clone, *command)
    deadline = time.monotonic() + 120
    # In the middle: packages are arriving, the stamp is not there.
    while (
        len(list((clone / ".venv").glob("lib/python*/site-packages/*"))) < 5 and time.monotonic() < deadline
    ):
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert (clone / ".venv.unfinished").exists()
    assert not (clone / ".venv" / ".countersign-stamp").exists()
    assert "pytest 9" in finish(start(clone, *command))
    assert "Making the environment" not in finish(start(clone, *command))
