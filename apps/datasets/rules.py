"""May this dataset version be profiled, read, handed out? Pure: facts in, Refused out."""

from __future__ import annotations

from apps.core.errors import NotAllowed, WrongState
from apps.core.rulewords import stands
from apps.datasets.states import STATE_WORDS, Partition, State


def may_finish(ref: str, state: str) -> None:
    """A version is profiled once and never changes after."""
    if state != State.UPLOADED:
        raise WrongState(
            f"{ref} was profiled already.",
            fact=stands(STATE_WORDS[State(state)]),
            rule="PC22: a dataset version never changes",
            who=["nobody: upload a new version"],
        )


def _fixed(what: str, state: str, failure: str) -> None:
    if state == State.FIXED:
        return
    fact = "It is still being profiled." if state == State.UPLOADED else f"It could not be read: {failure}"
    who = ["whoever may, once it is fixed"]
    raise WrongState(what, fact=fact, rule="PC22: only fixed versions are used", who=who)


def may_hand_out(ref: str, partition: str, state: str, failure: str = "") -> None:
    """Rows of test data leave the vault for nobody (Annex 22 draft 6.2)."""
    what = f"The rows of {ref} cannot be downloaded."
    if partition == Partition.TEST:
        raise NotAllowed(
            what,
            fact="It is test data. The portal runs the tests itself; nobody takes test data out of the vault.",
            rule="PC23: no download of test data by anybody",
            who=["nobody"],
        )
    _fixed(what, state, failure)


def may_read_profile(ref: str, partition: str, state: str, failure: str = "") -> None:
    """Only reads of test data are asked for and counted; other profiles stand on the page."""
    what = f"{ref} has no test profile to read."
    if partition != Partition.TEST:
        raise WrongState(
            what,
            fact="It is not test data: its profile stands on its page.",
            rule="PC23",
            who=["everybody who sees the dataset"],
        )
    _fixed(what, state, failure)


def may_read_sensitive_profile(
    ref: str, partition: str, state: str, failure: str = "", *, sensitive: bool = True
) -> None:
    """Training and tuning data: only the profile of sensitive ones is asked for; test data have their own act."""
    what = f"{ref} has no profile to read under a grant."
    if partition == Partition.TEST or not sensitive:
        fact = (
            "It is test data: its profile is read as test data."
            if partition == Partition.TEST
            else "It is not sensitive: its profile stands on its page."
        )
        raise WrongState(what, fact=fact, rule="sensitive-access", who=["whoever may read it there"])
    _fixed(what, state, failure)
