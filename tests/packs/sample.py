"""A pack with made-up but realistic chapters, for tests and the benchmark."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pypdfium2

from apps.packs.render import Attachment, Chapter, PackMeta

DIGEST = "sha256:3f2a9c41d07be8e55a61c02f9d3b7718c4e6a0b95d2f14e87360bb1a9ce4d580"
CHART = """<figure><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 120" role="img" width="480"
 height="120" font-family="Noto Sans"><title>Recall by age group: 65 and over is below the limit of 0.80</title>
<rect x="0" y="0" width="480" height="120" fill="#f5f7f9"/>
<line x1="320" y1="8" x2="320" y2="100" stroke="#b3261e" stroke-dasharray="4 3"/>
<text x="324" y="16" font-size="9" fill="#b3261e">limit 0.80</text>
<g stroke="#16202b"><line x1="330" y1="30" x2="402" y2="30"/><line x1="300" y1="55" x2="360" y2="55"/>
<line x1="230" y1="80" x2="318" y2="80"/></g>
<g fill="#0b57a4"><circle cx="366" cy="30" r="4"/><circle cx="332" cy="55" r="4"/><circle cx="271" cy="80" r="4"/></g>
<g font-size="10" fill="#16202b"><text x="8" y="34">18–44 (n = 412)</text><text x="8" y="59">45–64 (n = 388)</text>
<text x="8" y="84">65 and over (n = 96)</text></g></svg>
<figcaption>Figure 1. Recall by age group with 95 % interval (Wilson).</figcaption></figure>"""


def meta(**changed: object) -> PackMeta:
    facts = {
        "title": "Inspection pack: Sepsis early warning 1.0.0",
        "lang": "en",
        "pack_ref": "P-0071",
        "as_of": datetime(2026, 11, 19, 14, 2, tzinfo=UTC),
        "digest_short": "sha256 3f2a 9c41",
        "generated_at": datetime(2026, 11, 20, 8, 30, 5, tzinfo=UTC),
        "head": "Sepsis early warning 1.0.0",
        "subject": "Everything recorded about one model version",
        "author": "Countersign",
    }
    return PackMeta(**{**facts, **changed})


def table_of_acts(rows: int, start: int = 0) -> str:
    verbs = ("registered the version", "froze the version", "locked the plan", "signed the gate")
    people = ("Ana Silva (asilva)", "Kenji Ito (kito)", "Martha Chen (mchen)", "Ada Novák (anovak)")
    lines = "".join(
        f"<tr><td>{n}</td><td>2026-11-{1 + n % 28:02d} 09:{n % 60:02d}:07 UTC</td><td>{people[n % 4]}</td>"
        f"<td>{verbs[n % 4]}</td><td><code>{DIGEST[7 + n % 30 : 23 + n % 30]}</code></td></tr>"
        for n in range(start, start + rows)
    )
    return (
        '<table class="small"><caption>Entries of the trail</caption><colgroup><col class="w-8">'
        '<col class="w-25"><col class="w-25"><col class="w-25"><col></colgroup><thead><tr>'
        '<th scope="col">Entry</th><th scope="col">Recorded</th><th scope="col">Who</th>'
        f'<th scope="col">What</th><th scope="col">Digest</th></tr></thead><tbody>{lines}</tbody></table>'
    )


def chapters(trail_rows: int = 120) -> list[Chapter]:
    cover = f"""<div class="cover"><p class="cover-kind">INSPECTION PACK P-0071</p>
<h1>Sepsis early warning 1.0.0</h1><p class="cover-use">Flags adult inpatients for review by a nurse; it never
decides on treatment.</p><table class="kv"><colgroup><col class="w-25"><col class="w-75"></colgroup><tbody>
<tr><th scope="row">State at as-of</th><td><span class="state state-met">Approved</span></td></tr>
<tr><th scope="row">As of</th><td>2026-11-19 14:02 UTC</td></tr>
<tr><th scope="row">Content digest</th><td><code>{DIGEST}</code></td></tr>
<tr><th scope="row">Risk tier</th><td>High</td></tr></tbody></table>
<div class="note note-warn"><p><span class="note-word">Warning.</span> 2 sections have nothing recorded.</p></div>
</div>"""
    answers = """<ol class="answers"><li><p class="question">Who approved it, and were they independent?</p>
