"""Explanations of a model that is known only by its scores: what it rests on, in all and in single cases.

Everything here takes a function that scores columns; where that function runs the model is not known here.
"""

from apps.analysis.explain.columns import Columns, Score, Tally
from apps.analysis.explain.local import LocalFit, local_fit
from apps.analysis.explain.permutation import Importance, permutation_importance
from apps.analysis.explain.report import Settings, explain
from apps.analysis.explain.shapley import Attributions, shapley
from apps.analysis.explain.stability import Stability, compare
from apps.analysis.explain.surrogate import Surrogate, surrogate_tree
from apps.analysis.explain.targets import Target

__all__ = [
    "Attributions",
    "Columns",
    "Importance",
    "LocalFit",
    "Score",
    "Settings",
    "Stability",
    "Surrogate",
    "Tally",
    "Target",
    "compare",
    "explain",
    "local_fit",
    "permutation_importance",
    "shapley",
    "surrogate_tree",
]
