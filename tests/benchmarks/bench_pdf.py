"""Measures `render_pack` against plain WeasyPrint on the same content in the same run.

    python tests/benchmarks/bench_pdf.py [--pages 60 200] [--children 2]

Plain is one WeasyPrint document, PDF/A-3a, with the same chapters and fonts, in a process of its own. Prints
one line a size: pages, CPU and wall seconds of both, their ratio, the largest process, the share of merging and
checking, and whether both files hold the same text. Nothing is asserted: machines differ.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apps.packs.render import Chapter, Limits, RenderResult, render_pack  # noqa: E402
from apps.packs.render.fonts import write_fontconfig  # noqa: E402
from apps.packs.render.page import STYLESHEET, whole_page  # noqa: E402
from tests.packs.sample import CHART, meta, table_of_acts  # noqa: E402

ROWS_A_PAGE = 36
CHAPTER_PAGES = 25

PLAIN = """
import json, resource, sys, time
from weasyprint import CSS, HTML
from weasyprint.urls import URLFetcher
start = time.process_time(), time.monotonic()
fetcher = URLFetcher(allowed_protocols=["data"], allow_redirects=False)
html = HTML(string=open(sys.argv[1], encoding="utf-8").read(), url_fetcher=fetcher)
document = html.render(stylesheets=[CSS(filename=sys.argv[2])], pdf_variant="pdf/a-3a")
document.write_pdf(sys.argv[3], pdf_variant="pdf/a-3a")
print(json.dumps({"cpu": time.process_time() - start[0], "wall": time.monotonic() - start[1],
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "pages": len(document.pages)}))
"""


def content(pages: int) -> list[Chapter]:
    """Chapters of about 25 pages: a chart, a paragraph, a long table of trail entries."""
    made = []
    for number in range(1, max(1, round(pages / CHAPTER_PAGES)) + 1):
        rows = ROWS_A_PAGE * min(CHAPTER_PAGES, pages) - ROWS_A_PAGE
        html = f"<p>Section {number} says what was recorded.</p>{CHART}{table_of_acts(rows, number * rows)}"
        made.append(Chapter(f"s{number}", f"Section {number}", str(number), html))
    return made


def plain(chapters: list[Chapter], folder: Path) -> dict[str, float]:
    """One WeasyPrint document of all chapters, in a child process."""
    sections = []
    for chapter in chapters:
        body = re.search(r"<body[^>]*>(.*)</body>", whole_page(chapter, meta()), re.S)
        assert body
        sections.append(f'<div class="new-page">{body[1]}</div>')
    page = whole_page(Chapter("all", "All", "", "".join(sections), bare=True), meta())
    source = folder / "plain.html"
    source.write_text(page, encoding="utf-8")
    env = {**os.environ, "FONTCONFIG_FILE": str(write_fontconfig(folder))}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(source), str(STYLESHEET), str(folder / "plain.pdf")],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def engine(chapters: list[Chapter], folder: Path, children: int) -> tuple[dict[str, float], RenderResult]:
    """The same chapters by the engine; CPU counts this process and its children."""
    stages: list[tuple[float, str]] = []
    cpu: dict[str, float] = {}
    peak: dict[str, list[float]] = {}

    def note(stage: str) -> None:
        stages.append((time.monotonic(), stage))
        cpu[stage] = spent()
        peak[stage] = [
            resource.getrusage(who).ru_maxrss / 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]

    before = spent()
    start = time.monotonic()
    result = render_pack(
        chapters,
        meta=meta(),
        out=folder / "engine.pdf",
        limits=Limits(children=children),
        progress=lambda _done, _total, stage: note(stage),
    )
    wall = time.monotonic() - start
    joined = next(moment for moment, stage in stages if stage.startswith("Joining"))
    checked = next(moment for moment, stage in stages if stage.startswith("Checking"))
    return {
        "cpu": cpu["Checking the PDF"] - before,
        "checking": spent() - cpu["Checking the PDF"],
        "wall": wall,
        "merge": checked - joined,
        "check": stages[-1][0] - checked,
        "merger": peak["Checking the PDF"][0],
        "child": peak["Joining the chapters"][1],
    }, result


def spent() -> float:
    """CPU seconds of this process and its ended children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def words(path: Path, first: int) -> list[str]:
    """The words of a file's body from page `first` on, without head and foot, in reading order."""
    program = shutil.which("pdftotext")
    if program is None:
        return []
    crop = ["-x", "0", "-y", "50", "-W", "596", "-H", "740"]  # points: the text area of A4
    done = subprocess.run(
        [program, "-r", "72", *crop, "-f", str(first), str(path), "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def main() -> None:
    """Run the sizes asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, nargs="+", default=[50, 150])
    parser.add_argument("--children", type=int, default=2)
    asked = parser.parse_args()
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("weasyprint", "pikepdf", "pydyf", "fonttools")
    )
    print(
        f"Python {platform.python_version()}, {libraries}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    for pages in asked.pages:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            chapters = content(pages)
            ours, result = engine(chapters, folder, asked.children)
            theirs = plain(chapters, folder)
            first = min(page for key, page in result.chapter_pages.items() if key != "contents")
            mine, other = words(folder / "engine.pdf", first), words(folder / "plain.pdf", 1)
            same = "same text" if mine == other and mine else "TEXT DIFFERS" if mine else "no pdftotext"
            failed = [check.code for check in result.failed_checks]
            print(
                f"{result.pages} pages ({int(theirs['pages'])} plain): CPU {ours['cpu']:.1f} s against "
                f"{theirs['cpu']:.1f} ({ours['cpu'] / theirs['cpu']:.2f} x), wall {ours['wall']:.1f} against "
                f"{theirs['wall']:.1f} ({ours['wall'] / theirs['wall']:.2f} x); largest child {ours['child']:.0f} MB, "
                f"merger {ours['merger']:.0f} MB, plain {theirs['peak']:.0f} MB; merge {ours['merge']:.1f} s, "
                f"check {ours['check']:.1f} s (CPU {ours['checking']:.1f}, beside the above); "
                f"{same}; checks {failed or 'hold'}"
            )


if __name__ == "__main__":
    main()
