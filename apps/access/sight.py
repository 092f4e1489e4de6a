"""Who sees which rows: the second question of the gate. Deny by default."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.models import CharField, F, Q, QuerySet, Value

from apps.access import duties, past, reach
from apps.access.actors import Actor, as_actor
from apps.access.models import Assignment
from apps.access.organisation import Organisation
from apps.access.sharing import once
from apps.accounts.models import User
from apps.core import clock, registries
from apps.core.errors import NotVisible
from apps.core.kept_sql import Text
from apps.core.subjects import Subject

# Of these, who sees all records sees no more than their visibility says.
PERSONAL = frozenset(
    {
        "access.Ask",
        "access.Copy",
        "access.Inspection",
        "access.InspectionPlace",
        "accounts.ApiToken",
        "accounts.TokenScope",
        "accounts.SignedIn",
        "accounts.Enrolment",
        "accounts.Factor",
        "accounts.RecoveryCode",
        "accounts.Reset",
        "accounts.Correction",
        "accounts.SignOnLink",
    }
)
NOTHING = Q(pk__in=[])
SEAT = "seat"  # stands among the duties for the organisation of who has or had a seat on a board


class Scopes:
    """What a person's duties in force open for reading; handed to each app's visibility function."""

    own = True  # whether what a person sees for being that person is seen
    asked = False  # whether what they are for the organisation is asked by a query of its own

    def __init__(self, user: User) -> None:
        self.user = user

    def of(self, kind: str) -> Text | QuerySet[Any, Any]:
        """Ids of the parents of `kind` on which the person holds any duty now, as a subquery."""
        return Assignment.objects.places(self.user.pk, kind)

    def rows_of(self, kind: str) -> QuerySet[Any, Any]:
        """The same, of which more can be asked: rows with `scope_id`."""
        return Assignment.objects.active().filter(person=self.user, scope_kind=kind).values("scope_id")

    def _held(self) -> QuerySet[Assignment, Any]:
        return Assignment.objects.active().filter(person=self.user, scope_kind=duties.ORGANISATION)

    @cached_property
    def _standing(self) -> frozenset[str]:
        return once(("organisation duties", self.user.pk), self._ask)

    def _ask(self) -> frozenset[str]:
        with past.today():
            seats = registries.seat["rows"](self.user.pk).values_list(Value(SEAT, CharField()))
            return frozenset(row[0] for row in self._held().order_by().values_list("duty").union(seats))

    @property
    def organisation_duties(self) -> frozenset[str]:
        return self._standing - {SEAT}

    @property
    def seated(self) -> bool:
        """Whether the boards they sit on open anything. Who never had a seat is spared the condition; where that was
        not asked beforehand, the condition itself asks who has one now."""
        return self.own and (not self.asked or SEAT in self._standing)

    @property
    def sees_all(self) -> bool:
        return bool(self.organisation_duties & duties.SEES_ALL)

    def holds(self, wanted: Iterable[str]) -> Q:
        """Whether the person holds one of these for the organisation, as a condition: asked in the query itself."""
        return Assignment.objects.holds_for_all(self.user.pk, frozenset(map(str, wanted)))

    def all_seen(self) -> Q:
        """`sees_all` as a condition."""
        return self.holds(duties.SEES_ALL)


class NarrowScopes(Scopes):
    """What of that a token opens that was made for some models and datasets only."""

    own = False

    def __init__(self, user: User, places: Iterable[reach.Place]) -> None:
        super().__init__(user)
        self.places = frozenset(places)
        self._whole = Scopes(user)

    def of(self, kind: str) -> QuerySet[Any, Any]:
        return self.rows_of(kind)

    def rows_of(self, kind: str) -> QuerySet[Any, Any]:
        ids = [pk for place_kind, pk in self.places if place_kind == kind]
        if self._whole.sees_all and kind in reach.LABELS:
            whole = apps.get_model(reach.LABELS[kind])._default_manager.filter(pk__in=ids)
            return whole.annotate(scope_id=F("pk")).values("scope_id")
        return super().rows_of(kind).filter(scope_id__in=ids)

    @cached_property
    def _standing(self) -> frozenset[str]:
        return frozenset()

    def holds(self, wanted: Iterable[str]) -> Q:
        return NOTHING


def _scopes_of(actor: Actor) -> Scopes:
    places = reach.reach_of(actor.token).objects
    return Scopes(actor.user) if places is None else NarrowScopes(actor.user, places)


def _seen(actor: Actor, model: type[Any], *, one: bool) -> QuerySet[Any]:
    if clock.as_of() is not None:
        return past.seen_today(model, lambda: _seen(actor, model, one=one))
    user = actor.user
    everything: QuerySet[Any] = model._default_manager.all()
    if not user.usable:
        return everything.none()
    givers = registries.visibility[model._meta.label]
    if not givers:
        raise LookupError(f"no visibility is registered for {model._meta.label}")
    if user.is_service:
        return everything
    personal = model._meta.label in PERSONAL
    if actor.through is not None and personal:
        return everything.none()  # a service sees its owner's work, not their own affairs
    scopes = _scopes_of(actor)
    scopes.own = scopes.own and actor.through is None
    condition = NOTHING
    if not personal:
        if one:
            condition |= scopes.all_seen()
        elif scopes.sees_all:
            return everything
        else:
            scopes.asked = True
    for give in givers:
        condition |= give(scopes)
    return everything.filter(condition)


def visible(actor: Actor | User, model: type[Any]) -> QuerySet[Any]:
    """Rows of `model` the person may see. Deny by default: a model nobody registered shows nothing.

    For lists: who sees everything is asked first, so that their list has no condition at all.
    """
    return _seen(as_actor(actor), model, one=False)


def visible_within(actor: Actor | User, model: type[Any]) -> QuerySet[Any]:
    """The same rows, for a subquery or a part of a page: who sees everything is asked within, not by a query more."""
    return _seen(as_actor(actor), model, one=True)


def visible_one(actor: Actor | User, model: type[Any], *select: str, **lookup: Any) -> Any:
    """The one record with this `lookup`, seen by the person, in one query; NotVisible where there is none."""
    rows = _seen(as_actor(actor), model, one=True)
    if select:
        rows = rows.select_related(*select)
    try:
        return rows.get(**lookup)
    except model.DoesNotExist:
        raise NotVisible() from None


def is_visible(actor: Actor | User, subject: Subject) -> bool:
    if isinstance(subject, Organisation):
        return True
    model = subject.__class__  # not `type`: request.user is a proxy
    return _seen(as_actor(actor), model, one=True).filter(pk=subject.pk).exists()
