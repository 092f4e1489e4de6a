"""Did anybody check their own work? Recomputed from the trail, with the rules and waivers that applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.access import duties
from apps.access.gate import Judge
from apps.access.models import Waiver
from apps.access.policy import policy
from apps.access.rulebook import rules_at, waivers_on
from apps.access.separation import Deed, DynamicRule, conflicts_found
from apps.access.sharing import once
from apps.accounts.models import User
from apps.approvals.loading import live_gate
from apps.approvals.models import Slot
from apps.approvals.states import GateState
from apps.core import registries
from apps.core.clock import now
from apps.quality.review_queries import reviewing_deeds
from apps.registry.models import Version


@dataclass(frozen=True)
class Found:
    """Two deeds of one person that a rule keeps apart, and the waiver under which the later one was done, if any."""

    rule: DynamicRule
    person: str
    first: Deed
    second: Deed
    waiver: Waiver | None = None

    def as_data(self) -> dict[str, str]:
        return {
            "rule": self.rule.id,
            "text": self.rule.text,
            "person": self.person,
            "first": self.first.told,
            "second": self.second.told,
        }


def decided_at(version: Version) -> datetime | None:
    """When the newest gate of the version was decided; None while it is open or there is none."""
    gate = live_gate(version)
    return gate.decided_at if gate else None


def found_in(version: Version) -> list[Found]:
    """Every pair of deeds of one person that breaks a rule.

    What was decided is judged by the rules and waivers of that moment; what is open, by those of now: a waiver that
    lapses before the release opens its conflict again.
    """
    return once(("conflicts", version.pk), lambda: _found_in(version))


def _found_in(version: Version) -> list[Found]:
    decided = decided_at(version)
    judge = Judge(version)
    if decided:
        judge.rules = rules_at(decided)
    ids = {int(pk) for kind, pk in judge.facts.closures["version"] if kind == version.subject_kind}
    as_one = {
        pair: whole for give in registries.as_one["registry.versions"] for pair, whole in give(ids).items()
    }
    tier = version.intended_use.tier
    reviewing = reviewing_deeds(version, judge.rules)
    within = judge.facts.closures["version"] | {(deed.kind, deed.id) for deed in reviewing}
    closures = {**judge.facts.closures, "version": within}
    broken = conflicts_found(judge.rules, closures, [*judge.deeds, *reviewing], as_one=as_one, tier=tier)
    if not broken:
        return []
    people = {str(p.uuid): p for p in User.objects.filter(uuid__in={one.person for _, one, _ in broken})}
    waivers = waivers_on(judge.facts.parents, version=version.pk)
    found = []
    for rule, one, two in broken:
        person = people[one.person]
        done = max(one.when, two.when)
        under = next(
            (
                w
                for w in waivers
                if (w.person_id, w.rule) == (person.pk, rule.id)
                and rule.id in judge.rules.waivable
                and w.in_force(done)
                and w.in_force(decided or now())
            ),
            None,
        )
        found.append(Found(rule, person.printed_name, one, two, under))
    return found


def conflicts_of(version: Version) -> list[dict[str, str]]:
    """The conflicts that no waiver covers: names, rule, both deeds."""
    return [each.as_data() for each in found_in(version) if each.waiver is None]


def waived_in(version: Version) -> list[dict[str, str]]:
    """The conflicts that a waiver covers, with the sentence that tells it."""
    return [each.as_data() | {"waiver": each.waiver.told()} for each in found_in(version) if each.waiver]


def lapsed(slot: Slot, act: str) -> str:
    """Why a signature given under a waiver no longer counts; empty when it counts.

    Judged when asked, while the gate is open: what was released while the waiver held stays released.
    """
    if slot.signature is None or slot.gate.state != GateState.OPEN or not slot.waived:
        return ""
    version = slot.gate.version
    waivers = once(
        ("waivers on", version.pk),
        lambda: list(waivers_on([(duties.MODEL, version.model_id)], version=version.pk)),
    )
    signer = slot.signature.signer_id
    rules = {w.rule: w for w in waivers if w.person_id == signer}
    if not rules:
        return ""
    broken = Judge(slot).separation(slot.signature.signer, policy(act))
    if broken is None or broken.rule.id not in rules:
        return ""
    return f"It was signed under {rules[broken.rule.id].ref}, which has lapsed. {broken.rule.id}: {broken.rule.text}."
