"""Acts on packs, each five ways; what the bundle proves without the portal; the same from the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pikepdf
import pytest
from django.core.management import CommandError, call_command

from apps.access.actors import Actor
from apps.approvals.acts import open_gate
from apps.core import blobs, jobs
from apps.core.errors import BadInput, NotAllowed, NotVisible, WrongState
from apps.core.models import Job
from apps.packs import queries
from apps.packs.acts import download_pack, fail_pack, finish_pack, request_pack
from apps.packs.gather import gather
from apps.packs.models import Pack
from apps.packs.sections.gaps import LEFT_OUT
from apps.quality.acts import open_deviation
from apps.registry.acts import freeze
from apps.trail.models import Entry
from tests.factories.evidence import validated_world
from tests.packs.sample import text_of

pytestmark = [pytest.mark.django_db(transaction=False), pytest.mark.evidence("frozen")]


@pytest.fixture(autouse=True)
def long_lease(settings):
    """The test's transaction holds the database: the heartbeat's own connection could not write."""
    settings.JOB_LEASE_SECONDS = 3600


@pytest.fixture
def frozen(world):
    return validated_world(world, until="frozen").version


def built(world, version) -> Pack:
    pack = request_pack(world.inspector, version.pk, purpose="Annual inspection")
    jobs.run_queued()
    pack.refresh_from_db()
    assert pack.state == "done", pack.failure
    return pack


def taken_out(path, folder):
    """The embedded files of a PDF, written to `folder`."""
    with pikepdf.open(path) as pdf:
        for name, spec in pdf.attachments.items():
            (folder / name).write_bytes(spec.get_file().read_bytes())
    return folder


def checked(folder):
    command = [sys.executable, "-I", "-S", str(folder / "check_pack.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={}, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_asking_numbers_the_pack_and_enters_who_and_why(world, frozen):
    pack = request_pack(world.monitor, frozen.pk, purpose="  Annual \n inspection ")
    assert (pack.ref, pack.purpose, pack.state) == (f"P-{pack.number}", "Annual inspection", "queued")
    assert request_pack(world.inspector, frozen.pk, purpose="x").number == pack.number + 1
    entry = Entry.objects.get(act="packs.request_pack", subject_id=str(pack.pk))
    body = json.loads(entry.body)
    assert (entry.actor_name, body["facts"]["purpose"]) == ("Monitor Person", "Annual inspection")
    assert pack.history.count() == 2  # made, and given its job
    assert pack.job.kind == "packs.build"


def test_asked_twice_with_one_key_is_one_pack(world, frozen):
    one = request_pack(world.monitor, frozen.pk, purpose="x", idempotency_key="k")
    assert request_pack(world.monitor, frozen.pk, purpose="x", idempotency_key="k").pk == one.pk
    assert Pack.objects.count() == 1


@pytest.mark.parametrize("purpose", ["", "   ", "x" * 201])
def test_a_pack_without_a_purpose_is_not_asked_for(world, frozen, purpose):
    with pytest.raises(BadInput) as refused:
        request_pack(world.monitor, frozen.pk, purpose=purpose)
    assert "purpose" in refused.value.fields
    assert not Pack.objects.exists()
    assert not Job.objects.filter(kind="packs.build").exists()


@pytest.mark.parametrize("person", ["stranger", "other_developer", "curator"])
def test_who_does_not_see_the_version_asks_for_nothing(world, frozen, person):
    with pytest.raises(NotVisible):
        request_pack(world.people[person], frozen.pk, purpose="x")


def test_the_administrator_takes_no_pack(world, frozen):
    pack = request_pack(world.monitor, frozen.pk, purpose="x")
    for attempt in (
        lambda: request_pack(world.administrator, frozen.pk, purpose="x"),
        lambda: download_pack(world.administrator, pack.pk),
    ):
        with pytest.raises(NotVisible):
            attempt()


def test_only_the_worker_ends_a_pack(world, frozen):
    pack = request_pack(world.monitor, frozen.pk, purpose="x")
    with pytest.raises(NotAllowed):
        finish_pack(world.compliance, pack.pk, job=pack.job, as_of=pack.as_of, built={})
    with pytest.raises(NotAllowed):
        fail_pack(world.compliance, pack.pk, job=pack.job, message="no")


def test_a_pack_that_is_not_ready_is_not_handed_out(world, frozen):
    pack = request_pack(world.monitor, frozen.pk, purpose="x")
    with pytest.raises(WrongState) as refused:
        download_pack(world.monitor, pack.pk)
    assert refused.value.rule == "pack-ready"


def test_a_failed_pack_says_why_and_stays(world, frozen):
    pack = request_pack(world.monitor, frozen.pk, purpose="x")
    job = jobs.claim(pack.job_id)
    failed = fail_pack(
        Actor.service("worker", on_behalf=world.monitor), pack.pk, job=job, message="No fonts."
    )
    assert (failed.state, failed.failure) == ("failed", "No fonts.")
    with pytest.raises(WrongState) as refused:
        download_pack(world.monitor, pack.pk)
    assert refused.value.fact == "No fonts."
    with pytest.raises(jobs.Lost):
        fail_pack(Actor.service("worker", on_behalf=world.monitor), pack.pk, job=job, message="again")


def test_the_same_moment_has_one_content_digest_whoever_builds(world, frozen):
    one = request_pack(world.inspector, frozen.pk, purpose="first")
    first = gather(frozen.pk, one.as_of)
    request_pack(world.compliance, frozen.pk, purpose="zweiter Grund")
    with pytest.raises(NotAllowed):
        freeze(world.approver, frozen.pk)  # a refusal after the as-of is not part of it
    again = gather(frozen.pk, one.as_of)
    assert again.digest == first.digest
    assert again.as_of == one.as_of
    assert "zweiter" not in json.dumps(again.content)


@pytest.mark.once
def test_a_pack_never_shows_what_came_after_its_as_of(world, frozen):
    """Asked for before a find and built after it; what is not there yet is said, with whose duty it is."""
    pack = request_pack(world.inspector, frozen.pk, purpose="x")
    open_deviation(
        world.validator, frozen.pk, title="Late find", description="Seen after the pack was asked for"
    )
    found = gather(frozen.pk, pack.as_of)
    opened = Entry.objects.get(act="quality.open_deviation")
    assert found.as_of > opened.at > pack.as_of.replace(microsecond=0)
    assert [d["content"]["title"] for d in found.content["deviations"]] == ["Late find"]
    jobs.run_queued()
    pack.refresh_from_db()
    assert pack.state == "done", pack.failure
    assert pack.as_of >= opened.at
    told = " ".join(text_of(queries.file_of(pack)).split())
    assert "None recorded as of" in told
    assert "Responsible: bias tester." in told
    assert "9 Datasheets" in told
    assert "14 Verification and validation" in told


class TestWholePack:
    """One real pack of a version with all its evidence, looked at from all sides: building it takes seconds."""

    def test_it_is_whole_says_what_it_must_and_proves_itself(self, world, tmp_path):
        evidence = validated_world(world)
        open_gate(world.owner, evidence.version.pk)
        jobs.run_queued()
        with pytest.raises(WrongState):
            freeze(world.author, evidence.version.pk)
        pack = built(world, evidence.version)
        folder = taken_out(queries.file_of(pack), tmp_path)
        self._no_test_data(evidence, folder)
        self._printed(evidence, pack, folder)
        self._entered(world, pack)
        self._proves_itself(evidence, pack, folder)

    def _proves_itself(self, evidence, pack, folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {f["name"] for f in manifest["files"]} == {p.name for p in folder.iterdir()} - {
            "manifest.json"
        }
        must = {
            "content.json",
            "trail.csv",
            "results.csv",
            "signatures.csv",
            f"groups-{evidence.report.ref}.csv",
        }
        must |= {"entries.log", "checkpoint.note", "log.pub", "offline_verifier.py"}
        assert must <= {p.name for p in folder.iterdir()}
        assert manifest["content_digest"] == pack.content_digest
        code, told = checked(folder)
        assert code == 0, told
        assert pack.content_digest in told
        assert "Verified:" in told
        self._forge_signature(folder)
        code, told = checked(folder)
        assert code == 1
        assert "is not what was signed" in told
        assert "content.json" in told

    def _forge_signature(self, folder):
        path = folder / "content.json"
        content = json.loads(path.read_text())
        content["signatures"][0]["printed_name"] = "Somebody Else"
        path.write_text(json.dumps(content))

    def _printed(self, evidence, pack, folder):
        path = queries.file_of(pack)
        cover, told = text_of(path, 1), " ".join(text_of(path).split())
        assert pack.content_digest in cover.replace("\n", "")
        assert "Annual inspection" in cover
        assert "Inspector Person (inspector)" in cover
        answers = " ".join(f"{text_of(path, 2)} {text_of(path, 3)}".split())
        for question in (
            "What is it,",
            "Which exact version",
            "Who approved it",
            "How do you know it works",
            "went wrong",
            "what is not there",
        ):
            assert question in answers
        assert "Numbers stay the same in every pack." in answers, "the answers take two pages"
        for number, (title, _why, _who) in LEFT_OUT.items():
            assert f"{number} {title}" in answers
        for chapter in (2, 3, 4, 5, 6, 9, 11, 12, 13, 14, 15, 17, 18, 19, 20, 27, 28, 34):
            assert re.search(rf"\b{chapter} [A-Z]", told), chapter
        assert "Conflicts found among the recorded acts and reads: none." in told
        assert "REFUSED" in told
        chart = evidence.report.chart_digest.removeprefix("sha256:")[:12]
        assert f"SHA-256 {chart}" in told
        assert (
            blobs.read(evidence.report.chart_digest, area="results")
            == (folder / f"chart-{chart}.svg").read_bytes()
        )

    def _entered(self, world, pack):
        download_pack(world.deployer, pack.pk)
        (entry,) = queries.downloads_of(pack)
        assert entry.actor_name == "Deployer Person"
        assert json.loads(entry.body)["facts"]["pdf"] == pack.pdf_digest
        with pytest.raises(NotVisible):
            download_pack(world.stranger, pack.pk)

    def _no_test_data(self, evidence, folder):
        rows = blobs.read(evidence.test.file_digest, area="vault").splitlines()[1:]
        patients = [row.split(b",")[0] for row in rows]
        whole_bundle = b"".join(p.read_bytes() for p in folder.iterdir())
        assert len(patients) == 400
        assert not [p for p in patients if p in whole_bundle]


class TestCommand:
    @pytest.mark.once
    def test_the_same_pack_from_the_command_line_asked_as_compliance(self, world, frozen, tmp_path, capsys):
        out = tmp_path / "pack.pdf"
        call_command("build_pack", "lotx", "1.0.0", out=str(out), purpose="By hand")
        pack = Pack.objects.get()
        assert pack.requested_by == world.compliance
        assert blobs.put(out.read_bytes(), area="results").digest == pack.pdf_digest
        assert pack.content_digest in capsys.readouterr().out
        acts = (
            Entry.objects.filter(subject_kind="packs.pack", kind="act")
            .order_by("id")
            .values_list("act", "actor_name")
        )
        assert list(acts) == [
            ("packs.request_pack", "Cora Compliance"),
            ("packs.finish_pack", "Countersign worker"),
            ("packs.download_pack", "Cora Compliance"),
        ]

    @pytest.mark.parametrize(
        ("model", "version", "options", "code"),
        [
            ("lotx", "9.9.9", {}, 2),
            ("none", "1.0.0", {}, 2),
            ("lotx", "1.0.0", {"username": "nobody"}, 2),
            ("lotx", "1.0.0", {"purpose": "x" * 201}, 2),
            ("lotx", "1.0.0", {"out": "/nowhere/p.pdf"}, 2),
        ],
    )
    def test_bad_input_says_so_and_builds_nothing(
        self, world, frozen, tmp_path, model, version, options, code
    ):
        given = {"out": str(tmp_path / "p.pdf"), **options}
        with pytest.raises(CommandError) as error:
            call_command("build_pack", model, version, **given)
        assert error.value.returncode == code
        assert not Pack.objects.exists()
        assert not list(tmp_path.iterdir())

    def test_who_may_not_is_refused(self, world, frozen, tmp_path):
        with pytest.raises(CommandError) as error:
            call_command("build_pack", "lotx", "1.0.0", out=str(tmp_path / "p.pdf"), username="stranger")
        assert error.value.returncode == 2
        assert not list(tmp_path.iterdir())
