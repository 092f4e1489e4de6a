"""A witness for another host (C2SP tlog-witness): it cosigns a log's checkpoint only when the log grew from the last.

    python3 witness.pyz --listen 0.0.0.0:8640 --state DIR --name witness.example/portal --log log.pub

Needs Python 3.11 and the package `cryptography`; no database, no Django. `--state` holds its key (made at the first
start), its public key `witness.pub` for the portal's TRAIL_WITNESSES, and one file for each log: the last checkpoint it
cosigned, replaced whole and synced before it answers. Whoever restores an older copy of that folder makes the witness
forget: keep it out of the portal's backups.

    POST /add-checkpoint   200 cosignature line · 400 malformed · 403 no signature of the log · 404 unknown log
                           409 the old size is not the last one (its body is), or another root at the same size
                           413 too large · 422 the consistency proof does not hold
    GET /checkpoint/ORIGIN the last note cosigned of that log, with the cosignature; 404 when there is none
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.trail import cosignatures, merkle, notes

LIMIT = 64 * 1024
PROOF_LINES = 63
PATIENCE = 15.0


class Refused(Exception):
    """An answer other than 200: status, body, type of the body."""

    def __init__(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        super().__init__(text)
        self.status, self.text, self.kind = status, text, kind


def read_request(raw: bytes) -> tuple[int, list[bytes], str]:
    """(old size, proof, note) of a request body, read strictly; Refused 400."""
    try:
        head, separator, note = raw.decode("utf-8").partition("\n\n")
        lines = head.split("\n")
        word, _, number = lines[0].partition(" ")
        if not separator or word != "old" or not number.isascii() or not number.isdigit():
            raise ValueError("it begins with `old SIZE` and has an empty line before the checkpoint")
        if str(int(number)) != number or len(lines) - 1 > PROOF_LINES:
            raise ValueError("the size has zeros in front, or the proof more than 63 lines")
        proof = [notes.strict_base64(line) for line in lines[1:]]
        if any(len(step) != 32 for step in proof):
            raise ValueError("a proof line is not a hash")
    except ValueError as error:
        raise Refused(400, f"The request cannot be read: {error}.\n") from error
    return int(number), proof, note


class Witness:
    """The state of one witness and its one decision."""

    def __init__(self, state: Path, name: str, logs: list[notes.Verifier]) -> None:
        self.state, self.name = state, name
        self.logs = {log.name: log for log in logs}
        self.deciding = threading.Lock()
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.key = self._key()
        self.public = cosignatures.witness_of(name, self.key)
        _replace(state / "witness.pub", self.public.text().encode() + b"\n")

    def _key(self) -> Ed25519PrivateKey:
        place = self.state / "witness.key"
        if not place.exists():
            made = Ed25519PrivateKey.generate()
            raw, plain = serialization.Encoding.Raw, serialization.PrivateFormat.Raw
            _replace(place, made.private_bytes(raw, plain, serialization.NoEncryption()))
        return Ed25519PrivateKey.from_private_bytes(place.read_bytes())

    def _place(self, origin: str) -> Path:
        return self.state / f"log-{hashlib.sha256(origin.encode()).hexdigest()}.json"

    def last(self, origin: str) -> dict[str, Any] | None:
        """{"origin", "size", "root", "note", "line"} of the last checkpoint cosigned."""
        place = self._place(origin)
        if not place.exists():
            return None
        held: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return held

    def add(self, raw: bytes) -> str:
        """Check, keep, cosign: the cosignature line; or Refused."""
        old, proof, note = read_request(raw)
        log = self.logs.get(note.partition("\n")[0])
        if log is None:
            raise Refused(404, "This witness does not know that log.\n")
        try:
            state = notes.open_checkpoint(_own_signature(note, log), log)
        except ValueError as error:  # BadNote, and numbers too long to be read
            raise Refused(403, f"No signature of the log holds: {error}.\n") from error
        if old > state.size:
            raise Refused(400, "The old size is larger than the checkpoint's.\n")
        with self.deciding:
            held = self.last(log.name)
            size = held["size"] if held else 0
            if old != size:
                raise Refused(409, f"{size}\n", "text/x.tlog.size")
            if held and state.size == size and state.root.hex() != held["root"]:
                raise Refused(409, f"{size}\n", "text/x.tlog.size")
            _check_growth(held, state, proof)
            line = cosignatures.sign(state.text(), self.name, self.key, int(time.time()))
            kept = {
                "origin": log.name,
                "size": state.size,
                "root": state.root.hex(),
                "note": note,
                "line": line,
            }
            _replace(self._place(log.name), json.dumps(kept, ensure_ascii=False, sort_keys=True).encode())
        return line


def _check_growth(held: dict[str, Any] | None, state: notes.Checkpoint, proof: list[bytes]) -> None:
    try:
        if held is None or held["size"] == 0:
            if proof:
                raise merkle.BadProof("there is nothing to be consistent with")
            return
        root = bytes.fromhex(held["root"])
        merkle.verify_consistency(held["size"], state.size, proof, root, state.root)
    except merkle.BadProof as error:
        raise Refused(422, f"The log did not grow from its last checkpoint: {error}.\n") from error


def _own_signature(note: str, log: notes.Verifier) -> str:
    """The note with the log's own line alone: lines of other keys are passed over."""
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise notes.BadNote("no signature block")
    own = f"— {log.name} {base64.b64encode(log.key_id).decode()[:5]}"
    kept = [line for line in lines[:-1].split("\n") if line.startswith(own)]
    return text + separator + "".join(f"{line}\n" for line in kept[:1])


