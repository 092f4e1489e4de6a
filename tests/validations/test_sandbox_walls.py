"""The walls themselves, tried from inside by code that wants out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="The walls are Linux's.")

ATTEMPTS = """
import ctypes, json, os, signal, socket, subprocess, sys, threading
sys.path.append(ROOT)
from apps.validations.sandbox.inside import jail
if AS_USER:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
parent = os.getppid()
network = jail.cut_network(parent)
reached = jail.lock({"cpu_s": 20, "memory_mb": 2000}, parent, network)
libc = ctypes.CDLL(None, use_errno=True)
def raw(number, *args):
    if libc.syscall(number, *args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def thread():
    t = threading.Thread(target=lambda: None); t.start(); t.join()
attempts = {
    "read a file": lambda: open("/etc/passwd").read(),
    "write a file": lambda: open("/tmp/countersign-escaped", "w").write("x"),
    "read the parent's environment": lambda: open(f"/proc/{parent}/environ", "rb").read(),
    "list a folder": lambda: os.listdir("/"),
    "connect": lambda: socket.create_connection(("127.0.0.1", 5432), 1),
    "make a socket": lambda: socket.socket(socket.AF_UNIX),
    "run a program": lambda: subprocess.run(["/bin/true"]),
    "replace itself": lambda: os.execv("/bin/true", ["true"]),
    "fork": lambda: os.fork(),
    "start a thread": thread,
    "kill the parent": lambda: os.kill(parent, 0),
    "signal the parent otherwise": lambda: raw(234 if os.uname().machine == "x86_64" else 131, parent, parent, 0),
    "become root": lambda: os.setuid(0),
    "take memory": lambda: bytearray(3_000_000_000),
    "delete": lambda: os.unlink("/tmp/countersign-bait"),
    "trace the parent": lambda: raw(101 if os.uname().machine == "x86_64" else 117, 16, parent, 0, 0),
}
out = {}
for name, attempt in attempts.items():
    try:
        attempt(); out[name] = "done"
    except BaseException as error:
        out[name] = type(error).__name__
print(json.dumps({"reached": reached, "attempts": out, "uid": os.getuid(), "environment": dict(os.environ)}))
"""


def _try(as_user: bool) -> dict:
    code = f"ROOT = {str(ROOT)!r}; AS_USER = {as_user}\n{ATTEMPTS}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("as_user", [False, True])
def test_nothing_gets_out(as_user: bool) -> None:
    if as_user and os.geteuid() != 0:
        pytest.skip("Already an ordinary user: the other case is this one.")
    bait = Path("/tmp/countersign-bait")
    bait.write_text("still here")
    bait.chmod(0o666)
    try:
        said = _try(as_user)
        assert bait.read_text() == "still here"
    finally:
        bait.unlink()
    done = [name for name, outcome in said["attempts"].items() if outcome == "done"]
    assert done == []
    assert said["uid"] != 0
    assert said["reached"]["system_calls"] == "filtered"
    assert said["reached"]["network"] in ("namespace", "filtered")
    assert not Path("/tmp/countersign-escaped").exists()


def test_without_the_walls_the_same_attempts_succeed() -> None:
    """Otherwise the test above could pass because the attempts are wrong."""
    code = f"ROOT = {str(ROOT)!r}; AS_USER = False\n{ATTEMPTS}"
    code = code.replace("jail.cut_network(parent)", "'none'").replace(
        'jail.lock({"cpu_s": 20, "memory_mb": 2000}, parent, network)', "{}"
    )
    keep = (
        "read a file",
        "list a folder",
        "make a socket",
        "run a program",
        "start a thread",
        "kill the parent",
    )
    code = code.replace(
        "for name, attempt in attempts.items():", f"for name, attempt in [(n, attempts[n]) for n in {keep}]:"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=60, check=False)
    assert set(json.loads(done.stdout)["attempts"].values()) == {"done"}


def test_the_process_has_no_secrets_and_dies_with_its_parent(tmp_path: Path) -> None:
    from tests.validations import models

    data = models.write(tmp_path / "d.parquet", models.cases())
    model = models.endless(tmp_path / "e.onnx")
    code = (
        f"import sys; sys.path.append({str(ROOT)!r})\n"
        "from apps.validations.sandbox import run\n"
        "start = run.subprocess.Popen\n"
        "def popen(*args, **kwargs):\n"
        "    child = start(*args, **kwargs); print(child.pid, flush=True); return child\n"
        "run.subprocess.Popen = popen\n"
        f"run.score({str(model)!r}, 'onnx', {str(data)!r})\n"
    )
    secrets = {"DATABASE_URL": "postgres://u:hush@db/x", "SECRET_KEY": "hush", "COUNTERSIGN_DATA": "/hush"}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | secrets)
    assert parent.stdout
    try:
        child = int(parent.stdout.readline())
        deadline = time.monotonic() + 30
        while _processor_ticks(child) < 50 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert b"hush" in Path(f"/proc/{parent.pid}/environ").read_bytes()
        if os.geteuid() == 0:  # only root may look into any process
            environment = Path(f"/proc/{child}/environ").read_bytes()
            assert b"OPENBLAS_NUM_THREADS=1" in environment
            assert b"hush" not in environment
            assert os.listdir(f"/proc/{child}/cwd") == []
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def _processor_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
