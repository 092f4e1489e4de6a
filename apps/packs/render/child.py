"""The process that lays out chapters: no network, no files but its scratch folder and the libraries, limits.

Run by path with `python -I`; reads one JSON request a line on standard input, writes one JSON answer a line.
Of the project it loads three files by path (native libraries, walls, system call filter) and nothing else; once
they stand, it opens nothing outside its scratch folder, whatever a chapter makes it do.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import resource
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

FORBIDDEN_TAGS = frozenset(
    "script style link meta base iframe object embed form input button select textarea video audio".split()
)
SOURCES = frozenset("src srcset href data poster background action cite longdesc".split())
PAINTS = frozenset("fill stroke filter mask clip-path marker-start marker-mid marker-end".split())
MAX_SPAN = 200
MAX_DEPTH = 250
KEYS_PER_CHAPTER = 1_000_000  # room for a chapter's pages and links in the joined parent tree
OUTSIDE = "It refers to something outside the pack; nothing was fetched. ({})"


class Refuse(Exception):
    """This chapter may not be laid out; the text is a sentence."""


class Remarks(logging.Handler):
    """Collects what WeasyPrint warns about while one chapter is laid out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage()[:300])


def limit(memory_bytes: int, parent: int) -> None:
    """Die with the parent; cap memory, file size and core files."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024**3, 1024**3))


def allow_cpu(seconds: int) -> None:
    """Let this process use `seconds` more of CPU; SIGXCPU ends it after that."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))


def inspect(root: Any, known: set[str], pages: dict[str, int]) -> list[str]:
    """Refuse what a chapter may not hold, fill in page numbers, aim links; return remarks.

    Walks with a stack of its own: the content may be nested deeper than Python recurses.
    """
    notes: list[str] = []
    local: set[str] = set()
    anchors: list[Any] = []
    stack = [(root, 0)]
    while stack:
        element, depth = stack.pop()
        if not isinstance(element.tag, str):
            continue
        if depth > MAX_DEPTH:
            raise Refuse(f"It is nested deeper than {MAX_DEPTH} elements.")
        tag = element.tag.lower()
        bare = tag.rsplit("}", 1)[-1]
        if bare in FORBIDDEN_TAGS and not (bare == "style" and depth == 0):
            raise Refuse(f"It holds a <{bare}> element, which a pack may not.")
        if "style" in element.attrib:
            raise Refuse(f"It holds a style attribute on <{bare}>, which a pack may not.")
        for name, value in element.attrib.items():
            reference = value.strip().lower()
            if (
                name.rsplit("}", 1)[-1] in SOURCES
                and bare != "a"
                and not reference.startswith(("data:", "#"))
            ):
                raise Refuse(OUTSIDE.format(f"{bare} {name} {value[:200]}"))
            if "url(" in reference.replace("url(#", "") and name in PAINTS:
                raise Refuse(OUTSIDE.format(f"{bare} {name} {value[:200]}"))
        for name in ("colspan", "rowspan", "span"):
            value = element.attrib.get(name, "1").strip()
            if not value.isdigit() or int(value[:9]) > MAX_SPAN:
                raise Refuse(f"A <{bare}> has {name} {value[:20]}; at most {MAX_SPAN} is laid out.")
        if identifier := element.attrib.get("id"):
            local.add(identifier)
        if target := element.attrib.get("data-page-of"):
            element.text = str(pages.get(target, "–"))
            if pages and target not in pages:
                notes.append(f"A page number was asked for {target}, which this pack does not have.")
        if tag == "a" and "href" in element.attrib:
            anchors.append(element)
        stack.extend((child, depth + 1) for child in element)
    for element in anchors:
        href = element.attrib["href"].strip()
        if href.startswith("#"):
            name = href[1:]
            if name in local:
                continue
            if name in known:
                element.attrib["href"] = "xref:" + name
                continue
            notes.append(f"A link to {name}, which this pack does not have, was printed as text.")
        elif href.startswith(("https://", "http://", "mailto:")) and len(href) < 2000:
            continue
        else:
            notes.append(f"A link to {href[:80]} was printed as text.")
        del element.attrib["href"]
    return notes


def finisher(prefix: str, index: int) -> Any:
    """A hook for WeasyPrint's object list: unique ids with their tree, shifted keys, printable links."""
    import pydyf

    base = index * KEYS_PER_CHAPTER

    def renamed(value: Any) -> Any:
        return pydyf.String(f"{prefix}-{value.string}")

    def finish(document: Any, pdf: Any) -> None:
        identified: list[tuple[str, bytes]] = []
        for item in pdf.objects:
            if not isinstance(item, dict):
                continue
            kind = item.get("Type")
            if kind == "/StructElem":
                if "ID" in item:
                    item["ID"] = renamed(item["ID"])
                    identified.append((item["ID"].string, item.reference))
                attributes = item.get("A")
                if attributes is not None and "Headers" in attributes:
                    if attributes["Headers"]:
                        attributes["Headers"] = pydyf.Array([renamed(key) for key in attributes["Headers"]])
                    else:
                        del attributes["Headers"]
            elif kind == "/Annot":
                item["F"] = 4  # printed, not hidden (ISO 19005-3, 6.3.3)
                if "StructParent" in item:
                    item["StructParent"] += base
            elif kind == "/Page" and "StructParents" in item:
                item["StructParents"] += base
            elif kind == "/StructTreeRoot":
                root = item
        number = int(root["ParentTree"].split()[0])
        numbers = pdf.objects[number]["Nums"]
        numbers[0::2] = [key + base for key in numbers[0::2]]
        names = pydyf.Array()
        for key, reference in sorted(identified):
            names.extend((pydyf.String(key), reference))
        root["IDTree"] = pydyf.Dictionary({"Names": names})
        # What the merger writes once for the whole pack.
        for key in ("Outlines", "Names", "Metadata"):
            pdf.catalog.pop(key, None)

    return finish


