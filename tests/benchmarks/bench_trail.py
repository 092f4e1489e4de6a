"""Measures the trail beside what it is built on, in the same run. Nothing is asserted: machines differ.

    python tests/benchmarks/bench_trail.py offline [--entries 1000000]
    DATABASE_URL=postgres://… python tests/benchmarks/bench_trail.py overhead [--writers 8] [--seconds 4] [--cycles 5]
    DATABASE_URL=postgres://… python tests/benchmarks/bench_trail.py cpu [--count 100] [--cycles 6]
    DATABASE_URL=postgres://… python tests/benchmarks/bench_trail.py receipt [--writers 8] [--count 300]

`offline`: a log of tiles is made (no database), verified by the single-file verifier in a process of its own, and the
same bytes are hashed by a bare loop. `overhead`: one update a transaction on a model of 12 columns; plain, with
simple-history alone, with row entries by triggers, with whole acts; sealer at work; variants take turns. `cpu`: the
same by CPU time of client and backend, one process, a fixed number of writes. `receipt`: a signing act with its receipt
while writers work, beside a bare INSERT and COMMIT. The last three change the database they are given: give them one
of their own, migrated, and COUNTERSIGN_TEST_DATA, a folder for its keys.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")

HEAD = (
    '{{"act":"","act_id":"{0:032x}","actor_name":"","actor_uuid":"","at":"2026-11-21T10:19:20.{1:06d}Z","id":{2},'
    '"kind":"row","on_behalf_name":"","on_behalf_uuid":"","row_id":{2},"scope":"","subject_id":"{1}",'
    '"subject_kind":"registry.version","table_name":"registry_historicalversion"}}'
)


def machine() -> None:
    names = ("django", "django-simple-history", "psycopg", "cryptography")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"Python {platform.python_version()}, {packages}; {os.cpu_count()} cores, load {load}", flush=True)


# ---------------------------------------------------------------- offline


def make_tiles(folder: Path, entries: int) -> int:
    """A log of `entries` like those of our history rows, written as tiles; bytes of heads and bodies."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from apps.trail import merkle, notes, offline

    name, key = "example.org/log", Ed25519PrivateKey.generate()
    rows: dict[int, list[bytes]] = {}
    counts: dict[int, int] = {}
    tree, total = merkle.Range(), 0

    def put(kind: str, number: int, width: int, content: bytes) -> None:
        place = Path(offline.tile_path(str(folder), kind, number, 256))
        place = place if width == 256 else place.with_name(place.name + ".p") / str(width)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    for start in range(0, entries, 256):
        heads, bodies, hashes = [], [], []
        for index in range(start, min(start + 256, entries)):
            facts = secrets.token_hex(200)
            body = f'{secrets.token_hex(16)} {{"op": "insert", "row": {{"id": {index}, "x": "{facts}"}}}}'.encode()
            head = f"{hashlib.sha256(body).hexdigest()} {HEAD.format(index, index % 10**6, index)}".encode()
            heads.append(len(head).to_bytes(2, "big") + head)
            bodies.append(body + b"\n")
            hashes.append(merkle.leaf_hash(head))
            total += len(head) + len(body)
        put("tile/entries", start // 256, len(hashes), b"".join(heads))
        put("bodies", start // 256, len(hashes), b"".join(bodies))
        put("tile/0", start // 256, len(hashes), b"".join(hashes))
        for value in hashes:
            for level, _, node in tree.push(value):
                if level % 8 == 0:
                    rows.setdefault(level // 8, []).append(node)
        for level in sorted(rows):
            if len(rows[level]) == 256:
                put(f"tile/{level}", counts.get(level, 0), 256, b"".join(rows.pop(level)))
                counts[level] = counts.get(level, 0) + 1
    for level, row in rows.items():
        put(f"tile/{level}", counts.get(level, 0), len(row), b"".join(row))
    (folder / "log.pub").write_text(notes.verifier_text(name, key.public_key()) + "\n")
    text = notes.Checkpoint(name, tree.size, tree.root()).text()
    (folder / "checkpoint").write_text(notes.sign(text, name, key), encoding="utf-8")
    return total


TIMED = """
import runpy, sys, time
started = time.process_time(), time.perf_counter()
main = runpy.run_path(sys.argv[1])["main"]
code = main(sys.argv[2:])
print(time.process_time() - started[0], time.perf_counter() - started[1])
sys.exit(code)
"""


def raw_hashing(folder: Path) -> tuple[float, float]:
    """CPU seconds of bare sha256 over every head and body, and of one sha256 an entry of the same bytes."""
    from apps.trail import offline

    both = single = 0.0
    sha256, number = hashlib.sha256, 0
    while (folder / offline.tile_path("", "bodies", number, 256)).exists():
        heads, bodies, _ = offline.read_bundle(str(folder), number, 256)
        whole = [head + body for head, body in zip(heads, bodies, strict=True)]
        start = time.process_time()
        for head in heads:
            sha256(head).digest()
        for body in bodies:
            sha256(body).digest()
        middle = time.process_time()
        for each in whole:
            sha256(each).digest()
        both, single = both + middle - start, single + time.process_time() - middle
        number += 1
    return both, single


def offline(entries: int) -> None:
    from apps.trail import offline as program

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = make_tiles(folder, entries)
        print(f"{entries:,} entries, {size / entries:.0f} bytes each (head and body)")
        best = None
        for _ in range(3):
            command = [sys.executable, "-I", "-S", "-c", TIMED, program.__file__, name]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
            cpu, wall = map(float, told[-2].split())
            both, single = raw_hashing(folder)
            print(
                f"verifier {cpu:.2f} s CPU, {wall:.2f} s wall; raw hashlib {both:.2f} s CPU (head and body), "
                f"{single:.2f} s (one hash an entry): {both / cpu:.0%} and {single / cpu:.0%} of raw"
            )
            best = min(best or cpu, cpu)
        print(f"best: {entries / (best or 1):,.0f} entries/s of CPU")


# ---------------------------------------------------------------- on PostgreSQL


def bench_models() -> dict[str, Any]:
    """Three models of 12 columns, made in the given database when they are not there: plain, hist, ours."""
    import django
    from django.db import connection, models
    from simple_history.models import HistoricalRecords

    django.setup()
    if connection.vendor != "postgresql":
        sys.exit("DATABASE_URL must name a PostgreSQL database of its own, migrated.")
    from apps.trail import triggers
    from apps.trail.history import history

    made: dict[str, Any] = {}
    for name, records in (("Plain", None), ("Hist", HistoricalRecords()), ("Ours", history())):
        fields: dict[str, Any] = {
            f"text{n}": models.CharField(max_length=200, default="x" * 90) for n in range(9)
        }
        fields |= {"number": models.IntegerField(default=0), "at": models.DateTimeField(null=True)}
        meta = type("Meta", (), {"app_label": "trail", "db_table": f"bench_{name.lower()}"})
        extra = {"history": records} if records else {}
        about = {"subject_kind": f"bench.{name.lower()}", "ref": property(lambda self: str(self.pk))}
        module = {"__module__": "apps.trail.models", "Meta": meta}
        made[name.lower()] = type(f"Bench{name}", (models.Model,), {**fields, **extra, **about, **module})
    there = connection.introspection.table_names()
    with connection.schema_editor() as editor:
        for model in made.values():
            for each in (model, *([model.history.model] if hasattr(model, "history") else [])):
                if each._meta.db_table not in there:
                    editor.create_model(each)
    triggers.install(connection)
    with connection.cursor() as cursor:  # simple-history alone is without triggers
        cursor.execute(f'ALTER TABLE "{made["hist"].history.model._meta.db_table}" DISABLE TRIGGER USER')
    return made


def quiet_signals() -> None:
    """In the processes of simple-history alone: without what the trail hangs on its signals."""
    from django.db.models.signals import pre_delete, pre_save

    pre_save.disconnect(dispatch_uid="trail.refuse_outside_acts")
    pre_delete.disconnect(dispatch_uid="trail.refuse_deletes_outside_acts")


def save_plain(row: Any) -> None:
    from django.db import transaction

    with transaction.atomic():
        row.number += 1
        row.save()


def save_rows(row: Any) -> None:
    """History with MAC and row entry, in an act without its own entry."""
    from django.db import transaction

    from apps.trail.current import opened, told

    with transaction.atomic(), opened("bench.change", user_id=None, reason="because") as act:
        row.number += 1
        row.save()
        told(act.act_id)


def save_act(row: Any) -> None:
    """The same with the act's entry: all that the trail writes."""
    from django.db import transaction

    from apps.trail.current import opened
    from apps.trail.writer import record

    with transaction.atomic(), opened("bench.change", user_id=None, reason="because") as act:
        row.number += 1
        row.save()
        record(
            kind="act", act="bench.change", act_id=act.act_id, subject=row, rows=act.rows, reason="because"
        )


VARIANTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "plain": ("plain", save_plain),
    "simple-history": ("hist", save_plain),
    "row entries": ("ours", save_rows),
    "whole acts": ("ours", save_act),
}


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """(process id, file descriptor its result is read from) of a forked process with its own connection."""
    from django.db import connections

    from portal.processes import die_with_parent

    connections.close_all()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent()
            os.close(reading)
            work(writing)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    return pid, reading


def writers(variant: str, models: dict[str, Any], count: int, seconds: float) -> list[tuple[int, int]]:
    kind, save = VARIANTS[variant]

    def work(writing: int) -> None:
        if kind == "hist":
            quiet_signals()
        if kind == "ours":
            row = models[kind](text0=secrets.token_hex(40))
            _first(row)
        else:
            row = models[kind].objects.create(text0=secrets.token_hex(40))
        done, times = 0, []
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            save(row)
            times.append(time.perf_counter() - now)
            done += 1
        times.sort()
        p99 = times[int(len(times) * 0.99)] if times else 0
        os.write(writing, f"{done} {time.perf_counter() - start} {time.process_time()} {p99}".encode())

    return [forked(work) for _ in range(count)]


def _first(row: Any) -> None:
    from django.db import transaction

    from apps.trail.current import opened, told

    with transaction.atomic(), opened("bench.make", user_id=None, reason="") as act:
        row.save()
        told(act.act_id)


def gathered(started: list[tuple[int, int]]) -> tuple[float, float, float]:
    """(writes a second of all together, CPU ms a write of the clients, worst p99 in ms)."""
    rate = cpu = written = worst = 0.0
    for pid, reading in started:
        with os.fdopen(reading, "rb") as pipe:
            done, wall, used, p99 = map(float, pipe.read().split())
        os.waitpid(pid, 0)
        rate, cpu, written, worst = rate + done / wall, cpu + used, written + done, max(worst, p99)
    return rate, 1000 * cpu / max(written, 1), 1000 * worst


def sealer_at_work() -> int:
    import threading

    from apps.trail import sealing

    return forked(lambda _: sealing.watch(threading.Event(), lambda _: None))[0]


def overhead(count: int, seconds: float, cycles: int) -> None:
    import signal

    models = bench_models()
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    cpu: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for cycle in range(cycles):
        names = list(VARIANTS)
        for name in names if cycle % 2 == 0 else names[::-1]:
            sealing = sealer_at_work() if VARIANTS[name][0] == "ours" else 0
            rate, used, worst = gathered(writers(name, models, count, seconds))
            if sealing:
                os.kill(sealing, signal.SIGKILL)
                os.waitpid(sealing, 0)
            rates[name].append(rate)
            cpu[name].append(used)
            print(f"  {name:15} {rate:7.0f} /s   {used:.2f} ms CPU a write   p99 {worst:.0f} ms", flush=True)
    base = rates["simple-history"]
    for name in VARIANTS:
        ratio = statistics.median(one / other for one, other in zip(rates[name], base, strict=True))
        print(
            f"{name:15} median {statistics.median(rates[name]):7.0f} /s, {ratio:.2f} of simple-history alone, "
            f"{statistics.median(cpu[name]):.2f} ms CPU of the client a write"
        )


def backend_seconds() -> float:
    """CPU seconds of this connection's PostgreSQL process, which runs on this machine."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    ticks = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def cpu(number: int, rounds: int) -> None:
    """CPU a write of client and backend, one process, the variants in turns of `number` writes."""
    from django.db import connection

    models = bench_models()
    from apps.trail import history

    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")  # the disk is not what is measured
    rows = {}
    for kind in ("plain", "hist", "ours"):
        if kind == "hist":
            quiet_signals()
        rows[kind] = models[kind](text0=secrets.token_hex(40))
        if kind == "ours":
            history.connect()
            _first(rows[kind])
        else:
            rows[kind].save()
    used: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    for turn in range(rounds):
        for name in list(VARIANTS)[:: 1 if turn % 2 == 0 else -1]:
            kind, save = VARIANTS[name]
            (quiet_signals if kind == "hist" else history.connect)()
            own, other = time.process_time(), backend_seconds()
            for _ in range(number):
                save(rows[kind])
            used[name].append((time.process_time() - own, backend_seconds() - other))
    base = _each(used["simple-history"], number)
    for name, parts in used.items():
        client, backend = _each(parts, number)
        ratio = (client + backend) / sum(base)
        print(
            f"{name:15} client {client:.2f}, backend {backend:.2f} ms a write; {ratio:.2f} of simple-history alone"
        )


def _each(parts: list[tuple[float, float]], number: int) -> tuple[float, float]:
    """Median ms of the client a write, mean ms of the backend (its clock ticks in hundredths of a second)."""
    client = statistics.median(own for own, _ in parts)
    return 1000 * client / number, 1000 * sum(other for _, other in parts) / number / len(parts)


def receipt(count: int, number: int) -> None:
    import signal

    models = bench_models()
    from django.contrib.auth import get_user_model
    from django.db import connection, transaction

    from apps.trail import sealer, statements
    from apps.trail.current import opened
    from apps.trail.writer import database_now, record

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_bare (id bigserial PRIMARY KEY, body text NOT NULL)")

    def bare() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_bare (body) VALUES (%s)", ["x" * 850])

    sealing = sealer_at_work()
    started = writers("whole acts", models, count, 3600.0)
    times: dict[str, list[float]] = {"a bare INSERT and COMMIT": [], "the act": [], "seal and receipt": []}
    used = dict.fromkeys(times, 0.0)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        wall, own = time.perf_counter(), time.process_time()
        result = work()
        used[name] += 1000 * (time.process_time() - own)
        times[name].append(1000 * (time.perf_counter() - wall))
        return result

    def sign(turn: int) -> Any:
        with transaction.atomic(), opened("bench.sign", user_id=signer.pk, reason="read") as act:
            statements.sign(
                signer=signer,
                duties=["approver"],
                meaning="approve",
                meaning_text="I approve",
                decision="approved",
                subject=signer,
                content_digest="sha256:" + "1" * 64,
                factors=["password"],
                act_id=act.act_id,
                record_version=str(turn),
            )
            return record(kind="act", act="bench.sign", act_id=act.act_id, subject=signer, rows=act.rows)

    def sealed(entry: Any) -> None:
        sealer.seal_act(entry.act_id)
        assert sealer.receipt(entry)["checkpoint"]

    try:
        people = get_user_model()
        with transaction.atomic(), opened("bench.person", user_id=None, reason="") as act:
            signer = people(
                username=f"bench{secrets.token_hex(4)}",
                printed_name="Bench",
                created_at=database_now(),
                email=f"{secrets.token_hex(4)}@example.org",
            )
            signer.set_unusable_password()
            signer.save()
            record(kind="act", act="bench.person", act_id=act.act_id, subject=signer, rows=act.rows)
        time.sleep(2)
        for turn in range(number):
            timed("a bare INSERT and COMMIT", bare)
            entry = timed("the act", partial(sign, turn))
            timed("seal and receipt", partial(sealed, entry))
            time.sleep(0.02)
    finally:
        for pid, reading in [*started, (sealing, -1)]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if reading >= 0:
                os.close(reading)
    times["act, seal and receipt"] = list(
        map(sum, zip(times["the act"], times["seal and receipt"], strict=True))
    )
    used["act, seal and receipt"] = used["the act"] + used["seal and receipt"]
    base = statistics.median(times["a bare INSERT and COMMIT"])
    for name, each in times.items():
        each.sort()
        at = [each[min(len(each) - 1, int(len(each) * part))] for part in (0.5, 0.95, 0.99)]
        print(
            f"{name}: p50 {at[0]:.1f}, p95 {at[1]:.1f}, p99 {at[2]:.1f} ms; p50 {at[0] / base:.1f} of the bare one; "
            f"{used[name] / number:.2f} ms CPU of the client ({number} times, {count} writers)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("offline").add_argument("--entries", type=int, default=1_000_000)
    for name in ("overhead", "cpu", "receipt"):
        one = what.add_parser(name)
        if name == "cpu":
            one.add_argument("--count", type=int, default=100)
            one.add_argument("--cycles", type=int, default=6)
            continue
        one.add_argument("--writers", type=int, default=8)
        if name == "overhead":
            one.add_argument("--seconds", type=float, default=4.0)
            one.add_argument("--cycles", type=int, default=5)
        else:
            one.add_argument("--count", type=int, default=300)
    given = parser.parse_args()
    machine()
    if given.what == "offline":
        offline(given.entries)
    elif given.what == "overhead":
        overhead(given.writers, given.seconds, given.cycles)
    elif given.what == "cpu":
        cpu(given.count, given.cycles)
    else:
        receipt(given.writers, given.count)
    machine()


if __name__ == "__main__":
    main()
