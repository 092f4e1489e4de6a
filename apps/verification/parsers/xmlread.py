"""XML by expat, event by event: no tree, no entity declared, no document fetched, bounded depth.

A DOCTYPE that only names a DTD is let through and never read (Cobertura's writers put one there); one with an internal
subset could declare entities, and is refused before any of it is expanded.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from apps.verification.parsers.found import MAX_DEPTH, Unreadable

Start = Callable[[str, dict[str, str], int], None]  # element without namespace, attributes, line
End = Callable[[str, str], None]  # element, its own text


def walk(data: bytes, start: Start, end: End) -> None:
    """Call `start` and `end` for each element. Unreadable with the line for anything that is not plain XML."""
    parser = expat.ParserCreate()
    depth = 0
    texts: list[list[str]] = []

    def doctype(_name: str, _system: str | None, _public: str | None, internal: bool) -> None:
        if internal:
            raise Unreadable(
                f"Line {parser.CurrentLineNumber}: the document declares entities or a DTD of its own. "
                "Files with such declarations are not read; write the file without them."
            )

    def entity(*_declared: object) -> None:
        raise Unreadable(f"Line {parser.CurrentLineNumber}: the document declares an entity.")

    def opened(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise Unreadable(
                f"Line {parser.CurrentLineNumber}: elements are nested more than {MAX_DEPTH} deep."
            )
        texts.append([])
        start(name.rpartition(":")[2], attributes, parser.CurrentLineNumber)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name.rpartition(":")[2], "".join(texts.pop()))

    def said(text: str) -> None:
        if texts and len(texts[-1]) < 200:
            texts[-1].append(text[:2000])

    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = entity
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = said
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Unreadable(
            f"Line {error.lineno}, column {error.offset + 1}: this is not well-formed XML "
            f"({expat.errors.messages[error.code]})."
        ) from None
    except (LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("The encoding the file declares is not one it can be read in. Use UTF-8.") from None
