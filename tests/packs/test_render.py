"""The PDF engine end to end: real layout processes, real files, opened again with pikepdf and poppler."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pikepdf
import pytest

from apps.packs.render import Attachment, Chapter, Limits, RenderFailed, render_pack
from apps.packs.render import native as native_module
from apps.packs.render.fonts import visible_text
from apps.packs.render.types import PdfUnavailable
from tests.packs.sample import attachments, chapters, meta

SHORT = Limits(cpu_seconds=4, wall_seconds=15, children=1)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """One sample pack, its result and what its progress said."""
    out = tmp_path_factory.mktemp("pack") / "pack.pdf"
    said: list[tuple[int, int, str]] = []
    result = render_pack(
        chapters(),
        meta=meta(),
        attachments=attachments(),
        out=out,
        stamp="DEMO",
        progress=lambda *step: said.append(step),
    )
    return out, result, said


def text_of(path: Path, *options: str) -> str:
    program = shutil.which("pdftotext")
    assert program, "pdftotext (poppler-utils) is needed by this test"
    return subprocess.run(
        [program, "-layout", *options, str(path), "-"], capture_output=True, text=True, check=True
    ).stdout


def one(html: str, **facts: object) -> list[Chapter]:
    return [Chapter("only", "Only", "1", html, **facts)]  # type: ignore[arg-type]


def test_every_check_holds(pack):
    _out, result, _said = pack
    assert len(result.checks) >= 14
    assert result.failed_checks == []
    assert result.notes == []


def test_file_is_what_the_result_says(pack):
    out, result, said = pack
    assert result.sha256 == "sha256:" + hashlib.sha256(out.read_bytes()).hexdigest()
    with pikepdf.open(out) as pdf:
        assert len(pdf.pages) == result.pages
    assert said[-1] == (said[-1][1], said[-1][1], "Finished")
    assert [done for done, _total, _stage in said] == sorted(done for done, _total, _stage in said)
    assert list(out.parent.iterdir()) == [out]


def test_order_and_first_pages(pack):
    _out, result, _said = pack
    assert list(result.chapter_pages) == ["cover", "answers", "contents", "bias", "signatures", "trail"]
    assert sorted(result.chapter_pages.values()) == list(result.chapter_pages.values())


def test_contents_and_answers_print_true_pages(pack):
    out, result, _said = pack
    contents = text_of(out, "-f", "3", "-l", "3")
    for chapter in chapters():
        if not chapter.bare:
            line = next(line for line in contents.splitlines() if chapter.title in line and "·" not in line)
            page = result.chapter_pages[chapter.id]
            assert line.split()[-1] == str(page)
            assert chapter.title in text_of(out, "-f", str(page), "-l", str(page))
    answers = text_of(out, "-f", "2", "-l", "2")
    assert f"signatures, page {result.chapter_pages['signatures']}." in answers


def test_every_page_carries_both_times_and_its_number(pack):
    out, result, _said = pack
    for page in range(1, result.pages + 1):
        text = text_of(out, "-f", str(page), "-l", str(page))
        assert f"Page {page} of {result.pages}" in text
        assert "As of 2026-11-19 14:02 UTC" in text
        assert "Generated 2026-11-20 08:30 UTC" in text
        assert "DEMO" in text


def test_furniture_is_artifact_and_not_read_aloud(pack):
    out, _result, _said = pack
    with pikepdf.open(out) as pdf:
        raw = pdf.pages[3].Contents[-1].read_bytes()
        assert raw.count(b"/Artifact <</Type /Pagination") == 3
        assert raw.count(b"BDC") == raw.count(b"EMC")


def test_reading_aloud_leaves_the_furniture_out(tmp_path):
    out = tmp_path / "a.pdf"
    render_pack(one("<p>Said by Martha Chen.</p>"), meta=meta(), out=out)
    program = shutil.which("pdfinfo")
    assert program, "pdfinfo (poppler-utils) is needed by this test"
    spoken = subprocess.run([program, "-struct-text", str(out)], capture_output=True, text=True, check=True)
    assert "Martha Chen" in spoken.stdout
    assert "Page 1 of" not in spoken.stdout
    assert "Page 1 of 2" in text_of(out)


def test_links_lead_across_chapters(pack):
    out, result, _said = pack
    with pikepdf.open(out) as pdf:
        number = {page.obj.objgen: n for n, page in enumerate(pdf.pages, 1)}
        page = pdf.pages[result.chapter_pages["bias"] - 1]
        targets = sorted(number[link.Dest[0].objgen] for link in page.Annots)
        assert targets == [result.chapter_pages["signatures"], result.chapter_pages["trail"]]
        assert {str(link.Contents) for link in page.Annots} == {f"Goes to page {n}" for n in targets}


def test_bookmarks_follow_the_chapters(pack):
    out, _result, _said = pack
    with pikepdf.open(out) as pdf, pdf.open_outline() as outline:
        titles = [item.title for item in outline.root]
        below = [item.title for item in outline.root[3].children]
    assert titles[2:] == [
        "Contents",
        "15 Performance and fairness by subgroup",
        "18 Signature manifest",
        "28 Audit trail",
    ]
    assert below == ["Recall by age group", "Method"]


def test_attachments_come_out_byte_for_byte(pack):
    out, _result, _said = pack
    with pikepdf.open(out) as pdf:
        assert len(pdf.Root.AF) == 2
        for attachment in attachments():
            assert pdf.attachments[attachment.name].get_file().read_bytes() == attachment.read()


def test_chart_is_a_figure_with_its_title(pack):
    out, _result, _said = pack
    with pikepdf.open(out) as pdf:
        alternatives = [
            str(item.Alt) for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and "/Alt" in item
        ]
    assert alternatives == ["Recall by age group: 65 and over is below the limit of 0.80"]


def test_same_input_same_bytes(pack, tmp_path):
    out, result, _said = pack
    again = tmp_path / "again.pdf"
    second = render_pack(chapters(), meta=meta(), attachments=attachments(), out=again, stamp="DEMO")
    assert second.sha256 == result.sha256
    other = render_pack(
        chapters(), meta=meta(pack_ref="P-0072"), attachments=attachments(), out=again, stamp="DEMO"
    )
    assert other.sha256 != result.sha256


def test_contents_of_several_pages_settle(tmp_path):
    many = [
        Chapter(
            f"s{n}",
            f"Section {n}",
            str(n),
            f'<h2 id="s{n}-a">Part</h2><p>Text {n}.</p>',
            toc=[(2, "Part", f"s{n}-a")],
        )
        for n in range(1, 31)
    ]
    out = tmp_path / "many.pdf"
    result = render_pack(many, meta=meta(), out=out)
    assert result.chapter_pages["contents"] == 1
    assert result.chapter_pages["s1"] == result.pages - 29 > 2
    first = text_of(out, "-f", "1", "-l", "1")
    line = next(line for line in first.splitlines() if "Section 1 " in line + " ")
    assert line.split()[-1] == str(result.chapter_pages["s1"])
    assert result.failed_checks == []


def test_characters_without_a_glyph_are_spelt_out(tmp_path):
    out = tmp_path / "strange.pdf"
    result = render_pack(one("<p>ok ≤ ✓ 李 \u202egnp.exe</p>"), meta=meta(), out=out)
    text = text_of(out)
    assert "ok ≤ ✓ [U+674E] [U+202E]gnp.exe" in text
    assert "U+674E" in result.notes[0]
    assert result.failed_checks == []


def test_visible_text_leaves_the_usual_alone():
    plain = "Größe ≥ 0.80 ± 0.05 → Ω, Ж, ’“”–—…\u00a0\n\t"
    assert visible_text(plain) == (plain, [])
    assert visible_text("a\u0000b\u200bc")[1] == [0, 0x200B]


@pytest.mark.parametrize(
    "html",
    [
        '<img src="file:///etc/hostname" alt="x">',
        '<a rel="attachment" href="file:///etc/hostname">x</a>',
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><title>x</title><image href="file:///etc/hostname" width="9" height="9"/></svg>',
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
        assert "“Only”" in str(refusal) and refusal.chapter == "only"
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
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><title>x</title><image href="{place}/svg" width="9" height="9"/></svg>'
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
    assert time.monotonic() - start < 15
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


def test_too_much_text_is_refused_before_layout(tmp_path):
    with pytest.raises(RenderFailed, match="split it into chapters"):
        render_pack(one("x" * 5000), meta=meta(), out=tmp_path / "a.pdf", limits=Limits(html_bytes=4000))


def test_dead_and_odd_links_become_text(tmp_path):
    out = tmp_path / "a.pdf"
    html = (
        '<p><a href="#nowhere">gone</a> <a href="javascript:alert(1)">script</a> <a href="relative">r</a>'
        '<a href="https://example.org/x">kept</a></p>'
    )
    result = render_pack(one(html), meta=meta(), out=out)
    assert len(result.notes) == 3
    with pikepdf.open(out) as pdf:
        page = pdf.pages[result.chapter_pages["only"] - 1]
        assert [str(link.A.URI) for link in page.Annots] == ["https://example.org/x"]
    assert result.failed_checks == []


def test_child_gets_no_secrets(tmp_path, monkeypatch):
    from apps.packs.render.pool import child_environment

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
        deadline = time.monotonic() + 20
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


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "at least one"),
        ([Chapter("a", "A", "1", ""), Chapter("a", "B", "2", "")], "given twice: a"),
        ([Chapter("contents", "A", "1", "")], "cannot be a chapter's id"),
        ([Chapter("a b", "A", "1", "")], "cannot be a chapter's id"),
    ],
)
def test_wrong_input_is_said(wrong, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        render_pack(wrong, meta=meta(), out=tmp_path / "a.pdf")


def test_attachment_named_twice_is_said(tmp_path):
    twice = [Attachment("a.csv", "text/csv", b"", "x"), Attachment("a.csv", "text/csv", b"1", "y")]
    with pytest.raises(ValueError, match=r"given twice: a\.csv"):
        render_pack(one("<p>x</p>"), meta=meta(), attachments=twice, out=tmp_path / "a.pdf")


def test_full_target_folder_leaves_nothing_half_written(tmp_path):
    missing = tmp_path / "nowhere" / "a.pdf"
    with pytest.raises(FileNotFoundError):
        render_pack(one("<p>x</p>"), meta=meta(), out=missing)
    old = tmp_path / "old.pdf"
    old.write_bytes(b"old")
    with pytest.raises(RenderFailed):
        render_pack(one("<script></script>"), meta=meta(), out=old, limits=SHORT)
    assert old.read_bytes() == b"old"


def test_missing_library_is_one_sentence_with_a_command(tmp_path, monkeypatch):
    monkeypatch.setattr(native_module, "SONAMES", ("libpango-of-nowhere.so.0",))
    native_module.missing_libraries.cache_clear()
    try:
        with pytest.raises(PdfUnavailable, match=r"libpango-of-nowhere.* Install with: apt-get install"):
            render_pack(one("<p>x</p>"), meta=meta(), out=tmp_path / "a.pdf")
    finally:
        native_module.missing_libraries.cache_clear()


def test_letter_paper_and_greek_language(tmp_path):
    out = tmp_path / "a.pdf"
    render_pack(one("<p>Ελληνικά</p>"), meta=meta(paper="Letter", lang="el", title="Φάκελος"), out=out)
    with pikepdf.open(out) as pdf:
        assert [float(x) for x in pdf.pages[0].MediaBox][2:] == [612, 792]
        assert str(pdf.Root.Lang) == "el"
        assert str(pdf.docinfo.Title) == "Φάκελος"


def test_pages_without_margin_text_when_bare(tmp_path):
    out = tmp_path / "a.pdf"
    render_pack(one("<h1>Cover</h1>", bare=True), meta=meta(head="HEADLINE"), out=out)
    assert "HEADLINE" not in text_of(out, "-f", "2", "-l", "2")
    assert "HEADLINE" in text_of(out, "-f", "1", "-l", "1")