def outline(tree: list[Any]) -> list[Any]:
    """WeasyPrint's bookmarks as plain lists [title, page, x, y, children]."""
    return [[label, page, x, y, outline(children)] for label, (page, x, y), children, _state in tree]


def lay_out(request: dict[str, Any], sheets: dict[str, Any], remarks: Remarks) -> dict[str, Any]:
    """Lay out one chapter into request["pdf"]; return pages, anchors and bookmarks in PDF points."""
    from weasyprint import CSS, HTML
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    fetcher = URLFetcher(allowed_protocols=["data"], allow_redirects=False, fail_on_errors=True)
    html = HTML(string=Path(request["html"]).read_text(encoding="utf-8"), url_fetcher=fetcher)
    body = html.etree_element.find("body")
    known = set(json.loads(Path(request["known"]).read_text(encoding="utf-8")))
    notes = inspect(body, known, request["pages"])
    css = request["css"]
    if css not in sheets:
        sheets[css] = CSS(string=Path(css).read_text(encoding="utf-8"), url_fetcher=fetcher)
    remarks.lines.clear()
    try:
        document = html.render(stylesheets=[sheets[css]], pdf_tags=True, pdf_version="1.7")
        document.write_pdf(
            request["pdf"],
            finisher=finisher(f"c{request['index']:04d}", request["index"]),
            pdf_tags=True,
            pdf_version="1.7",
        )
    except FatalURLFetchingError as problem:  # not an Exception, so that no handler below swallows it
        raise Refuse(OUTSIDE.format(problem)) from None
    for line in remarks.lines:
        if line.startswith(("Failed to load", "Failed to open")) or "disallowed protocol" in line:
            raise Refuse(OUTSIDE.format(line))
    notes.extend(line for line in remarks.lines)
    anchors: dict[str, list[float]] = {}
    for number, page in enumerate(document.pages):
        for name, (x, y, *_rest) in page.anchors.items():
            anchors.setdefault(name, [number, round(x * 0.75, 2), round((page.height - y) * 0.75, 2)])
    return {
        "pages": len(document.pages),
        "anchors": anchors,
        "outline": outline(document.make_bookmark_tree(0.75, transform_pages=True)),
        "notes": notes,
    }


def answer(request: dict[str, Any], sheets: dict[str, Any], remarks: Remarks) -> dict[str, Any]:
    """One request's answer; a chapter that cannot be laid out gives {"error": sentence}."""
    allow_cpu(request["cpu_seconds"])
    start = time.process_time()
    try:
        result = lay_out(request, sheets, remarks)
    except Refuse as refusal:
        return {"error": str(refusal)}
    except MemoryError:
        return {"error": "It needed more memory than one chapter may use.", "spent": True}
    except RecursionError:
        return {"error": "It is nested deeper than the page layout can follow.", "spent": True}
    except Exception as problem:
        return {
            "error": f"The page layout stopped with {type(problem).__name__}: {problem}"[:500],
            "spent": True,
        }
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result["cpu"] = round(time.process_time() - start, 3)
    result["peak_kb"] = usage.ru_maxrss
    return result


def read_paths(loader: str) -> list[str]:
    """Libraries unpacked for this installation, where there are any (`.native`, made by the bootstrap)."""
    unpacked = Path(loader).resolve().parents[2] / ".native"
    return [str(unpacked)] if unpacked.is_dir() else []


def main() -> None:
    """Serve requests until standard input ends."""
    memory, loader, parent, walls_file, filter_file = sys.argv[1:6]
    limit(int(memory), int(parent))
    walls, calls = runpy.run_path(walls_file), runpy.run_path(filter_file)
    library = walls["libc"]()
    network = (
        walls["cut_network"](library) if library is not None else "none"
    )  # before there is a second thread
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    runpy.run_path(loader)["preload_native"]()
    import weasyprint  # noqa: F401  # what it loads lies outside the fence's scratch folder

    isolation = walls["enclose"](
        read_paths(loader),
        [os.getcwd()],
        network=network,
        forbid=lambda library: calls["restrict"](library, calls["FILES"] | calls["THREADS"]),
    )
    remarks = Remarks()
    logging.getLogger("weasyprint").addHandler(remarks)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    gc.disable()  # layout makes few cycles and millions of objects: a fifth of the time goes into collecting
    sheets: dict[str, Any] = {}
    for line in sys.stdin:
        reply = {**answer(json.loads(line), sheets, remarks), "isolation": isolation}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        gc.collect()


if __name__ == "__main__":
    main()
