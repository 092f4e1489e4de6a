"""Grants and memberships written outside an act are refused by the portal and named by verify_trail."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from guardian.shortcuts import assign_perm, remove_perm

from apps.access.acts import end_assignment
from apps.access.models import Assignment
from apps.trail import verifier
from apps.trail.current import WriteOutsideAct
from apps.trail.models import Entry
from apps.trail.testing import without_triggers

pytestmark = pytest.mark.django_db
GRANTS = "registry_modeluserpermission"


def findings():
    return {(each.detector, each.table, each.row) for each in verifier.verify().findings}


def last_grant():
    return apps.get_model("registry", "ModelUserPermission").objects.latest("pk")


def insert_grant(world, act_id=""):
    """A grant for the stranger, by SQL; the session names the act it is told."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT permission_id FROM {GRANTS} LIMIT 1")
        permission = cursor.fetchone()[0]
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('countersign.act_id', %s, true)", [act_id])
        else:
            connection.connection.create_function("countersign_act_id", 0, lambda: act_id)
        cursor.execute(
            f"INSERT INTO {GRANTS} (permission_id, user_id, content_object_id) VALUES (%s, %s, %s)",
            [permission, world.stranger.pk, world.model.pk],
        )
        assert cursor.rowcount == 1
    if connection.vendor == "sqlite":
        from apps.trail.current import current_act_id

        connection.connection.create_function("countersign_act_id", 0, current_act_id)
    return str(last_grant().pk)


def test_grants_given_and_taken_by_acts_are_no_finding(world):
    assert apps.get_model("registry", "ModelUserPermission").objects.exists()
    assert findings() == set()
    held = Assignment.objects.filter(person=world.validator, scope_kind="registry.model").first()
    before = apps.get_model("registry", "ModelUserPermission").objects.count()
    end_assignment(world.owner, held.pk, reason="Moved to another team")
    assert apps.get_model("registry", "ModelUserPermission").objects.count() == before - 1
    assert findings() == set()


def test_a_grant_written_by_sql_is_named(world):
    row = insert_grant(world)
    assert findings() == {("no act", GRANTS, row), ("act", GRANTS, row)}


def test_a_grant_that_borrows_an_act_is_named(world):
    """The session claims the act of a grant that was honestly given."""
    borrowed = Entry.objects.filter(kind="act", act="access.approve_assignment").latest("id").act_id
    row = insert_grant(world, borrowed)
    assert Entry.objects.filter(kind="row", table_name=GRANTS).latest("id").act_id == borrowed
    assert findings() == {("act", GRANTS, row)}


def test_a_grant_written_with_the_triggers_off_is_named(world):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with without_triggers():
        row = insert_grant(world)
    assert findings() == {("inserted", GRANTS, row)}


def test_a_grant_removed_by_sql_is_named(world):
    row = last_grant().pk
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {GRANTS} WHERE id = %s", [row])
        assert cursor.rowcount == 1
    assert findings() == {("no act", GRANTS, str(row)), ("act", GRANTS, str(row))}


def test_the_portal_itself_writes_no_grant_outside_an_act(world):
    before = findings()
    with pytest.raises(WriteOutsideAct), transaction.atomic():
        assign_perm("act_as_developer", world.stranger, world.model)
    with pytest.raises(WriteOutsideAct), transaction.atomic():
        remove_perm(last_grant().permission.codename, last_grant().user, last_grant().content_object)
    assert findings() == before == set()


def test_a_membership_is_named(world):
    group = Group.objects.create(name="helpers")
    group.permissions.add(Permission.objects.first())
    world.stranger.groups.add(group)
    found = {(detector, table) for detector, table, _ in findings()}
    assert {("no act", "accounts_user_groups"), ("no act", "auth_group_permissions")} <= found
