"""Every structural check bites: a good pack is broken in one way, and the check of that name says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from apps.packs.pdfcheck import CHECKS, check_pdf
from apps.packs.render import render_pack
from tests.packs.sample import attachments, chapters, meta


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    out = tmp_path_factory.mktemp("good") / "pack.pdf"
    result = render_pack(chapters(10), meta=meta(), attachments=attachments(), out=out)
    assert result.failed_checks == []
    return out


def elements(pdf: pikepdf.Pdf, kind: str) -> list[Any]:
    return [
        item
        for item in pdf.objects
        if isinstance(item, pikepdf.Dictionary)
        and item.get("/Type") == Name.StructElem
        and Name(kind) == item.S
    ]


def link(pdf: pikepdf.Pdf) -> Any:
    return next(page.obj.Annots[0] for page in pdf.pages if "/Annots" in page.obj)


def rewrite_xmp(old: bytes, new: bytes) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        packet = pdf.Root.Metadata.read_bytes()
        assert old in packet
        pdf.Root.Metadata.write(packet.replace(old, new))

    return change


def untag(pdf: pikepdf.Pdf) -> None:
    page = pdf.pages[0]
    page.Contents[1].write(page.Contents[1].read_bytes().replace(b"/Artifact\nBMC", b"/Span\nBMC", 1))


def say_twice(pdf: pikepdf.Pdf) -> None:
    page = pdf.pages[0]
    page.Contents[1].write(
        page.Contents[1]
        .read_bytes()
        .replace(b"/MCID 1>>", b"/MCID 0>>")
        .replace(b"/MCID 1 >>", b"/MCID 0 >>")
    )


def swap_parent(pdf: pikepdf.Pdf) -> None:
    first, second = list(elements(pdf, "/Document")[0].K)[:2]
    first.K[0].P = second


def drop_parent_entry(pdf: pikepdf.Pdf) -> None:
    leaf = pdf.Root.StructTreeRoot.ParentTree.Kids[0]
    del leaf.Nums[1][0]


def move_link(pdf: pikepdf.Pdf) -> None:
    link(pdf).StructParent = int(link(pdf).StructParent) + 99


def foreign_page(pdf: pikepdf.Pdf) -> None:
    link(pdf).Dest = Array([pdf.make_indirect(Dictionary(Type=Name.Page)), Name.XYZ, 0, 0, 0])


def unembed(pdf: pikepdf.Pdf) -> None:
    for item in pdf.objects:
        if isinstance(item, pikepdf.Dictionary) and "/FontFile2" in item:
            del item["/FontFile2"]
            return


def drop_unicode(pdf: pikepdf.Pdf) -> None:
    for item in pdf.objects:
        if isinstance(item, pikepdf.Dictionary) and "/ToUnicode" in item:
            del item["/ToUnicode"]
            return


def rename_id(pdf: pikepdf.Pdf) -> None:
    cell = next(item for item in elements(pdf, "/TH") if "/ID" in item)
    cell.ID = String("elsewhere")


def copy_id(pdf: pikepdf.Pdf) -> None:
    cells = [item for item in elements(pdf, "/TH") if "/ID" in item]
    cells[0].ID = cells[1].ID


def silence_figure(pdf: pikepdf.Pdf) -> None:
    del elements(pdf, "/Figure")[0]["/Alt"]


def resize_attachment(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AF[0].EF.F.Params.Size = 3


def empty_outline(pdf: pikepdf.Pdf) -> None:
    with pdf.open_outline() as outline:
        outline.root.clear()


def add_layer(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OCProperties = Dictionary(OCGs=Array(), D=Dictionary())


def set_key(path: str, value: Any) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.Root[path] = value

    return change


def drop_key(path: str) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        del pdf.Root[path]

    return change


def script(pdf: pikepdf.Pdf) -> None:
    link(pdf).A = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


def odd_uri(pdf: pikepdf.Pdf) -> None:
    link(pdf).A = Dictionary(S=Name.URI, URI=String("file:///etc/passwd"))


def set_link(key: str, value: Any) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        link(pdf)[key] = value

    return change


def no_title(pdf: pikepdf.Pdf) -> None:
    del pdf.docinfo["/Title"]


def later_date(pdf: pikepdf.Pdf) -> None:
    pdf.docinfo["/ModDate"] = String("D:20300101000000Z")


def second_intent(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OutputIntents.append(pdf.Root.OutputIntents[0])


def grey_intent(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OutputIntents[0].DestOutputProfile.N = 1


def list_attachment_twice(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AF.append(pdf.Root.AF[0])


def unrelated(pdf: pikepdf.Pdf) -> None:
    del pdf.Root.AF[0]["/AFRelationship"]


def tab_order(pdf: pikepdf.Pdf) -> None:
    next(page.obj for page in pdf.pages if "/Annots" in page.obj).Tabs = Name.R


BREAKS: list[tuple[str, Callable[[pikepdf.Pdf], None]]] = [
    ("metadata", drop_key("/Metadata")),
    ("metadata", rewrite_xmp(b"<pdfaid:part>3", b"<pdfaid:part>2")),
    ("metadata", rewrite_xmp(b"<pdfuaid:part>1</pdfuaid:part>", b"")),
    ("metadata", rewrite_xmp(b"Sepsis early", b"Other early")),
    ("metadata", later_date),
    ("identity", drop_key("/Lang")),
    ("identity", drop_key("/ViewerPreferences")),
    ("identity", drop_key("/MarkInfo")),
    ("identity", no_title),
    ("colour", drop_key("/OutputIntents")),
    ("colour", second_intent),
    ("colour", grey_intent),
    ("attachments", list_attachment_twice),
    ("attachments", drop_key("/AF")),
    ("attachments", unrelated),
    ("attachments", resize_attachment),
    ("fonts", unembed),
    ("fonts", drop_unicode),
    ("annotations", set_link("/F", 2)),
    ("annotations", set_link("/Contents", String(""))),
    ("annotations", foreign_page),
    ("annotations", tab_order),
    ("actions", script),
    ("actions", odd_uri),
    ("actions", set_key("/OpenAction", Dictionary(S=Name.GoTo))),
    ("actions", set_key("/AA", Dictionary())),
    ("structure", drop_key("/StructTreeRoot")),
    ("structure", swap_parent),
    ("parent_tree", drop_parent_entry),
    ("parent_tree", move_link),
    ("identifiers", rename_id),
    ("identifiers", copy_id),
    ("figures", silence_figure),
    ("marked_content", untag),
    ("marked_content", say_twice),
    ("streams", add_layer),
    ("outline", empty_outline),
]


@pytest.mark.parametrize(
    ("code", "breaks"), BREAKS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_check_bites(good, tmp_path, code, breaks):
    broken = tmp_path / "broken.pdf"
    with pikepdf.open(good) as pdf:
        breaks(pdf)
        pdf.save(broken, deterministic_id=True)
    verdicts = {check.code: check for check in check_pdf(broken)}
    assert not verdicts[code].ok
    assert verdicts[code].detail


def test_every_check_is_broken_once():
    assert {code for code, _breaks in BREAKS} == set(CHECKS)


def test_damaged_bytes_are_noticed(good, tmp_path):
    data = bytearray(good.read_bytes())
    at = data.rindex(b"endstream") - 40
    data[at : at + 30] = b"\0" * 30
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(bytes(data))
    try:
        verdicts = check_pdf(broken)
    except pikepdf.PdfError:
        return
    assert any(not check.ok for check in verdicts)


def test_encryption_is_noticed(good, tmp_path):
    broken = tmp_path / "broken.pdf"
    with pikepdf.open(good) as pdf:
        pdf.save(broken, encryption=pikepdf.Encryption(owner="x", user=""))
    assert "encrypted" in next(check for check in check_pdf(broken) if check.code == "identity").detail


def test_untouched_copy_still_holds(good, tmp_path):
    copy = tmp_path / "copy.pdf"
    with pikepdf.open(good) as pdf:
        pdf.save(copy, deterministic_id=True)
    assert [check for check in check_pdf(copy) if not check.ok] == []
