"""The PDF engine end to end: real layout processes, real files, opened again with pikepdf and poppler."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pikepdf
import pytest

from apps.core import native
from apps.packs.render import Attachment, Chapter, Limits, RenderFailed, render_pack
from apps.packs.render.fonts import visible_text
from apps.packs.render.native import pdf_available
from apps.packs.render.types import PdfUnavailable
from tests.packs.sample import attachments, chapters, meta, text_of

SHORT = Limits(cpu_seconds=6, wall_seconds=90, children=1)


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
    contents = text_of(out, 3)
    for chapter in chapters():
        if not chapter.bare:
            line = next(line for line in contents.splitlines() if chapter.title in line and "·" not in line)
            page = result.chapter_pages[chapter.id]
            assert line.split()[-1] == str(page)
            assert chapter.title in text_of(out, page)
    answers = text_of(out, 2)
    assert f"signatures, page {result.chapter_pages['signatures']}." in answers


def test_every_page_carries_both_times_and_its_number(pack):
    out, result, _said = pack
    for page in range(1, result.pages + 1):
        text = text_of(out, page)
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
    if program is None:
        pytest.skip("pdfinfo (Debian: poppler-utils) reads the structure aloud; .ci/run installs it")
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
    _out, result, _said = pack
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
    first = text_of(out, 1)
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
    monkeypatch.setattr(native, "SONAMES", ("libpango-of-nowhere.so.0",))
    pdf_available.cache_clear()
    try:
        with pytest.raises(PdfUnavailable, match=r"libpango-of-nowhere.* Install with: apt-get install"):
            render_pack(one("<p>x</p>"), meta=meta(), out=tmp_path / "a.pdf")
    finally:
        pdf_available.cache_clear()


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
    assert "HEADLINE" not in text_of(out, 2)
    assert "HEADLINE" in text_of(out, 1)
