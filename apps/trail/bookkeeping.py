"""Tables of the portal that keep no history, by name: all others must."""

from __future__ import annotations

BOOKKEEPING = frozenset(
    {
        # Counters, locks and marks of use, which say nothing about a record.
        "core.Job",
        "core.Counter",
        "accounts.FactorUse",
        "accounts.Lockout",
        "accounts.SignedIn",
        "accounts.Throttle",
        "accounts.TokenUse",
        "access.IdempotencyKey",
        # The trail itself, which is never rewritten.
        "trail.Log",
        "trail.Entry",
        "trail.Pending",
        "trail.Leaf",
        "trail.Node",
        "trail.Checkpoint",
        "trail.Signature",
        "trail.Cosignature",
        "trail.Stamp",
        "trail.Destination",
        # Guardian's tables: the triggers tell every insert, change and removal.
        "registry.ModelUserPermission",
        "registry.ModelGroupPermission",
        "datasets.DatasetUserPermission",
        "datasets.DatasetGroupPermission",
    }
)
