"""What a probe plan must say, and which data its probes are made on."""

from __future__ import annotations

import pytest

from apps.access.signing import content_of
from apps.core import blobs
from apps.core.errors import BadInput
from apps.core.outcomes import CheckState
from apps.quality.acts import accept_deviation
from apps.quality.models import Deviation
from apps.registry.models import Version
from apps.robustness import queries
from apps.robustness.acts import submit_evidence, write_plan
from apps.robustness.checks import privacy, robustness
from tests.factories.evidence import signed, validated_world
from tests.factories.probes import LIMITS, done_probes, handed_in, locked_probes, plan_input, probed

pytestmark = pytest.mark.evidence("locked")


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


def fresh(version: Version) -> Version:
    return Version.objects.select_related("model", "intended_use").get(pk=version.pk)


def test_every_declared_training_set_counts_and_their_order_says_nothing(world, locked):
    from types import SimpleNamespace

    from apps.analysis.probes import Settings
    from apps.robustness.computing import read_cases, training_sets
    from tests.factories.data import FEATURES, onnx_model, table_csv
    from tests.factories.foundation import data_version, registered_version

    other = data_version(world, "train", table_csv(77, 50, first_patient=20_001))
    declared = [locked.train.pk, other.pk]
    sets = [
        training_sets(
            registered_version(
                world,
                label=label,
                artefact=blobs.put(onnx_model(label)),
                features=FEATURES,
                train=locked.train,
                use=locked.use,
                data_version_ids=order,
            )
        )
        for label, order in (("2.0.0", declared), ("2.0.1", declared[::-1]))
    ]
    assert sets[0] == sets[1]
    assert {each.pk for each in sets[0]} == set(declared)
    paths = [(each.ref, blobs.checked_path(each.table_digest)) for each in sets[0]]
    asked = SimpleNamespace(columns=tuple(FEATURES), whole=frozenset())
    together = read_cases(paths, locked.plan, asked, Settings())
    assert together.n == 350
    fewer = read_cases(paths, locked.plan, asked, Settings(rows=100))
    assert (fewer.n, set(fewer.groups)) == (100, set())
    whole = {tuple(row) for row in zip(*together.frame.columns.values(), together.labels, strict=True)}
    assert {tuple(row) for row in zip(*fewer.frame.columns.values(), fewer.labels, strict=True)} <= whole
    report = probed(world, locked.plan)
    results = queries.results_of(report)
    assert results["train_sets"] == [{"ref": locked.train.ref, "table_digest": locked.train.table_digest}]
    assert results["test_set"]["ref"] == locked.test.ref


def test_a_limit_that_nothing_can_breach_is_refused_with_what_to_give(world, locked):
    def refused(probe, limit, rule, **bounds):
        limits = [
            one | ({"limit": limit, "rule": rule} if one["probe"] == probe else {})
            for one in map(dict, LIMITS)
        ]
        given = plan_input(limits=limits)
        with pytest.raises(BadInput) as error:
            write_plan(world.validator, locked.plan.pk, **(given | {"bounds": given["bounds"] | bounds}))
        (said,) = error.value.fields["limits"]
        return said

    assert "a limit of 1 on “One value missing”" in refused("missing_each", "1", "point")
    assert "can never be breached: it is at most 1. Give a number from 0" in refused("units", "1.0", "point")
    lower = refused("noise_5", "0.99", "near")
    assert "the lower end of its interval over 300 cases is at most 0.9874" in lower
    assert "over 30 cases" in refused("far_rows", "0.95", "near")
    # Three columns are looked at together: the interval that judges them is wider, so less can be shown.
    together = refused("missing_each", "0.985", "near")
    assert "over 300 cases, 3 looked at together, is at most 0.981" in together
    assert "12 looked at together, is at most 0.9734" in refused("units", "0.98", "near")
    assert "over 40 cases" in refused("adversarial", "0.95", "near")
    assert "is at most 0.3." in refused("group_shift", "0.3", "far", shift="0.3")
    assert "can never be breached" in refused("membership", "1", "near")
    write_plan(world.validator, locked.plan.pk, **plan_input())


def test_a_plan_says_whether_differential_privacy_was_used(world, locked):
    limited = [
        *(dict(one) for one in LIMITS),
        {"id": "DP", "probe": "epsilon", "limit": "4", "rule": "point", "min_n": 1},
    ]

    def refused(**given):
        with pytest.raises(BadInput) as error:
            write_plan(world.validator, locked.plan.pk, **plan_input(**given))
        return error.value.fields

    assert set(refused(private_training="")) == {"private_training"}
    assert set(refused(private_training="not_used", private_epsilon="3")) == {"private_epsilon"}
    assert "only where" in refused(private_training="not_used", limits=limited)["limits"][0]
    assert "set a limit on" in refused(private_training="used", private_epsilon="3")["limits"][0]
    for wrong in ("", "0", "-1", "inf", "much"):
        given = {"private_training": "used", "private_epsilon": wrong, "limits": limited}
        assert set(refused(**given)) == {"private_epsilon"}
    draft = write_plan(world.validator, locked.plan.pk, **plan_input())
    assert content_of(draft)["differential_privacy"] == {"training": "not_used", "epsilon": ""}


def test_where_it_was_used_the_gate_wants_the_table_and_the_same_epsilon(world, locked):
    handed_in(world, locked.version)
    limited = [
        *(dict(one) for one in LIMITS),
        {"id": "DP", "probe": "epsilon", "limit": "4", "rule": "point", "min_n": 1},
    ]
    given = {"limits": limited, "private_training": "used", "private_epsilon": "3"}
    plan = locked_probes(world, locked.plan, **given)
    done_probes(world, plan)
    undecided = Deviation.objects.get(criterion="DP")
    accept_deviation(world.approver2, undecided.pk, reason="Later", signature=signed(undecided))
    for check in (robustness, privacy):  # medium tier: robustness asks for it, since privacy is not asked
        outcome = check(fresh(locked.version))
        assert outcome.state is CheckState.NOT_MET
        assert "epsilon 3: no table of utility against epsilon was handed in" in outcome.why
        assert [act for act, _, _ in outcome.needs] == [
            "robustness.submit_evidence",
            "robustness.request_report",
        ]

    def table(epsilon):
        data = f"epsilon,metric,utility,n,released\ninf,auc,0.9,400,no\n{epsilon},auc,0.87,400,yes\n".encode()
        file = {"file_digest": blobs.put(data).digest, "file_name": "dp.csv"}
        submit_evidence(world.author, locked.version.pk, kind="epsilon", **file)
        done_probes(world, plan)
        return robustness(fresh(locked.version))

    other = table("2.5")
    assert other.state is CheckState.NOT_MET
    assert "says 2.5" in other.why
    assert table("3.0").state is CheckState.MET
