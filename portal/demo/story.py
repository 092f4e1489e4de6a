"""What the demo's records say: the model, its intended use and risk, its two versions, and the limits they are held to.

The limits were chosen with the outcome known, so that the demo shows a breach, a pass and too little data; a real
plan is locked before anybody has seen a result, as the portal itself demands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL_SLUG = "progression-risk"
MODEL_NAME = "HIV progression risk at week 20"
# The model of high tier, with a board of its own: it continues the other, and acts by itself.
HOLD_SLUG = "dispensing-hold"
HOLD_NAME = "Hold of dispensings by progression risk"
HOLD_PURPOSE = (
    "Hold the next dispensing of a patient at high risk of progression until a physician has looked."
)
DATASET_SLUG = "actg175"
DATASET_NAME = "ACTG 175 trial, week-20 cohort"


@dataclass(frozen=True)
class IntendedUse:
    """The statement that process expert and owner sign. influence and consequence: low, medium or high."""

    purpose: str
    decision: str
    users: str
    population: str
    input_space: str
    output: str
    not_for: str
    human_oversight: str
    limits: tuple[str, ...]
    influence: str
    influence_reason: str
    consequence: str
    consequence_reason: str


@dataclass(frozen=True)
class Risk:
    """One line of the risk register. severity and likelihood: low, medium or high."""

    hazard: str
    harm: str
    severity: str
    likelihood: str
    control: str


@dataclass(frozen=True)
class VersionStory:
    """What the developers write beside a version. training: name of the file in `DemoData`."""

    version: str
    training: str
    change: str
    known_issues: str


INTENDED_USE = IntendedUse(
    purpose="Rank patients under antiretroviral treatment by their risk of progression, at the visit in week 20.",
    decision="Whether a physician reviews the treatment within two weeks instead of at the next routine visit.",
    users="Study physicians and study nurses at the trial's sites, trained on the model's limits.",
    population=(
        "Patients from 12 years with HIV-1 infection, screened at 200 to 500 CD4 cells per mm3, treated with "
        "zidovudine, didanosine, or zidovudine with didanosine or zalcitabine, who attended the visit in week 20."
    ),
    input_space=(
        "Age 12 to 70 years, weight 31 to 160 kg, Karnofsky score 70 to 100, days of earlier treatment 0 to 2,900, "
        "symptoms, injection drug use, CD4 and CD8 counts at enrolment and week 20, treatment arm."
    ),
    output="Review early (1) or routine (0), with a score from 0 to 1 that ranks patients. It is not a probability.",
    not_for=(
        "Not for stopping or choosing a treatment, not for children under 12, not for patients on medicines "
        "outside the four arms, not without the counts of week 20."
    ),
    human_oversight="The physician sees the counts beside the flag, decides, and gives a reason for departing from it.",
    limits=(
        "One trial of the years 1991 to 1995: practice and medicines have changed since.",
        "Only one patient in six is a woman; figures for women rest on few events.",
        "Patients who left the trial before day 900 without progression are not in the data.",
        "Race is recorded in two values only, which hides differences within them.",
    ),
    influence="medium",
    influence_reason="The flag changes when a physician looks, and a routine visit follows in any case.",
    consequence="medium",
    consequence_reason="A missed patient is reviewed some weeks later; a false flag costs an additional visit.",
)

# What differs where the flag acts by itself; in the words of the statement's form.
WIDER_USE: dict[str, Any] = {
    "question": "Whether the next dispensing is held until a physician has seen the patient?",
    "operator_duties": (
        "The physician is told of every hold, sees the counts beside it, and ends or confirms it with a reason. A hold "
        "that nobody ended is over after two working days."
    ),
    "influence": "high",
    "influence_rationale": "The flag holds the next dispensing before anybody has looked.",
    "consequence": "high",
    "consequence_rationale": "A wrong hold interrupts a treatment; a missed one leaves a failing treatment in place.",
}

RISKS = (
    Risk(
        "A group of patients is flagged less often than its risk warrants",
        "Late treatment change for that group",
        "high",
        "medium",
        "Recall and selection rate compared between groups against limits, before release and in operation",
    ),
    Risk(
        "Outcomes are missing in the training data and were read as 'no event'",
        "The model learns that the patients concerned do not progress",
        "high",
        "medium",
        "Outcome forms reconciled before a data cut; event rate by group compared with the test data",
    ),
    Risk(
        "A laboratory reports counts in another unit",
        "Flags without meaning",
        "medium",
        "low",
        "Input space checked at the door; values outside are refused",
    ),
    Risk(
        "Physicians follow the flag without looking",
        "A wrong flag becomes a wrong decision",
        "medium",
        "medium",
        "Counts shown beside the flag; departures and agreements reviewed each quarter",
    ),
)

VERSIONS = (
    VersionStory(
        version="1.0.0",
        training="train_first",
        change="First version: logistic regression on twelve inputs, among them sex, on the first data cut.",
        known_issues=(
            "None known to its developers. (The demo's secret: at the first data cut most outcome forms of women were "
            "still missing and were read as 'no event'. The defect is planted; see portal/demo/data.py.)"
        ),
    ),
    VersionStory(
        version="1.1.0",
        training="train",
        change="Outcome forms completed; sex is no input any more: it carried the defect and adds nothing without.",
        known_issues="Age bands are too small to tell whether their limits are kept.",
    ),
)

# In the words of apps.analysis.verdicts.Criterion: metric, limit, direction, rule on the interval, least n, subgroup.
CRITERIA: tuple[dict[str, Any], ...] = (
    {"metric": "auc", "limit": 0.70, "direction": "min", "rule": "lower", "min_n": 100, "subgroup": {}},
    {"metric": "tpr", "limit": 0.55, "direction": "min", "rule": "lower", "min_n": 100, "subgroup": {}},
    {
        "metric": "tpr",
        "limit": 0.45,
        "direction": "min",
        "rule": "lower",
        "min_n": 30,
        "subgroup": {"sex": "female"},
    },
    {
        "metric": "tpr",
        "limit": 0.45,
        "direction": "min",
        "rule": "lower",
        "min_n": 30,
        "subgroup": {"sex": "male"},
    },
)

# version -> (kind, what was done or said, why it is recorded) beside its bias report
FOLLOWED_UP: dict[str, tuple[tuple[str, str, str], ...]] = {
    "1.0.0": (
        (
            "remediation",
            "The outcome forms of the first data cut were incomplete for women. They were completed; sex is no input "
            "any more. Version 1.1.0 is trained on the complete forms.",
            "Equal opportunity by sex was outside its limit.",
        ),
        (
            "feedback",
            "The clinic had noticed fewer reviews of women at week 20 and asks for recall by sex with every release.",
            "Told at the clinic's meeting after the report.",
        ),
    ),
}

# How good the process is that the model replaces: the rule, counted on the training version (825 patients, 193 events).
BASELINES: tuple[dict[str, Any], ...] = (
    {
        "id": "P1",
        "metric": "tpr",
        "value": "0.518",
        "n": 193,
        "source": "Rule used so far: review when CD4 at week 20 is below 250; counted on the training version",
        "rule": "point",
    },
)

# In the words of apps.analysis.disparities.Limit; groups and least n of the bias report.
FAIRNESS_GROUPS = ("sex", "race")
FAIRNESS_MIN_N = 30
FAIRNESS_LIMITS: tuple[dict[str, Any], ...] = (
    {"metric": "equal_opportunity_difference", "limit": 0.20, "rule": "far"},
    {"metric": "demographic_parity_difference", "limit": 0.15, "rule": "far"},
    {"metric": "predictive_equality_difference", "limit": 0.15, "rule": "far"},
)

# The feature review of what is released, in the words of the process expert.
WHY_PLAUSIBLE = {
    "cd4_week20": "The count at week 20 says how the treatment works; a fall is what physicians act on.",
    "cd4_start": "Where a patient starts bounds where they can go.",
    "arm": "Monotherapy did worse in this trial than the combinations.",
    "surrogate": "It begins with the count of week 20 and goes on with the treatment arm, as a physician would.",
}
REVIEW_CONCLUSION = (
    "The counts of week 20 lead, as the course of the infection would have it. What does not matter to the result is "
    "what we would not expect to matter. Single cases are explained by the same counts."
)
