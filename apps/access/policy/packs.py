"""Inspection packs and the trail."""

from __future__ import annotations

from apps.access.policy.types import READERS, row

ROWS = [
    row(
        "packs.request_pack",
        "Build inspection pack",
        "asked for an inspection pack",
        "registry.version",
        READERS,
        reads=True,
    ),
    row("packs.finish_pack", "", "finished an inspection pack", "packs.pack", service=True),
    row("packs.fail_pack", "", "recorded a failed inspection pack", "packs.pack", service=True),
    row(
        "packs.download_pack",
        "Download pack",
        "downloaded an inspection pack",
        "packs.pack",
        READERS,
        offered=False,
        reads=True,
    ),
    row(
        "trail.export",
        "Export trail",
        "exported entries of the trail",
        "organisation",
        anyone=True,
        by=["sees"],
        offered=False,
        reads=True,
    ),
]
