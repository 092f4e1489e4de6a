"""Attacks on the bundle of a pack: whatever is changed is named by file, row and field, and nothing is accepted."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apps.access.signing import SignatureInput, content_digest
from apps.approvals.acts import open_gate, sign_approval
from apps.approvals.models import Slot
from apps.core import csvsafe, jobs
from apps.core.clock import now
from apps.fairness.export import as_csv as report_csv
from apps.fairness.models import Report
from apps.packs import bundle, check_pack, check_tables
from apps.packs.gather import gather
from apps.packs.sections import front
from tests.cast import PASSWORD
from tests.factories.evidence import validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def pack(world, settings, tmp_path):
    """(folder with the bundle of a rejected version, content digest, manifest digest)."""
    settings.JOB_LEASE_SECONDS = 3600
    evidence = validated_world(world)
    gate = open_gate(world.owner, evidence.version.pk)
    jobs.run_queued()
    slot = Slot.objects.get(gate=gate, code="approval")
    given = SignatureInput(content_digest(slot), PASSWORD, decision="rejected")
    sign_approval(world.approver, slot.pk, reason="Recall is too low.", signature=given)
    gathered = gather(evidence.version.pk, now())
    made = bundle.make(gathered, "P-1")
    folder = tmp_path / "pack"
    folder.mkdir()
    for each in made.attachments:
        (folder / each.name).write_bytes(each.content)
    return folder, gathered.digest, made.manifest_digest


def judged(capsys, folder, *digests) -> tuple[int, str]:
    """What the checker of the source tree says of a folder: one in the folder cannot speak for itself."""
    code = check_pack.main(["check_pack.py", str(folder), *digests])
    return code, capsys.readouterr().out


def vouched_again(folder: Path) -> None:
    """The attacker writes the manifest anew, so that it names what lies there."""
    manifest = json.loads((folder / "manifest.json").read_text())
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    manifest["files"] = [
        {"name": name, "sha256": sha256(data), "size": len(data), "description": ""}
        for name, data in sorted(found.items())
    ]
    manifest["content_digest"] = sha256(found["content.json"]) if "content.json" in found else ""
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(), newline="")))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    path.write_bytes(out.getvalue().encode())


class Attacks:
    """Each is made on a fresh copy of the folder; what was accepted or not named is collected."""

    def __init__(self, capsys, pack, tmp_path) -> None:
        self.capsys, self.copy = capsys, tmp_path / "copy"
        self.folder, *self.digests = pack
        self.missed: list[str] = []
        self.made = 0

    def __call__(self, what: str, work, *names: str, vouch: bool = False, digests: bool = True) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.folder, self.copy)
        work(self.copy)
        if vouch:
            vouched_again(self.copy)
        code, told = judged(self.capsys, self.copy, *(self.digests if digests else ()))
        self.made += 1
        if code != 1 or not all(name in told for name in names):
            self.missed.append(f"{what}: code {code}, wanted {names} in: {told[:400]}")


def flipped(name: str, at: float):
    def work(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[int(at * (len(data) - 1))] ^= 1
        (folder / name).write_bytes(bytes(data))

    return work


def test_every_change_of_the_bundle_is_named(pack, capsys, tmp_path):
    folder, content, manifest = pack
    code, told = judged(capsys, folder, content, manifest)
    assert code == 0, told
    assert content in told
    assert manifest in told
    attack = Attacks(capsys, pack, tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        for at in (0.0, 0.37, 1.0):
            attack(f"a byte of {name}", flipped(name, at), name)
        attack(f"{name} dropped", lambda f, n=name: (f / n).unlink(), name)
        if name != "manifest.json":
            attack(
                f"{name} dropped, vouched", lambda f, n=name: (f / n).unlink(), "manifest.json", vouch=True
            )
            attack(f"a byte of {name}, vouched", flipped(name, 0.5), "manifest.json", vouch=True)
    attack("a file added", lambda f: (f / "more.csv").write_text("a"), "more.csv")
    attack(
        "a file added, vouched",
        lambda f: (f / "more.csv").write_text("a"),
        "more.csv",
        vouch=True,
        digests=False,
    )
    self_named = Path(check_pack.__file__).name
    attack("its own program", lambda f: (f / self_named).write_text("print('fine')"), self_named)
    assert not attack.missed, "\n".join(attack.missed)
    assert attack.made > 5 * len(names)


def test_every_cell_and_row_of_a_table_is_bound_to_the_content(pack, capsys, tmp_path):
    folder = pack[0]
    attack = Attacks(capsys, pack, tmp_path)
    tables = sorted(path.name for path in folder.glob("*.csv"))
    assert {"trail.csv", "signatures.csv", "results.csv", "duties.csv"} < set(tables)
    for name in tables:
        rows = rows_of(folder / name)
        assert len(rows) >= 3, name
        for at, column in enumerate(rows[0]):

            def changed(f, n=name, c=at):
                found = rows_of(f / n)
                found[2][c] += "x"
                write_rows(f / n, found)

            attack(f"{name} {column}", changed, f"{name}, row 3, {column}", vouch=True, digests=False)
        for what, work in (
            ("rows swapped", lambda found: [found[0], found[2], found[1], *found[3:]]),
            ("row dropped", lambda found: [*found[:2], *found[3:]]),
            ("row added", lambda found: [*found, found[1]]),
        ):
            attack(
                f"{name} {what}",
                lambda f, n=name, w=work: write_rows(f / n, w(rows_of(f / n))),
                name,
                vouch=True,
                digests=False,
            )
    assert not attack.missed, "\n".join(attack.missed)


def test_what_content_says_of_signatures_and_trail_is_held_against_the_log(pack, capsys, tmp_path):
    """The attacker rewrites content.json, every table and the manifest alike, and no digest was kept."""
    folder = pack[0]
    attack = Attacks(capsys, pack, tmp_path)

    def forged(change):
        def work(f: Path) -> None:
            content = json.loads((f / "content.json").read_text())
            change(content)
            (f / "content.json").write_bytes(check_pack.canonical(content))
            for name, table in check_tables.tables(content).items():
                (f / name).write_bytes(check_tables.as_csv(*table))

        return work

    content = json.loads((folder / "content.json").read_text())
    signature = content["signatures"][-1]
    assert signature["decision"] == "rejected"
    for field in (
        "printed_name", "username", "duties", "meaning", "meaning_text", "decision", "reason", "record",
        "record_version", "content_digest",
    ):  # fmt: skip
        attack(
            f"signature {field}",
            forged(lambda c, k=field: c["signatures"][-1].update({k: c["signatures"][-1][k] + "x"})),
            f"Signature {signature['uuid']}",
            f"{field}: ",
            vouch=True,
            digests=False,
        )
    later = {"signed_at": "2020-01-01T00:00:00.000000Z"}
    attack(
        "signed at",
        forged(lambda c: c["signatures"][-1].update(later)),
        "signed_at: ",
        vouch=True,
        digests=False,
    )

    def restated(c):  # the statement is forged too, with its digest
        row = c["signatures"][-1]
        statement = json.loads(row["statement"])
        statement["decision"] = row["decision"] = "approved"
        row["statement"] = json.dumps(statement, sort_keys=True, separators=(",", ":"))
        row["statement_digest"] = sha256(row["statement"].encode())

    attack(
        "statement", forged(restated), signature["uuid"], "entries.log", "decision", vouch=True, digests=False
    )
    attack(
        "signature left out",
        forged(lambda c: c["signatures"].pop()),
        signature["uuid"],
        vouch=True,
        digests=False,
    )
    entry = content["trail"]["entries"][-1]
    for field in (
        "at",
        "kind",
        "act",
        "who",
        "username",
        "on_behalf",
        "record",
        "reason",
        "decision",
        "digest",
    ):
        attack(
            f"entry {field}",
            forged(
                lambda c, k=field: c["trail"]["entries"][-1].update({k: c["trail"]["entries"][-1][k] + "x"})
            ),
            f"trail.csv, entry {entry['entry']}, {field}",
            vouch=True,
            digests=False,
        )
    number = f"Entry {entry['entry']} "
    attack("entry left out", forged(lambda c: c["trail"]["entries"].pop()), number, vouch=True, digests=False)
    assert not attack.missed, "\n".join(attack.missed)


def test_a_conflict_that_the_pack_hides_is_found_again_from_the_entries(pack, capsys, tmp_path):
    """The author who validated would break DY1: here the validator is made a declared author after the fact."""
    folder = pack[0]
    content = json.loads((folder / "content.json").read_text())
    entries = (folder / "entries.log").read_text().split("\n")
    heads = [json.loads(line.partition(" ")[2]) for line in entries[0:-1:2]]
    validator = next(h["actor_uuid"] for h in heads if h["act"] == "validations.sign_plan_author")
    version = {"kind": "registry.version", "id": content["version"]["id"]}
    content["separation"]["declared"].append({"person": validator, "verb": "develop", **version})
    (folder / "content.json").write_bytes(check_pack.canonical(content))
    vouched_again(folder)
    code, told = judged(capsys, folder)
    assert code == 1
    assert "Separation of duties, DY1 " in told


def test_the_tables_are_those_of_the_portal(pack, world):
    folder = pack[0]
    report = Report.objects.get()
    assert (folder / f"groups-{report.ref}.csv").read_bytes() == report_csv(report, world.author).encode()
    for text in ("=1+1", "-3", "+x", "@a", "plain", "1e5", "\uff1da"):
        assert check_tables.cell(text) == csvsafe.disarmed(text)


def test_a_rejection_is_told_as_one_and_scoped(pack):
    content = json.loads((pack[0] / "content.json").read_text())
    (line,) = [e for e in content["trail"]["entries"] if e["decision"] == "rejected"]
    assert line["told"] == "rejected at the release gate (QA approval)"
    header, *rows = rows_of(pack[0] / "trail.csv")
    at = header.index("decision")
    assert [row[at] for row in rows].count("rejected") == 1
    acts = [a["act"] for m in content["separation"]["matrix"] for a in m["acts"]]
    assert "rejected at the release gate (QA approval)" in acts
    assert "signed the release gate for QA" not in acts


def test_the_printed_commands_check_the_pack_with_poppler_and_python_alone(pack, tmp_path):
    """Exactly what section 2 prints, in an empty folder that holds the PDF under the name it is downloaded by."""
    import pikepdf

    folder, content, manifest = pack
    inspector = tmp_path / "inspector"
    inspector.mkdir()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        for path in sorted(folder.iterdir()):
            pdf.attachments[path.name] = path.read_bytes()
        pdf.save(inspector / "P-1-lotx-1.0.0.pdf")
    commands = [front.take_out("P-1-lotx-1.0.0.pdf"), *front.check_lines(content, manifest)]
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(commands)],
        cwd=inspector,
        env={"PATH": f"/usr/bin:/bin:{Path(sys.executable).resolve().parent}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verified:" in done.stdout
    assert {path.name for path in (inspector / "pack").iterdir()} == {path.name for path in folder.iterdir()}
