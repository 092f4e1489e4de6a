"""Running a model nobody has vouched for yet: in a restricted process, on one thread, with the same bits each time.

>>> from apps.validations.sandbox import detect_format, inspect_model, score
"""

from apps.validations.sandbox.errors import (
    ModelFailed,
    ModelInputMismatch,
    ModelOutOfMemory,
    ModelRefused,
    ModelTimedOut,
    SandboxError,
)
from apps.validations.sandbox.results import ClassAnswers, Limits, ModelInfo, Port, RealAnswers, ScoreResult
from apps.validations.sandbox.run import inspect_model, score, score_classes, score_reals, score_twice
from apps.validations.sandbox.session import Session, session
from apps.validations.sandbox.sniff import detect_format

__all__ = [
    "ClassAnswers",
    "Limits",
    "ModelFailed",
    "ModelInfo",
    "ModelInputMismatch",
    "ModelOutOfMemory",
    "ModelRefused",
    "ModelTimedOut",
    "Port",
    "RealAnswers",
    "SandboxError",
    "ScoreResult",
    "Session",
    "detect_format",
    "inspect_model",
    "score",
    "score_classes",
    "score_reals",
    "score_twice",
    "session",
]
