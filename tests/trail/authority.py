"""A time-stamping authority made with `openssl ts`: a root, its authority, and an HTTP server that stamps."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

CONFIGURATION = """
[tsa]
default_tsa = this
[this]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.3.6.1.4.1.4146.2.3
other_policies = 1.3.6.1.4.1.4146.2.4
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[stamps]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[serves]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
"""


def openssl(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


class Authority:
    """`pem`: the root and the authority. `days`: how long the authority's certificate holds; negative: it is over."""

    def __init__(self, folder: Path, name: str = "Good", *, days: int = 30, purpose: str = "stamps") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "ts.cnf").write_text(CONFIGURATION)
        (folder / "serial").write_text("01\n")
        for part in ("root", "tsa"):
            openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{part}.key")
        subject = ["-subj", f"/O={name}/CN={name} root"]
        own = ["-config", "ts.cnf", "-extensions", "root"]
        (folder / "request.cnf").write_text(CONFIGURATION + "\n[req]\ndistinguished_name = dn\n[dn]\n")
        own[1] = "request.cnf"
        openssl(
            folder,
            "req",
            "-x509",
            "-new",
            "-key",
            "root.key",
            "-days",
            "3650",
            *subject,
            *own,
            "-out",
            "root.pem",
        )
        subject = ["-subj", f"/O={name}/CN={name} stamps"]
        openssl(
            folder, "req", "-new", "-key", "tsa.key", *subject, "-config", "request.cnf", "-out", "tsa.csr"
        )
        sign = [
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-set_serial",
            "7",
            "-extfile",
            "ts.cnf",
            "-extensions",
            purpose,
        ]
        openssl(folder, "x509", "-req", "-in", "tsa.csr", *sign, "-days", str(days), "-out", "tsa.pem")
        self.pem = folder / "chain.pem"
        self.pem.write_bytes((folder / "root.pem").read_bytes() + (folder / "tsa.pem").read_bytes())

    def stamp(self, query: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(query)
        signer = ["-signer", "tsa.pem", "-inkey", "tsa.key", "-config", "ts.cnf"]
        openssl(self.folder, "ts", "-reply", "-queryfile", "query.tsq", *signer, "-out", "answer.tsr")
        return (self.folder / "answer.tsr").read_bytes()


class Serving:
    """`answer(query) -> bytes` behind an HTTP server of its own."""

    def __init__(self, answer, status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                body = answer(query)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
