"""A change of the separation rules: proposed, replayed over the last year, signed by two who gain nothing by it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.access.acting import Act, act
from apps.access.acts.waivers import sign_half
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Proposal, RulesChange, SeparationRules
from apps.access.policy import TABLE
from apps.access.rule_queries import gains_of
from apps.access.rulesdiff import differences
from apps.access.rulesfile import SHIPPED, newest_shipped, read_rules, shipped
from apps.access.separation import parse
from apps.accounts.models import User
from apps.core import jobs, registries
from apps.core.clock import iso, now
from apps.core.digests import canonical_json, digest
from apps.core.errors import BadInput, Conflict, NotAllowed, WrongState
from apps.core.models import Job
from apps.core.rulewords import stands

REPLAY = "access.replay_rules"
State = Proposal.State


def known_verbs() -> frozenset[str]:
    """Verbs that a rule may name: what acts count as, and what the rules that came with the portal name."""
    found = {verb for row in TABLE.values() for verb in row.verbs}
    for path in SHIPPED.glob("v*.json"):
        data = shipped(int(path.stem[1:]))
        found |= {rule[side] for rule in data["dynamic"] for side in ("first", "second")}
    return frozenset(found)


def newest() -> SeparationRules:
    """The newest version there is, in force or still to come."""
    row = SeparationRules.objects.order_by("-version").first()
    if row is None:
        raise WrongState("No separation rules are in force: the organisation is not installed.")
    return row


def shipped_as(version: int) -> dict[str, Any]:
    """The newest rules that came with the portal, numbered as the next version here."""
    return {**newest_shipped(), "version": version}


@act("access.propose_rules")
def propose_rules(act: Act, *, content: bytes | None, effective_from: datetime | None = None) -> RulesChange:
    """Propose a new version of the rules. content: a rules file; None: the newest rules that came with the portal.

    effective_from: empty, as soon as both have signed. Refused while another change waits or is still to come.
    """
    act.allow(ORGANISATION_SUBJECT)
    base = newest()
    waiting = RulesChange.objects.filter(state=State.PROPOSED).first()
    if waiting is not None or base.effective_from > now():
        raise Conflict(
            "No other change of the rules can be proposed now.",
            fact=f"{waiting} waits for its signatures."
            if waiting
            else f"{base.ref} is signed and in force from {base.effective_from:%Y-%m-%d %H:%M} UTC.",
            rule="once-only",
            who=["whoever proposed it, by withdrawing it"] if waiting else ["anybody who may, after that"],
        )
    in_force = parse(base.rules)
    if content is None:
        content = canonical_json(shipped_as(base.version + 1))
    data, new = read_rules(content, verbs=known_verbs(), in_force=in_force, version=base.version + 1)
    problems: dict[str, list[str]] = {}
    if all(each.kind == "same" for each in differences(in_force, new)):
        problems["file"] = ["These are the rules in force: nothing would change."]
    if effective_from is not None and effective_from <= now():
        problems["effective_from"] = ["A moment to come, or empty: as soon as both have signed."]
    if problems:
        raise BadInput("The change was not proposed.", rule="rules-file", fields=problems)
    change = act.create(
        RulesChange,
        version=base.version + 1,
        base_version=base.version,
        rules=data,
        digest=digest(data),
        effective_from=effective_from,
        reason=act.reason,
        proposed_by=act.user,
        proposed_at=now(),
    )
    act.write(change, job=act.after_commit(REPLAY, change))
    act.event(version=change.version, base=base.version, rules=change.digest)
    act.about(change)
    return change


def _locked(act: Act, change_id: int) -> RulesChange:
    rows = RulesChange.objects.select_related("proposed_by", "job", "made", *Proposal.SIGNERS)
    change = act.lock(rows, pk=change_id)
    act.allow(change)
    return change


@act("access.finish_rules_replay")
def finish_rules_replay(
    act: Act, change_id: int, *, job: Job, replay_digest: str, size: int, refused: int, allowed: int
) -> RulesChange:
    """Write what the replay found. size: bytes of the stored result; refused, allowed: how many cases."""
    change = _locked(act, change_id)
    jobs.end(job)
    act.write(
        change,
        replay_digest=replay_digest,
        replay_size=size,
        newly_refused=refused,
        newly_allowed=allowed,
        replay_failure="",
    )
    act.event(result=replay_digest, newly_refused=refused, newly_allowed=allowed)
    return change


@act("access.fail_rules_replay")
def fail_rules_replay(act: Act, change_id: int, *, job: Job, message: str) -> RulesChange:
    """Keep why the replay came to nothing; it can be asked for again."""
    change = _locked(act, change_id)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.write(change, replay_failure=message)
    act.event(failure=message)
    return change


@act("access.replay_rules_again")
def replay_rules_again(act: Act, change_id: int) -> RulesChange:
    """Ask for the replay once more after one that failed."""
    change = _locked(act, change_id)
    act.write(change, replay_failure="", job=act.after_commit(REPLAY, change))
    return change


def gains_refused(person: User, change: RulesChange) -> Conflict | None:
    """EN4: nobody lets through what would open something to themself. Judged at the moment of signing."""
    cases = gains_of(person, change)
    if not cases:
        return None
    first = cases[0]
    more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
    return Conflict(
        f"You cannot sign {change.ref}.",
        fact=f"It would newly allow you: {first.act}, {first.record}{more}. Today {first.before} refuses it.",
        rule="EN4: nobody signs a change of the rules that they gain from",
        who=["another person with the duty, whom the change opens nothing to"],
    )


def _sign(act: Act, change_id: int, half: str) -> RulesChange:
    change = _locked(act, change_id)
    if act.decision == "approved" and (refused := gains_refused(act.user, change)):
        raise refused
    if not sign_half(act, change, half, f"version {change.version}"):
        return change
    moment = now()
    starts = max(change.effective_from or moment, moment)
    made = act.create(
        SeparationRules,
        version=change.version,
        rules=change.rules,
        digest=change.digest,
        effective_from=starts,
    )
    act.write(change, made=made)
    act.event(version=made.version, rules=made.digest, effective_from=iso(starts))
    return change


@act("access.sign_rules_approver")
def sign_rules_approver(act: Act, change_id: int) -> RulesChange:
    """A QA approver of any model signs the change, or rejects it with a reason."""
    return _sign(act, change_id, "approver_signature")


@act("access.sign_rules_compliance")
def sign_rules_compliance(act: Act, change_id: int) -> RulesChange:
    """A compliance officer signs the change, or rejects it with a reason."""
    return _sign(act, change_id, "compliance_signature")


@act("access.withdraw_rules")
def withdraw_rules(act: Act, change_id: int) -> RulesChange:
    """Whoever proposed a change takes it back while it waits, with a reason."""
    change = _locked(act, change_id)
    if change.proposed_by_id != act.user.pk:
        raise NotAllowed(
            f"You cannot withdraw {change.ref}.",
            fact="You did not propose it.",
            rule="rules-change: who proposed a change may withdraw it; a signer may reject it",
            who=[change.proposed_by.printed_name],
        )
    return act.end(change, state=State.ENDED, decided_at=now())


def _refuse(change: RulesChange, what: str, fact: str, who: str) -> None:
    raise WrongState(f"{change.ref} cannot be {what}.", fact=fact, rule="rules-change-state", who=[who])


@registries.precondition("access.withdraw_rules")
def refuse_unless_proposed(change: RulesChange, what: str = "withdrawn") -> None:
    if change.state != State.PROPOSED:
        _refuse(change, what, stands(change.word), "nobody; another change can be proposed")


@registries.precondition("access.replay_rules_again")
def refuse_unless_failed(change: RulesChange) -> None:
    refuse_unless_proposed(change, "replayed")
    if not change.replay_failure:
        fact = "Its replay is done." if change.replayed else "Its replay is under way."
        _refuse(change, "replayed again", fact, "nobody; only a replay that failed is repeated")


def _refuse_unless_wanted(change: RulesChange, half: str) -> None:
    refuse_unless_proposed(change, "signed")
    given = getattr(change, half)
    if given is not None:
        when = f"{given.signed_at:%Y-%m-%d %H:%M} UTC"
        _refuse(
            change,
            "signed",
            f"{given.printed_name} signed this half on {when}.",
            "whoever signs the other half",
        )
    if not change.replayed:
        fact = f"Its replay failed: {change.replay_failure}" if change.replay_failure else "Its replay runs."
        _refuse(change, "signed", fact, "the signers, after the last year was replayed with it")
    if change.base_version != newest().version:
        fact = f"It was proposed against version {change.base_version}, which is no longer the newest."
        _refuse(change, "signed", fact, "nobody; it can be proposed anew")


@registries.precondition("access.sign_rules_approver")
def refuse_unless_approver_wanted(change: RulesChange) -> None:
    _refuse_unless_wanted(change, "approver_signature")


@registries.precondition("access.sign_rules_compliance")
def refuse_unless_compliance_wanted(change: RulesChange) -> None:
    _refuse_unless_wanted(change, "compliance_signature")


@registries.content("access.rules_change")
def rules_change_content(change: RulesChange) -> dict[str, Any]:
    """What is signed: the rules by their digest, what differs, from when, why, and what the replay found."""
    base = SeparationRules.objects.get(version=change.base_version)
    changed = [
        {"rule": d.id, "change": d.kind, "before": list(d.before), "after": list(d.after)}
        for d in differences(parse(base.rules), parse(change.rules))
        if d.kind != "same"
    ]
    return {
        "schema": "access.rules_change/1",
        "ref": change.ref,
        "version": change.version,
        "rules": change.digest,
        "in_force_before": {"version": base.version, "rules": base.digest},
        "changed": changed,
        "effective_from": iso(change.effective_from) if change.effective_from else "when both have signed",
        "reason": change.reason,
        "proposed_by": change.proposed_by.username,
        "proposed_at": iso(change.proposed_at),
        "replay": {
            "result": change.replay_digest,
            "newly_refused": change.newly_refused,
            "newly_allowed": change.newly_allowed,
        },
    }