<p>Martha Chen and Ada Novák, neither of whom made it. See
<a href="#signatures">signatures, page <span data-page-of="signatures">0</span></a>.</p></li>
<li><p class="question">For whom does it work worst?</p><p>65 and over: recall 0.71 against a limit ≥ 0.80. See
<a href="#recall">page <span data-page-of="recall">0</span></a>.</p></li></ol>
<table><caption>Release gate</caption><colgroup><col class="w-25"><col class="w-35"><col class="w-40"></colgroup>
<thead><tr><th scope="col">State</th><th scope="col">Check</th><th scope="col">Evidence</th></tr></thead><tbody>
<tr><td><span class="state state-not_met">Not met</span></td><th scope="row">Recall ≥ 0.80 in each group</th>
<td>0.71 (0.61–0.79), n = 96</td></tr>
<tr><td><span class="state state-by_deviation">By deviation</span></td><th scope="row">Same</th><td>DEV-2</td></tr>
<tr><td><span class="state state-out_of_date">Out of date</span></td><th scope="row">Data readiness</th>
<td>DS-1/v2 changed</td></tr>
<tr><td><span class="state state-stuck">Stuck</span></td><th scope="row">Security acceptance</th><td>nobody may</td>
</tr><tr><td><span class="state state-waiting">Waiting</span></td><th scope="row">Board minute</th><td>–</td></tr>
<tr><td><span class="state state-needs_you">Needs you</span></td><th scope="row">QA approval</th><td>–</td></tr>
<tr><td><span class="state state-running">Running</span></td><th scope="row">Bias report</th><td>B-4</td></tr>
<tr><td><span class="state state-not_started">Not started</span></td><th scope="row">Training</th><td>–</td></tr>
<tr><td><span class="state state-not_applicable">Not applicable</span></td><th scope="row">HIPAA</th><td>–</td></tr>
</tbody></table>"""
    bias = f"""<table class="box"><colgroup><col class="w-20"><col class="w-30"><col class="w-20"><col class="w-30">
</colgroup><tbody><tr><th scope="row">Requirement</th><td>Equal benefit across age</td>
<th scope="row">Source</th><td>ICH E6(R3) 4.2 †</td></tr><tr><th scope="row">Limit</th><td>recall ≥ 0.80</td>
<th scope="row">Verdict</th><td><span class="state state-not_met">Not met</span></td></tr></tbody></table>
<h2 id="recall">Recall by age group</h2>{CHART}
<p>The gap is −0.14 ± 0.05. Deviation DEV-2 was accepted; see <a href="#signatures">the signatures</a> and
<a href="#trail">the trail</a>.</p><h2 id="method">Method</h2><p>Wilson score interval, α = 0.05 → two-sided.</p>"""
    signature = f"""<div class="signature"><p class="signature-name">Martha Chen</p>
<table class="kv"><colgroup><col class="w-25"><col class="w-75"></colgroup><tbody>
<tr><th scope="row">Meaning</th><td>I approve this version for use (QA approval)</td></tr>
<tr><th scope="row">Signed at</th><td>2026-11-19 13:58:41 UTC (14:58:41 Europe/Zurich, UTC+01:00)</td></tr>
<tr><th scope="row">Digest signed</th><td><code>{DIGEST}</code></td></tr>
<tr><th scope="row">Verdict</th><td><span class="verdict">VALID</span></td></tr></tbody></table></div>"""
    void = signature.replace('class="signature"', 'class="signature signature-void"').replace(
        "VALID", "UNSIGNED"
    )
    return [
        Chapter("cover", "Cover", "", cover, late=True, bare=True),
        Chapter("answers", "Answers", "", answers, late=True),
        Chapter("bias", "Performance and fairness by subgroup", "15", bias,
                toc=[(2, "Recall by age group", "recall"), (2, "Method", "method")]),
        Chapter("signatures", "Signature manifest", "18", signature + void),
        Chapter("trail", "Audit trail", "28", table_of_acts(trail_rows)),
    ]  # fmt: skip


def attachments() -> list[Attachment]:
    return [
        Attachment("manifest.json", "application/json", b'{"pack": "P-0071"}', "What the pack holds"),
        Attachment("trail.csv", "text/csv", b"entry,who\n1,asilva\n", "The trail, sortable", "Source"),
    ]


def text_of(path: Path, page: int | None = None) -> str:
    """What a reader sees on one page, counted from 1, or on all; read by PDFium, which had no part in making it."""
    with pypdfium2.PdfDocument(path) as pdf:
        pages = range(len(pdf)) if page is None else [page - 1]
        return "\n".join(pdf[n].get_textpage().get_text_bounded().replace("\r\n", "\n") for n in pages)
