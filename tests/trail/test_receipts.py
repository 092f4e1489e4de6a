"""The receipt of a signature proves it with the portal off, and no bit of it can be another."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from django.urls import reverse

from apps.access.signing import SignatureInput, content_digest
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail import offline
from apps.trail.identity import keys
from apps.trail.models import Leaf, Signature
from tests.cast import PASSWORD
from tests.factories.doors import browser
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
EIGHT_KB = 8192
FLIPS = 500


@pytest.fixture
def receipt(world) -> str:
    """A receipt as the page gives it to the signer."""
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    shown = SignatureInput(content_digest(use), PASSWORD)
    sign_intended_use_expert(world.process_expert, use.pk, reason="Żółw read it", signature=shown)
    given = Signature.objects.latest("pk")
    answer = browser(world.process_expert).get(reverse("web:signature_receipt", args=[given.uuid]))
    assert answer.status_code == 200
    return answer.content.decode()


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-S", offline.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(text: str) -> str:
    with pytest.raises(offline.Bad) as caught:
        offline.verify_receipt(text)
    return str(caught.value)


def again(given: dict) -> str:
    return json.dumps(given, ensure_ascii=False, indent=2, sort_keys=True)


def test_a_receipt_verifies_alone_and_tells_who_signed_what(receipt, tmp_path):
    file, key, other = tmp_path / "receipt.json", tmp_path / "log.pub", tmp_path / "other.pub"
    file.write_text(receipt, encoding="utf-8")
    key.write_text(keys().verifier + "\n", encoding="ascii")
    other.write_text("somebody+00000000+AAAA\n", encoding="ascii")
    done = run(file)
    assert done.returncode == 0, done.stdout + done.stderr
    row = Signature.objects.latest("pk")
    for words in (row.printed_name, row.username, row.subject_ref, row.meaning_text, row.content_digest):
        assert words in done.stdout
    assert "compare it with one from elsewhere" in done.stdout
    assert "under the key you gave" in run(file, key).stdout
    wrong = run(file, other)
    assert (wrong.returncode, "another log" in wrong.stdout) == (1, True)
    assert run(tmp_path / "none.json").returncode == 2


def test_a_receipt_has_at_most_8_kb_in_a_log_of_a_million(receipt):
    steps = len(json.loads(receipt)["receipt"]["proof"])
    longer = (20 - steps) * len('      "",\n' + "0" * 64)
    assert len(receipt.encode()) + longer <= EIGHT_KB


def test_no_single_bit_change_is_accepted(receipt):
    raw = receipt.encode()
    assert offline.verify_receipt(receipt).startswith("Verified")
    draw = random.Random(5)
    for place in draw.sample(range(len(raw)), FLIPS):
        changed = bytearray(raw)
        changed[place] ^= 1 << draw.randrange(8)
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        refused(text)


def test_what_is_printed_is_what_was_signed(receipt):
    for name in ("printed_name", "decision", "content_digest", "signed_at", "record"):
        given = json.loads(receipt)
        given["signature"][name] = "rejected"
        assert "what its statement does not" in refused(again(given))


def test_another_statement_is_not_the_one_of_the_act(receipt):
    given = json.loads(receipt)
    given["statement"] = given["statement"].replace('"decision":"approved"', '"decision":"rejected"')
    given["signature"]["decision"] = "rejected"
    digest = offline.sha256(given["statement"].encode()).hexdigest()
    given["signature"]["statement_digest"] = f"sha256:{digest}"
    assert "not the one of the act" in refused(again(given))


def test_an_entry_beside_the_log_proves_nothing(receipt):
    given = json.loads(receipt)
    proof = given["receipt"]
    proof["index"] = (proof["index"] + 1) % Leaf.objects.count()
    assert "does not lie in the log" in refused(again(given))
    body = proof["body"].replace("Żółw", "Nobody")
    head = offline.sha256(body.encode()).hexdigest() + proof["head"][64:]
    given["receipt"] |= {"index": json.loads(receipt)["receipt"]["index"], "body": body}
    assert "not the one the head names" in refused(again(given))
    given["receipt"]["head"] = head
    assert "does not lie in the log" in refused(again(given))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"receipt": {}}', '"x"'])
def test_what_is_no_receipt_is_said(text):
    assert "not in its form" in refused(text)
