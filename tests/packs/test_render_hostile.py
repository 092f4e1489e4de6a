"""Hostile content and hard limits: nothing is fetched, nothing runs away, nothing is left behind."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pikepdf
import pytest

from apps.packs.render import Chapter, Limits, RenderFailed, render_pack
from apps.packs.render.pool import child_environment
from tests.packs.sample import meta

SHORT = Limits(cpu_seconds=6, wall_seconds=90, children=1)
IMAGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><title>x</title><image href="{}"/></svg>'
)


def one(html: str) -> list[Chapter]:
    return [Chapter("only", "Only", "1", html)]


@pytest.mark.parametrize(
    "html",
    [
        '<img src="file:///etc/hostname" alt="x">',
        '<a rel="attachment" href="file:///etc/hostname">x</a>',
        IMAGE.format("file:///etc/hostname"),
        '<link rel="attachment" href="file:///etc/hostname">',
        '<object data="file:///etc/hostname"></object>',
        '<iframe src="file:///etc/hostname"></iframe>',
        "<style>@import 'file:///etc/hostname';</style>",
        '<p style="background: url(file:///etc/hostname)">x</p>',
        '<base href="file:///etc/"><img src="hostname" alt="x">',
    ],
)
def test_local_files_never_get_in(html, tmp_path):
    secret = Path("/etc/hostname").read_text().strip()
    out = tmp_path / "out.pdf"
    try:
        render_pack(one(html), meta=meta(), out=out, limits=SHORT)
    except RenderFailed as refusal:
        failure = refusal
    else:
        failure = None
    if failure is not None:
        assert "“Only”" in str(failure)
        assert failure.chapter == "only"
        assert not out.exists()
        return
    with pikepdf.open(out) as pdf:
        assert not pdf.attachments
        assert all(secret.encode() not in item.read_bytes() for item in pdf.objects if readable(item))


def readable(item: object) -> bool:
    return isinstance(item, pikepdf.Stream) and "/Subtype" not in item


def test_nothing_is_fetched_from_the_network(tmp_path):
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            asked.append(str(words))

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(RenderFailed, match="outside the pack; nothing was fetched"):
            render_pack(one(f'<img src="{place}/img" alt="x">'), meta=meta(), out=tmp_path / "a.pdf")
        svg = IMAGE.format(f"{place}/svg")
        with pytest.raises(RenderFailed, match="outside the pack"):
            render_pack(one(svg), meta=meta(), out=tmp_path / "b.pdf")
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


@pytest.mark.parametrize(
    ("html", "sentence"),
    [
        ("<table><tr><td colspan=100000>x</td></tr></table>", "colspan 100000"),
        ("<table><tr><td rowspan=65000>x</td></tr></table>", "rowspan 65000"),
        ("<table><col span=9999><tr><td>x</td></tr></table>", "span 9999"),
        ("<div>" * 3000 + "x" + "</div>" * 3000, "nested deeper|RecursionError"),
        ("<script>1</script>", "<script>"),
        ("<form><input></form>", "<input>|<form>"),
    ],
)
def test_bombs_are_refused_quickly(html, sentence, tmp_path):
    out = tmp_path / "out.pdf"
    start = time.monotonic()
    with pytest.raises(RenderFailed, match=sentence):
        render_pack(one(html), meta=meta(), out=out, limits=SHORT)
    assert time.monotonic() - start < 90
    assert not out.exists()


def test_processor_time_is_limited(tmp_path):
    rows = "".join(f"<tr><td>{n}</td><td>text</td></tr>" for n in range(20000))
    with pytest.raises(RenderFailed, match="more than 1 seconds of processor time"):
        render_pack(
            one(f"<table>{rows}</table>"),
            meta=meta(),
            out=tmp_path / "a.pdf",
            limits=Limits(cpu_seconds=1, children=1),
        )


def test_wall_time_is_limited(tmp_path):
    rows = "".join(f"<tr><td>{n}</td><td>text</td></tr>" for n in range(20000))
    with pytest.raises(RenderFailed, match="not laid out within 2 seconds"):
        render_pack(
            one(f"<table>{rows}</table>"),
            meta=meta(),
            out=tmp_path / "a.pdf",
            limits=Limits(wall_seconds=2, children=1),
        )


def test_memory_is_limited(tmp_path):
    rows = "".join(f"<tr><td>{n}</td><td>text</td></tr>" for n in range(20000))
    with pytest.raises(RenderFailed, match="could not be laid out"):
        render_pack(
            one(f"<table>{rows}</table>"),
            meta=meta(),
            out=tmp_path / "a.pdf",
            limits=Limits(memory_bytes=400 * 1024**2, children=1),
        )


def test_child_gets_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "canary")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    told = child_environment(tmp_path, tmp_path / "fonts.conf")
    assert "canary" not in told.values()
    assert set(told) <= {
        "PATH", "LD_LIBRARY_PATH", "LC_ALL", "HOME", "TMPDIR", "XDG_CACHE_HOME", "FONTCONFIG_FILE", "SOURCE_DATE_EPOCH",
    }  # fmt: skip


def test_children_die_with_a_killed_worker(tmp_path):
    rows = "".join(f"<tr><td>{n}</td></tr>" for n in range(20000))
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom apps.packs.render import Chapter, render_pack\n"
        "from tests.packs.sample import meta\n"
        f"html = '<table>' + ''.join(f'<tr><td>{{n}}</td></tr>' for n in range({len(rows) // 24})) + '</table>'\n"
        f"render_pack([Chapter('a', 'A', '1', html)], meta=meta(), out=Path({str(tmp_path / 'o.pdf')!r}))\n"
    )
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    worker = subprocess.Popen([sys.executable, str(script)], env=env, cwd=root)
    try:
        children: list[int] = []
        deadline = time.monotonic() + 60
        while not children and time.monotonic() < deadline:
            time.sleep(0.1)
            children = children_of(worker.pid)
        assert children
    finally:
        worker.kill()
        worker.wait()
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in children)


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
