"""The layout process behind its walls: what it tries outside its scratch folder fails, in the real child."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading

import pytest

from apps.packs.render import Chapter, Limits, RenderFailed, pool, render_pack
from apps.packs.render.fonts import write_fontconfig
from tests.packs.sample import meta

# The real child, but a chapter's layout is an attempt: what is tried, and what came of it.
HOSTILE = """
import importlib.util, json, os, socket, subprocess, sys
spec = importlib.util.spec_from_file_location("child", {child!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)

def tried(work):
    try:
        return "DONE " + str(work())[:200]
    except BaseException as error:
        return type(error).__name__

def hostile(request, sheets, remarks):
    database, port, outside, parent = request["aims"]
    own = os.path.join(os.getcwd(), "own.txt")
    return {{
        "read_database": tried(lambda: open(database, "rb").read(16)),
        "list_folder": tried(lambda: os.listdir(os.path.dirname(database))),
        "read_passwords": tried(lambda: open("/etc/passwd").read(20)),
        "read_environment": tried(lambda: open("/proc/%d/environ" % parent, "rb").read(20)),
        "write_outside": tried(lambda: open(outside, "w").write("x")),
        "tcp": tried(lambda: socket.create_connection(("127.0.0.1", port), timeout=2)),
        "unix_socket": tried(lambda: socket.socket(socket.AF_UNIX)),
        "start_program": tried(lambda: subprocess.run(["/bin/true"])),
        "replace_itself": tried(lambda: os.execv("/bin/true", ["true"])),
        "end_parent": tried(lambda: os.kill(parent, 0)),
        "own_folder": tried(lambda: open(own, "w").write("x")),
    }}

child.lay_out = hostile
child.main()
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """What the attempts of a layout process came to."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    database = tmp_path / "data" / "countersign.sqlite3"
    database.parent.mkdir()
    with sqlite3.connect(database) as made:
        made.execute("CREATE TABLE secret (x)")
    made.close()
    script = tmp_path / "hostile.py"
    script.write_text(HOSTILE.format(child=str(pool.CHILD)))
    monkeypatch.setattr(pool, "CHILD", script)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = pool.ChildProcess(scratch, write_fontconfig(scratch), Limits())
        try:
            aims = (str(database), listener.getsockname()[1], str(tmp_path / "outside"), os.getpid())
            request = {"id": "x", "aims": aims}
            found = child.ask(request, "x", threading.Event())
        finally:
            child.close()
    assert not (tmp_path / "outside").exists()
    return found


def test_no_network_no_file_outside_no_program(hostile):
    assert hostile["isolation"] == {"network": "namespace", "files": "fenced", "system_calls": "filtered"}
    done = {name for name, told in hostile.items() if str(told).startswith("DONE")}
    assert done == {"own_folder"}, hostile


def test_memory_is_limited(tmp_path):
    rows = "".join(f"<tr><td>{n}</td><td>{'text ' * 20}</td></tr>" for n in range(30_000))
    small = Limits(memory_bytes=350 * 1024**2, wall_seconds=200, cpu_seconds=100)
    with pytest.raises(RenderFailed, match=r"memory|ended with status|stopped"):
        render_pack(
            [Chapter("a", "A", "1", f"<table>{rows}</table>")],
            meta=meta(),
            out=tmp_path / "a.pdf",
            limits=small,
        )
    assert not (tmp_path / "a.pdf").exists()


def test_a_finished_pack_says_how_its_layout_was_isolated(tmp_path):
    made = render_pack([Chapter("a", "A", "1", "<p>x</p>")], meta=meta(), out=tmp_path / "a.pdf")
    assert made.isolation == {"network": "namespace", "files": "fenced", "system_calls": "filtered"}
