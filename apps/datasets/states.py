"""Partitions of data and the life of a dataset version."""

from __future__ import annotations

import enum


class Partition(enum.StrEnum):
    TRAIN = "train"
    TUNE = "tune"
    TEST = "test"


class State(enum.StrEnum):
    UPLOADED = "uploaded"
    FIXED = "fixed"
    FAILED = "failed"


TRANSITIONS = {
    (State.UPLOADED, "finish_profile"): State.FIXED,
    (State.UPLOADED, "fail_profile"): State.FAILED,
}
PARTITION_WORDS = {Partition.TRAIN: "Training", Partition.TUNE: "Tuning", Partition.TEST: "Test (vault)"}
STATE_WORDS = {State.UPLOADED: "Being profiled", State.FIXED: "Fixed", State.FAILED: "Unreadable"}
