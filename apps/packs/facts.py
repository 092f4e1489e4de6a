"""What separation and visibility ask of packs."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import Scopes
from apps.core import registries
from apps.packs.models import Pack
from apps.registry.facts import facts_on_version


@registries.facts("packs.pack")
def pack_facts(pack: Pack) -> Facts:
    return facts_on_version(pack.version)


@registries.visibility("packs.Pack")
def packs_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))
