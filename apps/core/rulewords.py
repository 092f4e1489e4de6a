"""The rule of a refusal as people read it: its name, and what it says. Page, Work, API and mail take it from here.

A rule that carries its own sentence (`DY8: who validated …`) keeps it. Every other code has one in `SENTENCES`
(`tests/house/test_rules_have_words.py`), what the rules of separation say is in the data of the installation.
"""

from __future__ import annotations

import re

SENTENCES = {
    # clauses
    "21 CFR 11.10(e)": "the trail of what was done stands whole, and is checked",
    "21 CFR 11.10(i)": "a duty works only with the training that it asks for",
    "21 CFR 11.10(j)": "who answers for something has accepted it in their own words",
    "21 CFR 11.200(a)(1)": "a signature has two components, and both are entered anew",
    "21 CFR 11.200(a)(2)": "only its genuine owner signs, present and signed in; a token does not",
    "21 CFR 11.300(d)": "after failed attempts an account is shut for a while and its officers are told",
    "21 CFR 11.70": "a signature belongs to the content that was shown, and to no other",
    "Annex 22 draft 6.1": "test data are used as their plan says, and every use counts",
    "EU GMP Annex 22 draft 6.1": "test data are used as their plan says, and every use counts",
    "EU GMP Annex 11 draft 12.5-12.8": "the trail is reviewed, independently of who did the work",
    # controls and gates
    "B1": "only a released version is suspended",
    "G3": "release gate G3, freezing: what it rests on is complete first",
    "G7": "release gate G7: signatures are given while the gate is open, and approvals when every check is closed",
    "PC20": "control PC20: the intended use in force is the newest one signed",
    "PC22": "control PC22: training data are fixed and their origin is known",
    "PC23": "control PC23: test data are independent of training data",
    "PC24": "control PC24: criteria are locked before results",
    "PC25": "control PC25: the portal runs the frozen model itself, and every run counts",
    "PC26": "control PC26: groups are compared against limits locked before",
    "PC27": "control PC27: what the model rests on is explained and judged by a person",
    "PC28": "control PC28: a version is immutable, and what was decided on it stays",
    "PC32": "control PC32: what departed from the plan is settled before release",
    "PC37": "control PC37: every requirement is traced to its tests and results",
    "ST1": "who administers accounts holds no other duty",
    # accounts, duties, tokens
    "access-review": "a review asks the people who answer for what is reviewed",
    "account": "only an active account acts",
    "account-integrity": "an account is as the portal wrote it, or nothing is done with it",
    "account-state": "an account is changed only in the states that allow it",
    "ask": "who can do it is asked by who cannot, once in a day and by whoever sees the record",
    "assignment": "a duty is held on one model, one dataset or the organisation",
    "assignment-state": "a duty is decided on while it is requested, and ended while it is held",
    "ci-identity": "a pipeline's job is who its issuer says, under a trust in force",
    "ci-trust": "a trust names one issuer and the jobs it speaks for",
    "ci-trust-state": "a trust is decided on while it is asked for, and ended while it is in force",
    "correction": "a correction says what differs, and takes nobody else's name or address",
    "correction-state": "a correction is decided on once, and while the account is as it was asked for",
    "duty": "each act is for those who hold its duty on this record",
    "erasure": "words are erased that stand in the entry, and for a ground in law",
    "erasure-state": "an erasure is decided on once, of an entry that is sealed and as it was asked for",
    "erasure-two": "who erases words of the trail neither asked for it nor has a part in the entry",
    "fresh-sign-in": "who administers has signed in not long ago",
    "hold": "nothing is erased of what a legal hold keeps",
    "hold-state": "a hold is lifted once, and by another than whom it is on",
    "inspection": "an inspection has a scope, a beginning and an end",
    "inspection-state": "an inspection is changed in the states that allow it",
    "install": "nothing is done before the organisation is installed",
    "last-one": "there is always an administrator and a compliance officer",
    "link-state": "a link is confirmed once, and ended once",
    "one-address": "an e-mail address belongs to one account in use",
    "owner": "who answers for something is a person with an active account",
    "rate-limit": "what is asked too often waits",
    "reset-state": "a reset is decided on once, while the account is in use",
    "second-factor": "who signs has a second factor, and nobody is left without one by mistake",
    "service": "some steps are the portal's own, so that no person can do them by hand",
    "service-account": "a service does no more than its owner may",
    "service-account-state": "a service account is changed in the states that allow it",
    "service-never-decides": "a service never fills a human duty",
    "session": "a session lasts from a sign-in until it is idle or open for too long, or is ended",
    "session-state": "a session is ended while it is open",
    "sign-in": "an account opens to its own person, and shuts after failed attempts",
    "single-sign-on": "another provider's word is taken where the portal can check it",
    "token": "a token works until it ends, and for what it was made for",
    "token-scope": "a token reaches what it was made for",
    "token-state": "a token is ended once",
    "training": "training is recorded by another person, for a training of the matrix",
    "training-corrected": "a correction of a training record says what was wrong",
    "training-file": "a certificate is a file that can be read",
    "training-matrix": "the training matrix names duties and acts that there are",
    "training-state": "a training record is corrected once",
    "visibility": "what a person may not see is not there for them",
    "waiver": "a waiver opens a rule that may be opened, for one person, for a time, with something done instead",
    "waiver-state": "a waiver is signed while it is asked for, and revoked while it is in force",
    # reviews
    "review-decision": "each line of a review is kept or ended",
    "review-due": "what nobody confirmed by its day lapses",
    "review-state": "a review is decided on while it is open",
    "review-undecided": "a review is signed when every line is decided",
    "trail-review-once": "a version's trail is under one review at a time",
    "trail-review-open": "a trail review is worked on while it is open",
    "trail-review-range": "a trail review covers entries that are sealed",
    # rules
    "rules-change-state": "a change of the rules is decided on while it waits",
    "rules-file": "rules are a file that the portal can read and judge by",
    # boards
    "board-state": "a board sits as it was approved",
    "meeting-file": "a minute comes as a file or as text",
    "meeting-state": "a meeting is recorded, and signed, once",
    "one-chair": "a board has one chair at any moment",
    "quorum": "a board decides when enough of its functions are there",
    "seat-state": "a seat is decided on while it is requested, and ended while it is held",
    # records
    "address": "an address is text that can be read",
    "artefact": "a model file is one that the portal can open safely",
    "as-of": "a look back changes nothing, and shows what was known then",
    "author-signs": "a plan is signed by the one who wrote it",
    "busy": "one change at a time: what meets another is done afterwards",
    "clock": "time is the portal's, and does not go back",
    "content-address": "a file is the bytes of its digest",
    "decided": "what is decided stays as it was; a change is a new revision",
    "deviation-open": "a deviation is decided on while it is open",
    "duplicate": "nothing is entered twice",
    "evidence-file": "evidence is a file that can be read and says what it is of",
    "explained-class": "an explanation of one class is of a class that the plan names",
    "explanation-upload": "an explanation from elsewhere says what made it and names the model's inputs",
    "frozen-is-frozen": "a frozen version does not change any more",
    "idempotency": "one key stands for one request",
    "input": "what is entered can be read as what it stands for",
    "job-lease": "one worker works a job at a time",
    "note": "a note says what was done or said",
    "once-only": "this is done once",
    "one-ceremony": "records are signed together as they were opened one by one, with one meaning",
    "one-digest-one-version": "the same bytes are one version",
    "one-end": "what has ended does not end again",
    "one-report-at-a-time": "a run has one report of a kind under way at a time",
    "one-run-at-a-time": "a plan has one run under way at a time",
    "pack-ready": "a pack is given out when it is built",
    "plan": "a plan says what is measured, against which limit, and why",
    "preview": "what is changed is shown first, as it was and as it will be",
    "probe-catalogue": "probes are made under the version of their catalogue that the limits were written under",
    "probe-evidence": "files handed in for probes are whole, and compared or checked before they are taken",
    "probe-limits": "what the probes find is within limits that were locked before",
    "reason": "this is done with a reason that stays in the record",
    "receipt-sealed": "a receipt proves an entry that is sealed",
    "report-done": "figures are given out when the report is done",
    "report-under-way": "what is under way is cancelled, what has ended stays",
    "retained": "what the law keeps of a record and of a signature is not erased",
    "retire-log": "a trail is retired by a person who says why",
    "run-done": "figures are given out when the run is done",
    "run-under-way": "what is under way is cancelled, what has ended stays",
    "sensitive-access": "sensitive data are read with a justification, for hours, as their steward granted",
    "signature": "this is done with a signature, and nothing else is",
    "signed-once": "a person signs the same content once",
    "stale": "a decision is about what was shown",
    "upload-limit": "a file is no larger than the portal takes",
    # codes of the interface itself
    "authentication_failed": "who calls shows who they are",
    "error": "the interface answers as it is described",
    "method_not_allowed": "an address answers the methods that it names",
    "not_acceptable": "the interface answers in the formats that it names",
    "not_authenticated": "who calls shows who they are",
    "not_found": "what a person may not see is not there for them",
    "parse_error": "what is sent can be read as its type says",
    "permission_denied": "a change by a session carries the page's own token",
    "throttled": "what is asked too often waits",
    "unsupported_media_type": "the interface takes the formats that it names",
}
_NAMED = re.compile(r"[0-9]")  # a name that people know the rule by: DY8, PC24, 21 CFR 11.70


def rule_words(rule: str) -> str:
    """`Rule DY8: who validated a version may not approve it.`; empty for no rule."""
    if not rule:
        return ""
    said = SENTENCES.get(rule)
    if said is None:
        return f"Rule {rule}."
    if _NAMED.search(rule):
        return f"Rule {rule}: {said.partition(': ')[2] or said}."
    return f"Rule: {said}."


def has_words(rule: str) -> bool:
    """Whether a reader is told what the rule says, and not only its code."""
    return ": " in rule or rule in SENTENCES


def stands(word: str) -> str:
    """The fact of a refusal that hangs on a state: `It is withdrawn.`, `It waits for signatures.`"""
    said = word[:1].lower() + word[1:]
    return f"It {said}." if said.startswith("waits ") else f"It is {said}."
