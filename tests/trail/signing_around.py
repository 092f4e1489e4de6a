"""What goes on around a signature, as rules of the state machine: records, time and people change."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from apps.access import acts
from apps.access.ceremony import Fresh
from apps.access.models import TrainingMatrix, TrainingRecord
from apps.accounts.models import User
from apps.core import clock
from apps.trail.current import opened
from apps.trail.models import Signature
from apps.trail.writer import Who, record
from apps.verification.models import Requirement
from tests.trail.signing_parts import PEOPLE, Answer, Committee, Person, written


class Around(RuleBasedStateMachine):
    """One example: a world of its own in a savepoint, taken back at the end."""

    base: Committee  # set by the test
    tally: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        savepoint = transaction.atomic()
        savepoint._from_testcase = True  # acts open durable blocks inside
        self.stack.callback(self._begin_again)
        self.stack.enter_context(savepoint)
        self.stack.callback(transaction.set_rollback, True)
        self.clock, self.world = self.base.clock, self.base.world
        self.clock.at = self.clock.began
        clock.forget()
        self.people = {name: replace(each) for name, each in self.base.people.items()}
        self.matrix = False
        self.signed: dict[int, str] = {}  # requirement -> decision, as the model knows
        self.records = list(self.base.records)
        self.fresh: list[Fresh] = []
        self.codes: dict[str, str] = {}
        self.answers: dict[str, Answer] = {}  # the newest of each person's passkey
        self.used: set[str] = set()  # nonces whose passkey answer or fresh authentication was used
        self.before = set(Signature.objects.values_list("pk", flat=True))
        self.number = 0

    def teardown(self) -> None:
        self.stack.close()

    def _begin_again(self) -> None:
        self.clock.at = self.clock.began
        clock.forget()

    def _count(self, what: str) -> None:
        self.tally[what] += 1

    # ------------------------------------------------------------ what goes on around

    @property
    def open(self) -> list[int]:
        return [pk for pk in self.records if pk not in self.signed]

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    def write_a_record(self) -> None:
        self._count("write a record")
        self.records.append(written(self.world))

    @rule(
        place=st.integers(0, 9), text=st.sampled_from(["It ranks lots.", "It ranks lots by risk.", "Other"])
    )
    def change_a_record(self, place: int, text: str) -> None:
        """What no act of today does to a requirement: content that changes between showing and signing."""
        if place > 3:
            return
        self._count("change a record")
        likely = self.open[-3:] or self.records
        row = Requirement.objects.get(pk=likely[place % len(likely)])
        by = self.world.process_expert
        with transaction.atomic(), opened("tests.change", user_id=by.pk) as act:
            row.text = text
            row.save()
            record(
                kind="act",
                act="tests.change",
                act_id=act.act_id,
                actor=Who.of(by),
                subject=row,
                rows=act.rows,
            )

    @rule(seconds=st.sampled_from([1, 20, 31, 31, 61, 301, 901, 1000]))
    def time_passes(self, seconds: int) -> None:
        self._count("time passes")
        self.clock.at += seconds

    @rule(
        what=st.sampled_from(
            [
                "mend",
                "mend",
                "mend",
                "training demanded",
                "training lapses",
                "identity lapses",
                "leaves",
                "unlock",
            ]
        ),
        name=st.sampled_from(PEOPLE),
    )
    def meanwhile(self, what: str, name: str) -> None:
        """What happens to people: two of it make a signature impossible for a while, one for good."""
        person = self.people[name]
        if not person.active:
            return
        if what == "training demanded" and not self.matrix:
            self._training_is_demanded()
        elif what == "training lapses" and person.trained:
            self._train(person, False)
        elif what == "identity lapses" and person.known:
            self._rename(person)
        elif what == "leaves" and all(each.active for each in self.people.values()):
            self._count("deactivated")
            acts.deactivate_account(self.world.administrator, person.user.pk, reason="Left")
            person.active = False
            person.user = User.objects.get(pk=person.user.pk)
        elif what in ("unlock", "mend"):
            self._mend(person, what == "mend")

    def _mend(self, person: Person, whole: bool) -> None:
        if person.locked_until > self.clock.at:
            self._count("unlocked")
            acts.unlock_account(self.world.administrator, person.user.pk, reason="Asked by phone")
            person.locked_until, person.failures = 0.0, 0
        if whole and self.matrix and not person.trained:
            self._train(person, True)
        if whole and not person.known:
            self._count("identity confirmed")
            acts.confirm_identity(self.world.registrar, person.user.pk, how="known")
            person.known = True
            person.user = User.objects.get(pk=person.user.pk)

    def _training_is_demanded(self) -> None:
        self._count("training demanded")
        acts.adopt_training_matrix(
            self.world.compliance,
            seen=TrainingMatrix.objects.count(),
            needs={"approver": ["system"]},
            reason="The training plan of this year",
        )
        self.matrix = True

    def _train(self, person: Person, trained: bool) -> None:
        """Recorded by another, or the record taken back: the training lapses at once."""
        self._count("training recorded" if trained else "training lapsed")
        given = {"kind": "system", "completed_on": self.clock.system().date(), "evidence": "Certificate 12"}
        if not trained:
            newest = TrainingRecord.objects.filter(person=person.user).latest("pk")
            given |= {"corrects_id": newest.pk, "void": True, "reason": "Mistaken"}
        acts.record_training(self.world.compliance, person.user.pk, **given)
        person.trained = trained

    def _rename(self, person: Person) -> None:
        """The printed name is corrected, and nobody has confirmed since who it is."""
        self._count("identity lapsed")
        self.number += 1
        asked = acts.request_correction(
            self.world.administrator, person.user.pk, printed_name=f"Name {self.number}", reason="Married"
        )
        acts.approve_correction(self.world.compliance, asked.pk, reason="Seen")
        person.known = False
        person.user = User.objects.get(pk=person.user.pk)
