"""No false alarm: the cast's whole world, written by real acts, verifies."""

from __future__ import annotations

from apps.trail import export, offline, sealer, verifier
from apps.trail.models import Entry


def test_the_world_verifies_unsealed_and_sealed(world):
    assert verifier.verify().findings == []
    sealer.seal()
    result = verifier.verify()
    assert result.findings == []
    assert result.checked["leaves"] == Entry.objects.count() > 50


def test_an_extract_of_one_model_verifies(world, tmp_path, capsys):
    extract = export.write(tmp_path, [f"registry.model:{world.model.pk}"])
    assert 0 < extract.entries < extract.size
    assert offline.main([str(tmp_path)]) == 0, capsys.readouterr().out
