"""`gate.visible` over 100,000 versions under 5,000 models, beside plain guardian. Prints; asserts only how many rows.

    python tests/benchmarks/bench_visible.py                                     # SQLite
    DATABASE_URL=postgres://postgres@127.0.0.1:5432/x python tests/benchmarks/bench_visible.py

First page of 50, newest first, and count, for three people: an inspector (a duty on the organisation: everything), an
ordinary person (duties on 200 models), one with few models (3). Beside it, in the same database: guardian's
`get_objects_for_user` with a grant on each version, and with a grant on each model whose versions are then listed. The
rows are put in by `bulk_create`, without history and acts: this is a database for measuring, made anew and dropped.
Guardian is asked for one permission; `gate.visible` judges start, end and approval of each duty besides.
"""

# ruff: noqa: E402
from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")

import django

django.setup()

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from guardian.models import UserObjectPermission
from guardian.shortcuts import get_objects_for_user

from apps.access import duties, gate
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.clock import now
from apps.registry.models import IntendedUse, Model, ModelUserPermission, Version

MODELS, VERSIONS, OTHERS = 5000, 20, 20_000
ORDINARY, FEW = 200, 3
REPEATS = 25
# Guardian asks for a codename of one kind alone.
ON_VERSION, ON_MODEL = "measured_version", "measured_model"


def fill() -> dict[str, User]:
    """5,000 models with 20 versions each, three people, and 20,000 duties of 500 others."""
    moment = now() - timedelta(days=400)
    users = [
        User(username=f"u{i:03d}", printed_name=f"Person {i}", password="!", created_at=moment)
        for i in range(503)
    ]
    users = User.objects.bulk_create(users)
    who = {"inspector": users[0], "ordinary person": users[1], "few models": users[2]}
    models = Model.objects.bulk_create(
        [
            Model(slug=f"m{i:04d}", name=f"Model {i}", registered_by=users[3], registered_at=moment)
            for i in range(MODELS)
        ],
        batch_size=1000,
    )
    texts = {f.name: "x" for f in IntendedUse._meta.fields if f.get_internal_type() == "TextField"}
    levels = {"influence": "medium", "consequence": "medium", "tier": "medium"}
    flags = {"gmp_critical": False, "affects_people": True}
    uses = IntendedUse.objects.bulk_create(
        [
            IntendedUse(model=m, number=1, written_by=users[3], written_at=moment, **(texts | levels | flags))
            for m in models
        ],
        batch_size=500,
    )
    rows = (
        Version(
            model=model,
            label=f"{n}.0",
            intended_use=use,
            artefact_digest=f"sha256:{index * VERSIONS + n:064x}",
            artefact_size=1,
            artefact_name="m.onnx",
            artefact_format="onnx",
            code_commit="4be19d0",
            registered_by=users[3],
            registered_at=moment + timedelta(minutes=(index * 7919 + n * 104729) % 500_000),
        )
        for index, (model, use) in enumerate(zip(models, uses, strict=True))
        for n in range(VERSIONS)
    )
    Version.objects.bulk_create(rows, batch_size=1000)
    held = [(who["inspector"], "inspector", duties.ORGANISATION, duties.ORGANISATION_ID)]
    held += [(who["ordinary person"], "validator", duties.MODEL, m.pk) for m in models[:: MODELS // ORDINARY]]
    held += [(who["few models"], "owner", duties.MODEL, m.pk) for m in models[:FEW]]
    held += [
        (users[3 + i % 500], "developer", duties.MODEL, models[(i * 31 + i // 500) % MODELS].pk)
        for i in range(OTHERS)
    ]
    seen, given = set(), []
    for person, duty, kind, pk in held:
        if (person.pk, duty, kind, pk) in seen:
            continue
        seen.add((person.pk, duty, kind, pk))
        given.append(
            Assignment(
                person=person,
                duty=duty,
                scope_kind=kind,
                scope_id=pk,
                state="approved",
                starts_at=moment,
                reason="measured",
                requester=users[4] if person != users[4] else users[5],
                requested_at=moment,
            )
        )
    Assignment.objects.bulk_create(given, batch_size=1000)
    grants(who, models)
    return who


def grants(who: dict[str, User], models: list[Model]) -> None:
    """What guardian is asked about: a row for each version, and a row for each model."""
    on_version, on_model = (
        Permission.objects.create(
            codename=name, name=name, content_type=ContentType.objects.get_for_model(model)
        )
        for name, model in ((ON_VERSION, Version), (ON_MODEL, Model))
    )
    reach = {
        "inspector": models,
        "ordinary person": models[:: MODELS // ORDINARY],
        "few models": models[:FEW],
    }
    for name, those in reach.items():
        ids = [m.pk for m in those]
        ModelUserPermission.objects.bulk_create(
            [ModelUserPermission(user=who[name], permission=on_model, content_object_id=pk) for pk in ids],
            batch_size=2000,
        )
        versions = Version.objects.filter(model_id__in=ids) if len(ids) < MODELS else Version.objects.all()
        UserObjectPermission.objects.bulk_create(
            [
                UserObjectPermission(
                    user=who[name],
                    permission=on_version,
                    content_type=on_version.content_type,
                    object_pk=str(pk),
                )
                for pk in versions.values_list("pk", flat=True)
            ],
            batch_size=2000,
        )


def plain(user: User, permission: str, klass: Any) -> Any:
    return get_objects_for_user(
        user, permission, klass=klass, with_superuser=False, accept_global_perms=False
    )


WAYS: dict[str, Callable[[User], Any]] = {
    "gate.visible": lambda user: gate.visible(user, Version),
    "guardian, a grant on each version": lambda user: plain(user, f"registry.{ON_VERSION}", Version),
    "guardian, a grant on each model": lambda user: Version.objects.filter(
        model__in=plain(user, f"registry.{ON_MODEL}", Model)
    ),
}


def quickest(work: Callable[[], Any]) -> float:
    """Milliseconds of the quickest of REPEATS: on a crowded machine what the work itself needs. One call before is not
    counted."""
    work()
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return min(times)


def measure(who: dict[str, User]) -> None:
    print("| person | rows | way | first 50, ms | count, ms | ratio to gate.visible |")
    print("|---|---|---|---|---|---|")
    for name, stale in who.items():
        user = User.objects.get(pk=stale.pk)
        numbers, base = set(), 0.0
        for way, ask in WAYS.items():
            numbers.add(ask(user).count())
            first = quickest(lambda: list(ask(user).order_by("-registered_at", "-pk")[:50]))  # noqa: B023
            counted = quickest(lambda: ask(user).count())  # noqa: B023
            base = base or first + counted
            ratio = (first + counted) / base
            print(f"| {name} | {max(numbers):,} | {way} | {first:.1f} | {counted:.1f} | {ratio:.2f} |")
        assert len(numbers) == 1, f"{name}: the ways see different rows: {numbers}"


def main() -> None:
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        begun = time.perf_counter()
        who = fill()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute(
                "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version"
            )
            server = cursor.fetchone()[0]
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        print(
            f"{connection.vendor} {server}; Django {version('django')}, django-guardian {version('django-guardian')}, "
            f"Python {platform.python_version()}; {os.cpu_count()} cores, load {load}; "
            f"{Version.objects.count():,} versions, {Model.objects.count():,} models, "
            f"{Assignment.objects.count():,} duties; filled in {time.perf_counter() - begun:.0f} s; "
            f"quickest of {REPEATS}"
        )
        measure(who)
    finally:
        connection.creation.destroy_test_db("default", verbosity=0)


if __name__ == "__main__":
    main()
