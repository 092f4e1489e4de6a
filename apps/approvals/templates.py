"""Gate templates: versioned data, chosen by tier, copied into the gate when it is opened."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "templates_data"
CURRENT = "release_v3.json"


@lru_cache(maxsize=4)
def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def template_for(tier: str) -> dict:
    """The release template of one tier: name, tier, checks and slots in their order."""
    data = json.loads(_file(CURRENT))

    def wanted(items: list[dict]) -> list[dict]:
        return [
            {key: value for key, value in item.items() if key != "tiers"}
            for item in items
            if tier in item.get("tiers", (tier,))
        ]

    return {
        "name": f"{data['name']}-{tier}",
        "version": data["version"],
        "tier": tier,
        "checks": wanted(data["checks"]),
        "slots": wanted(data["slots"]),
    }
