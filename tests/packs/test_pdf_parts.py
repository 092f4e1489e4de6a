"""The templates for paper: user text comes out escaped, and what they write passes the engine's second wall."""

from __future__ import annotations

from django.template.loader import render_to_string

from apps.packs.render import Chapter, render_pack
from tests.packs.sample import CHART, meta, text_of

HOSTILE = '<script>alert(1)</script>"><img src="file:///etc/passwd">{{7*7}}'


def test_parts_escape_and_lay_out(tmp_path):
    facts = [("Meaning", HOSTILE), ("Digest", HOSTILE, "code")]
    columns = [("Name", "w-30", ""), ("Count", "w-20", "num"), ("Said", "", "")]
    box = dict.fromkeys(
        ("requirement", "source", "limit", "result", "evidence", "author", "reviewer", "word"), HOSTILE
    )
    parts = [
        render_to_string("pdf/base_state.html", {"state": "met", "word": HOSTILE}),
        render_to_string("pdf/base_note.html", {"word": "Warning", "text": HOSTILE, "weight": "warn"}),
        render_to_string("pdf/base_facts.html", {"facts": facts}),
        render_to_string(
            "pdf/base_table.html",
            {"caption": HOSTILE, "columns": columns, "rows": [[HOSTILE, 3, HOSTILE]], "row_heads": True},
        ),
        render_to_string(
            "pdf/base_table.html",
            {"caption": "Empty", "columns": columns, "rows": [], "as_of": "2026-11-19 14:02 UTC"},
        ),
        render_to_string("pdf/base_box.html", {**box, "state": "not_met"}),
        render_to_string(
            "pdf/base_signature.html", {"name": HOSTILE, "facts": facts, "verdict": "OUT OF DATE"}
        ),
        render_to_string("pdf/base_figure.html", {"svg": CHART, "caption": HOSTILE}),
    ]
    for part in parts:
        assert "<script" not in part
        assert "<img" not in part
        assert " style=" not in part
    out = tmp_path / "parts.pdf"
    result = render_pack([Chapter("parts", HOSTILE, "1", "".join(parts))], meta=meta(head=HOSTILE), out=out)
    assert result.failed_checks == []
    text = text_of(out)
    assert "<script>alert(1)</script>" in "".join(text.split("\n"))
    assert "{{7*7}}" in text
    assert "None recorded as of 2026-11-19 14:02 UTC." in text
    assert "OUT OF DATE" in text
