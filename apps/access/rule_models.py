"""Changes of the separation rules: proposed, replayed over the last year, signed by two."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.access import duties
from apps.access.models import Proposal, SeparationRules
from apps.core.blobs import StoredFile
from apps.core.clock import now
from apps.core.models import Job
from apps.core.standing import Standing, word_of
from apps.trail.history import history


class RulesChange(Proposal):
    """A new version of the separation rules before it counts (engine rule 4: indirect authority)."""

    subject_kind = "access.rules_change"

    version = models.PositiveIntegerField()
    base_version = models.PositiveIntegerField()  # in force when it was proposed
    rules = models.JSONField()
    digest = models.CharField(max_length=71)
    # None: as soon as both have signed. A moment that is over by then counts as none.
    effective_from = models.DateTimeField(null=True, blank=True)
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="+")
    replay_digest = models.CharField(max_length=71, blank=True)  # what the rules would have changed
    replay_size = models.BigIntegerField(null=True, blank=True)  # bytes
    replay_failure = models.TextField(blank=True)
    newly_refused = models.PositiveIntegerField(null=True, blank=True)
    newly_allowed = models.PositiveIntegerField(null=True, blank=True)
    made = models.OneToOneField(
        SeparationRules, on_delete=models.PROTECT, null=True, blank=True, related_name="change"
    )
    stored_files = (StoredFile("replay_digest", "results", "replay_size"),)
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="proposed"), name="rules_change_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.ref}: version {self.version} of the separation rules"

    @property
    def ref(self) -> str:
        return f"SR-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)

    @property
    def replayed(self) -> bool:
        return bool(self.replay_digest)

    STANDINGS = (
        Standing("proposed", "Waits for signatures", lambda _at: Q(state="proposed")),
        Standing(
            "to_come", "Signed, not in force yet", lambda at: Q(state="signed", made__effective_from__gt=at)
        ),
        Standing("took_effect", "Took effect", lambda at: Q(state="signed", made__effective_from__lte=at)),
        Standing("rejected", "Rejected", lambda _at: Q(state="rejected")),
        Standing("withdrawn", "Withdrawn", lambda _at: Q(state="ended")),
    )

    @property
    def standing(self) -> str:
        """What it is now. Whether the version it made is still the one in force, the list of versions tells."""
        if self.state == self.State.ENDED:
            return "withdrawn"
        if self.made is not None:
            return "took_effect" if self.made.effective_from <= now() else "to_come"
        return self.state

    @property
    def word(self) -> str:
        return word_of(self.STANDINGS, self.standing)
