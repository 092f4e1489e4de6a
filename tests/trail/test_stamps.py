"""RFC 3161: checkpoints stamped by a real local authority (`openssl ts`), and every stamp that must not pass."""

from __future__ import annotations

import base64
import shutil
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.core.clock import now
from apps.trail import destinations, sealer, stamps, verifier, witness
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Destination, Stamp
from apps.trail.testing import without_triggers
from tests.trail.authority import Authority, Serving

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "other", "Other")


@pytest.fixture
def serve(settings):
    started = []

    def start(answer, pem, **options):
        started.append(Serving(answer, **options))
        settings.TRAIL_TIMESTAMP_URL = started[-1].url
        settings.TRAIL_TIMESTAMP_CERTIFICATES = str(pem)
        [place] = destinations.configured()
        return place

    yield start
    for each in started:
        each.stop()


def test_a_checkpoint_is_stamped_once_a_period_kept_and_verified(story, desk, good, serve, settings):
    place = serve(good.stamp, good.pem)
    assert destinations.step(place)
    row = Stamp.objects.get()
    newest = Checkpoint.objects.order_by("-size").first()
    assert row.size == newest.size
    assert abs(row.at - now()) < timedelta(minutes=1)
    desk.rename(story.ben, "Ben Stamped", by=story.anna)
    sealer.seal()
    witness.catch_up(keys().origin)
    assert not destinations.step(place), "once a period"
    Destination.objects.update(done_at=now() - timedelta(hours=settings.TRAIL_TIMESTAMP_HOURS))
    assert destinations.step(place)
    result = verifier.verify()
    assert result.findings == []
    assert result.checked["time stamps"] == 2


def message_and_token(authority):
    import rfc3161_client

    message = b"a checkpoint\n"
    built = rfc3161_client.TimestampRequestBuilder().data(message).cert_request(cert_request=True)
    request = built.hash_algorithm(rfc3161_client.HashAlgorithm.SHA256).build()
    return message, authority.stamp(request.as_bytes()), request.nonce


def test_good_tokens_pass_and_wrong_ones_do_not(good, other):
    message, token, nonce = message_and_token(good)
    assert abs(stamps.check(token, message, good.pem.read_bytes(), nonce=nonce) - now()) < timedelta(
        minutes=1
    )
    wrong = [
        (token, message + b"x", good.pem, nonce),
        (token, message, good.pem, nonce + 1),
        (token, message, other.pem, nonce),
        (token[:-3], message, good.pem, nonce),
        (b"", message, good.pem, nonce),
        (b"<html>", message, good.pem, nonce),
    ]
    for given, said, pem, number in wrong:
        with pytest.raises(stamps.BadStamp):
            stamps.check(given, said, pem.read_bytes(), nonce=number)


def test_no_changed_byte_of_a_token_changes_what_it_says(good):
    """What the signature does not cover (the status text around it) may change; time and message may not."""
    message, token, nonce = message_and_token(good)
    at = stamps.check(token, message, good.pem.read_bytes(), nonce=nonce)
    refused = 0
    for place in range(0, len(token), 7):
        changed = bytearray(token)
        changed[place] ^= 0x20
        try:
            assert stamps.check(bytes(changed), message, good.pem.read_bytes(), nonce=nonce) == at
        except stamps.BadStamp:
            refused += 1
    assert refused > len(token) / 7 * 0.9


def test_an_expired_authority_is_refused(tmp_path):
    over = Authority(tmp_path / "over", "Over", days=-1)
    message, token, _ = message_and_token(over)
    with pytest.raises(stamps.BadStamp, match=r"expired|valid|certificate"):
        stamps.check(token, message, over.pem.read_bytes())


def test_another_authority_below_the_same_root_is_refused_when_one_is_named(good, tmp_path):
    """The file names the root and our authority; a second one of the same root stamps."""
    second = Authority(tmp_path / "second", "Second")
    shutil.copy(good.folder / "root.pem", second.folder / "root.pem")
    shutil.copy(good.folder / "root.key", second.folder / "root.key")
    from tests.trail.authority import openssl

    sign = ["-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "8", "-extfile", "ts.cnf"]
    openssl(
        second.folder, "x509", "-req", "-in", "tsa.csr", *sign, "-extensions", "stamps", "-out", "tsa.pem"
    )
    message, token, _ = message_and_token(second)
    root_alone = (good.folder / "root.pem").read_bytes()
    assert stamps.check(token, message, root_alone)
    with pytest.raises(stamps.BadStamp):
        stamps.check(token, message, good.pem.read_bytes())


@pytest.mark.parametrize("case", ["other authority", "old answer", "not a stamp", "500"])
def test_an_answer_that_does_not_hold_is_not_kept(story, good, other, serve, case):
    _, replayed, _ = message_and_token(good)
    answers = {
        "other authority": other.stamp,
        "old answer": lambda _: replayed,
        "not a stamp": lambda _: b"<html>nothing here</html>",
        "500": lambda _: b"",
    }
    place = serve(answers[case], good.pem, status=500 if case == "500" else 200)
    assert not destinations.step(place)
    assert not Stamp.objects.exists()
    row = Destination.objects.get()
    assert row.failures == 1
    assert "gave no stamp that holds" in row.error or "answers 500" in row.error
    assert verifier.verify().findings == []


def test_a_stamp_that_was_exchanged_is_a_finding(story, good, other, serve):
    assert destinations.step(serve(good.stamp, good.pem))
    _, token, _ = message_and_token(good)
    with without_triggers():
        Stamp.objects.update(token=base64.b64encode(token).decode())
    [finding] = verifier.verify().findings
    assert (finding.detector, finding.table, finding.field) == ("stamp", "trail_stamp", "token")


def test_a_database_clock_ahead_of_the_authority_is_a_finding(story, good, serve):
    assert destinations.step(serve(good.stamp, good.pem))
    with without_triggers():
        size = Stamp.objects.get().size
        ahead = now() + timedelta(hours=3)
        Checkpoint.objects.filter(size=size).update(created_at=ahead)
    found = {(one.detector, one.field) for one in verifier.verify().findings}
    assert ("clock", "created_at") in found


@pytest.mark.parametrize("text", [None, "not a certificate"])
def test_certificates_that_cannot_be_read_are_said(story, settings, tmp_path, text):
    place = tmp_path / "chain.pem"
    if text is not None:
        place.write_text(text)
    settings.TRAIL_TIMESTAMP_URL = "http://127.0.0.1:1/"
    settings.TRAIL_TIMESTAMP_CERTIFICATES = str(place)
    with pytest.raises(ImproperlyConfigured, match="TRAIL_TIMESTAMP_CERTIFICATES"):
        stamps.configured()


def test_a_certificate_for_servers_stamps_nothing(tmp_path):
    """openssl itself refuses to stamp with it."""
    with pytest.raises(AssertionError, match=r"(?i)purpose|certificate|signer"):
        message_and_token(Authority(tmp_path / "web", "Web", purpose="serves"))
