"""The rule of a refusal as people read it: its name, and what it says.

A rule that carries its own sentence (`DY8: who validated …`) keeps it; a clause of a law is named as such.
"""

from __future__ import annotations

SENTENCES = {
    "duty": "each act is for those who hold its duty on this record",
    "account": "only an active account acts",
    "account-state": "an account is changed only in the states that allow it",
    "service": "some steps are the portal's own, so that no person can do them by hand",
    "service-never-decides": "a service never fills a human duty",
    "signature": "this is done with a signature, and nothing else is",
    "reason": "this is done with a reason that stays in the record",
    "once-only": "this is done once",
    "assignment-state": "a duty is decided on while it is requested, and ended while it is held",
    "assignment": "a duty is held on one model, one dataset or the organisation",
    "frozen-is-frozen": "a frozen version does not change any more",
    "deviation-open": "a deviation is decided on while it is open",
    "one-run-at-a-time": "a plan has one run under way at a time",
    "one-report-at-a-time": "a run has one bias report under way at a time",
    "run-done": "figures are given out when the run is done",
    "report-done": "figures are given out when the report is done",
    "pack-ready": "a pack is given out when it is built",
    "receipt-sealed": "a receipt proves an entry that is sealed",
    "author-signs": "a plan is signed by the one who wrote it",
    "install": "nothing is done before the organisation is installed",
    "idempotency": "one key stands for one request",
    "G3": "release gate G3, freezing: what it rests on is complete first",
    "G7": "release gate G7: signatures are given while the gate is open, and approvals when every check is closed",
    "B1": "only a released version is suspended",
    "PC20": "control PC20: the intended use in force is the newest one signed",
    "PC22": "control PC22: training data are fixed and their origin is known",
    "PC23": "control PC23: test data are independent of training data",
    "PC24": "control PC24: criteria are locked before results",
    "PC25": "control PC25: the portal runs the frozen model itself, and every run counts",
    "PC26": "control PC26: groups are compared against limits locked before",
    "PC28": "control PC28: a version is immutable, and what was decided on it stays",
    "PC32": "control PC32: what departed from the plan is settled before release",
}


def rule_words(rule: str) -> str:
    """`Rule DY8: who validated a version may not approve it.`; empty for no rule."""
    if not rule:
        return ""
    said = SENTENCES.get(rule)
    if said is None:
        return f"Rule {rule}."
    if rule.isupper() or rule[-1].isdigit():  # a name people know it by
        return f"Rule {rule}: {said.partition(': ')[2] or said}."
    return f"Rule: {said}."