def _replace(place: Path, content: bytes) -> None:
    """The whole file or the old one, on the disk before it returns."""
    new = place.with_name(place.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Handler(BaseHTTPRequestHandler):
    """Thin: reads the request with limits, asks the witness, writes the answer."""

    witness: Witness
    protocol_version = "HTTP/1.1"
    server_version = "countersign-witness"
    sys_version = ""
    timeout = PATIENCE

    def do_POST(self) -> None:
        try:
            length = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint":
                raise Refused(404, "There is only POST /add-checkpoint.\n")
            if not length.isascii() or not length.isdigit():
                raise Refused(411, "Content-Length is missing.\n")
            if int(length) > LIMIT:
                raise Refused(413, f"More than {LIMIT} bytes.\n")
            self._answer(200, self.witness.add(self.rfile.read(int(length))))
        except OSError as error:
            self.close_connection = True
            self._answer(500, f"The checkpoint could not be kept, so it is not cosigned: {error.strerror}.\n")
        except Refused as refused:
            self.close_connection = True
            self._answer(refused.status, refused.text, refused.kind)

    def do_GET(self) -> None:
        held = None
        if self.path.startswith("/checkpoint/"):
            held = self.witness.last(unquote(self.path.removeprefix("/checkpoint/")))
        if held is None:
            self._answer(404, "No checkpoint of that log was cosigned.\n")
        else:
            self._answer(200, held["note"] + held["line"])

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        line = f"{self.log_date_time_string()} {self.client_address[0]} {self.command} {status}\n"
        # Past the buffer and its lock: a thread that holds it while the program ends would abort the interpreter.
        os.write(sys.stdout.fileno(), line.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """One line for each answer is written by _answer."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, type("Bound", (Handler,), {"witness": witness}))


def arguments(parser: Any) -> None:
    """The options, for this program and for `manage.py witness`."""
    parser.add_argument("--listen", default="127.0.0.1:8640", help="HOST:PORT (default 127.0.0.1:8640)")
    parser.add_argument("--state", required=True, type=Path, help="folder of the witness's key and memory")
    parser.add_argument("--name", required=True, help="name of the witness, such as witness.example/portal")
    parser.add_argument(
        "--log",
        required=True,
        action="append",
        type=Path,
        help="file log.pub of a log it witnesses; repeatable",
    )


def run(listen: str, state: Path, name: str, log: list[Path]) -> int:
    """Serve until stopped; 2 when an option cannot be used."""
    host, _, port = listen.rpartition(":")
    try:
        if not name or any(letter.isspace() or letter == "+" for letter in name):
            raise ValueError("--name holds no blank and no +")
        known = [notes.Verifier.parse(each.read_text(encoding="ascii")) for each in log]
        witness = Witness(state, name, known)
        server = Server((host.strip("[]") or "127.0.0.1", int(port)), witness)
    except (OSError, ValueError) as error:
        print(f"The witness cannot start: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(
        f"{witness.public.text()}\nlistening on {server.server_address[0]!s}:{server.server_address[1]}",
        flush=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments(parser)
    return run(**vars(parser.parse_args(given)))


def program() -> None:
    sys.exit(main())


if __name__ == "__main__":
    program()
