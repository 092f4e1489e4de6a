"""`docs/api-tour.md` as it stands: its blocks, one after the other, in bash, against a real server and worker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from apps.registry.models import Version
from apps.trail.models import Entry
from tests.cast import PASSWORD
from tests.factories.data import onnx_model, train_csv, vault_csv

TOUR = Path(__file__).resolve().parents[2] / "docs" / "api-tour.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]


@pytest.mark.long
def test_the_tour_works_as_it_is_written(world, live_server, real_worker, tmp_path):
    for tool in ("bash", "curl", "jq"):
        assert shutil.which(tool), f"the tour needs {tool}: apt-get install --no-install-recommends {tool}"
    for name, data in (("train.csv", train_csv()), ("test.csv", vault_csv()), ("model.onnx", onnx_model())):
        (tmp_path / name).write_bytes(data)
    blocks = BLOCK.findall(TOUR.read_text(encoding="utf-8"))
    assert len(blocks) > 10
    script = tmp_path / "tour.sh"
    parts = (f"echo '--- block {number}' >&2\n{block}" for number, block in enumerate(blocks, start=1))
    script.write_text("set -euo pipefail\n" + "\n".join(parts), encoding="utf-8")
    real_worker()
    done = subprocess.run(
        ["bash", str(script)],
        env={
            **os.environ,
            "COUNTERSIGN": live_server.url,
            "PASSWORD": PASSWORD,
            "TRAIN": str(tmp_path / "train.csv"),
            "TEST": str(tmp_path / "test.csv"),
            "MODEL": str(tmp_path / "model.onnx"),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert Version.objects.get(model__slug="tour").state == "released"
    by_token = Entry.objects.filter(kind="refusal", actor_uuid=str(world.approver.uuid))
    assert by_token.filter(act="validations.sign_plan_approval").count() == 1
