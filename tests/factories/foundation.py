"""Data, intended use and a frozen version, made by the people of the cast."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.db import transaction

from apps.core import blobs
from apps.core.clock import now
from apps.datasets.ingest import ingest
from apps.datasets.models import DatasetVersion
from apps.registry.models import IntendedUse, Version, VersionAuthor, VersionData
from apps.trail import current
from apps.trail.writer import Who, record


def _dataset_version(world, number, partition, data, by):
    area = "vault" if partition == "test" else "files"
    file = blobs.put(data, area=area)
    with tempfile.TemporaryDirectory() as folder:
        found = ingest(blobs.path(file.digest, area=area), f"{partition}.csv", out_dir=folder)
        table = blobs.put(Path(found.parquet_path).read_bytes(), area=area)
    v = DatasetVersion(
        dataset=world.dataset,
        number=number,
        partition=partition,
        state="fixed",
        file_name=f"{partition}.csv",
        file_digest=file.digest,
        file_size=file.size,
        file_format="csv",
        table_digest=table.digest,
        row_count=found.rows,
        columns=found.columns,
        source="s",
        collection="c",
        entity_column="patient",
        uploaded_by=by,
        uploaded_at=now(),
    )
    v.save()
    return v


def frozen_version(world, *, label, artefact, features, train, test):
    with transaction.atomic(), current.opened("test.foundation", user_id=world.author.pk) as open_act:
        n = DatasetVersion.objects.count()
        a = _dataset_version(world, n + 1, "train", train, world.curator)
        b = _dataset_version(world, n + 2, "test", test, world.steward)
        use = IntendedUse(
            model=world.model,
            number=1 + IntendedUse.objects.count(),
            question="q",
            purpose="p",
            input_space="i",
            subgroups="s",
            limits="l",
            misuse="m",
            operator_duties="o",
            gmp_critical=False,
            gmp_rationale="r",
            affects_people=True,
            influence="medium",
            influence_rationale="r",
            consequence="medium",
            consequence_rationale="r",
            residual_risk="r",
            tier="medium",
            written_by=world.process_expert,
            written_at=now(),
        )
        use.save()
        version = Version(
            model=world.model,
            label=label,
            state="frozen",
            intended_use=use,
            artefact_digest=artefact.digest,
            artefact_size=artefact.size,
            artefact_name="m.onnx",
            artefact_format="onnx",
            features=list(features),
            code_commit="a" * 40,
            registered_by=world.author,
            registered_at=now(),
            frozen_at=now(),
            closure_digest="sha256:" + "0" * 64,
        )
        version.save()
        VersionAuthor(
            version=version, person=world.author, declared_by=world.author, declared_at=now()
        ).save()
        VersionData(version=version, dataset_version=a).save()
        record(
            kind="event",
            act="test.foundation",
            act_id=open_act.act_id,
            actor=Who.of(world.author),
            subject=version,
            rows=open_act.rows,
        )
    return use, a, b, version
