"""A pack of a version of whose trail words were erased: it says so, proves itself, and holds the words nowhere."""

from __future__ import annotations

import json
import subprocess
import sys

import pikepdf
import pytest

from apps.access.acts import approve_erasure, request_erasure
from apps.core import jobs
from apps.core.errors import WrongState
from apps.packs import queries
from apps.packs.acts import request_pack
from apps.registry.acts import freeze, write_intended_use
from apps.trail import sealer, verifier
from apps.trail.models import Entry
from tests.access.telling import last
from tests.factories.evidence import validated_world
from tests.factories.foundation import USE
from tests.packs.sample import text_of

pytestmark = [pytest.mark.django_db(transaction=False), pytest.mark.evidence("frozen")]
NAME = "Zofia Nowicka"
ATTEMPT = "Nowicka asked for it"


@pytest.fixture(autouse=True)
def long_lease(settings):
    """The test's transaction holds the database: the heartbeat's own connection could not write."""
    settings.JOB_LEASE_SECONDS = 3600


def erase(world, entry, words) -> Entry:
    asked = request_erasure(
        world.compliance, entry.pk, passages=[words], basis="17-1-d", reason="A patient is named here"
    )
    approve_erasure(world.compliance2, asked.pk, reason="It is so")
    sealer.seal()
    return last("access.approve_erasure")


@pytest.mark.once
def test_a_pack_after_an_erasure_prints_what_stands_there_since_and_verifies(world, tmp_path):
    version = validated_world(world, until="frozen").version
    write_intended_use(world.owner, world.model.pk, given=USE, reason=f"After the complaint of {NAME}")
    with pytest.raises(WrongState):
        freeze(world.author, version.pk, reason=ATTEMPT)
    sealer.seal()
    act, attempt = last("registry.write_intended_use"), last("registry.freeze", "refusal")
    by = [erase(world, act, NAME).pk, erase(world, attempt, ATTEMPT).pk]
    pack = request_pack(world.inspector, version.pk, purpose="Inspection after an erasure")
    jobs.run_queued()
    pack.refresh_from_db()
    assert pack.state == "done", pack.failure
    path = queries.file_of(pack)
    with pikepdf.open(path) as pdf:
        for name, spec in pdf.attachments.items():
            (tmp_path / name).write_bytes(spec.get_file().read_bytes())
    told = " ".join(text_of(path).split())
    assert "After the complaint of [erased]" in told
    for entry, erasing in zip((act, attempt), by, strict=True):
        assert f"words erased by the act of entry {erasing}" in told, entry.pk
    assert "Nowicka" not in told
    held = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"Nowicka" not in held + path.read_bytes()
    assert json.loads((tmp_path / "content.json").read_text())["trail"]["entries"]
    for program in ("offline_verifier.py", "check_pack.py"):
        command = [sys.executable, "-I", "-S", str(tmp_path / program), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, env={}, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    assert verifier.verify().findings == []
