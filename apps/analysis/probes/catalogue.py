"""The probes by name: what each does to the cases and what its number means. All numbers are at best small."""

from __future__ import annotations

from dataclasses import dataclass

ROBUSTNESS, PRIVACY = "robustness", "privacy"
# Limits are locked under a version of this catalogue. A probe whose number gets another meaning is a new version.
VERSION = 3
CHANGES = {
    2: "the scale of a disturbance is that of the test data; a missing value counts another decision, and no usable "
    "answer is a probe of its own; the search moves a column of 0 and 1 by flipping it alone",
    3: "an empty cell in a column of whole numbers counts as no answer; a case that gets no answer when it is asked "
    "again counts as one with other bits",
}


@dataclass(frozen=True)
class Probe:
    """family: the gate check it belongs to. measure: what the number is. about: what is done, in one line.

    submitted: judged on a file that people handed in, not on answers the portal asked for.
    highest: what its number can be at most.
    """

    label: str
    family: str
    measure: str
    about: str
    submitted: bool = False
    highest: float = 1.0


def changes_since(version: int) -> str:
    """What the versions after `version` changed, in one clause."""
    return "; ".join(words for number, words in sorted(CHANGES.items()) if number > version)


CHANGED = "share of cases with another decision or no usable answer"
UNANSWERED = "share of cases without a usable answer"
OTHERWISE = "share of cases with another decision; those without a usable answer are told apart"
NOISE = (0.01, 0.05, 0.10)  # of the standard deviation in the test data
PROBES: dict[str, Probe] = {
    "noise_1": Probe(
        "Noise of 1 %",
        ROBUSTNESS,
        CHANGED,
        "Every number is disturbed by normal noise of 1 % of its standard deviation in the test data.",
    ),
    "noise_5": Probe(
        "Noise of 5 %",
        ROBUSTNESS,
        CHANGED,
        "Every number is disturbed by normal noise of 5 % of its standard deviation in the test data.",
    ),
    "noise_10": Probe(
        "Noise of 10 %",
        ROBUSTNESS,
        CHANGED,
        "Every number is disturbed by normal noise of 10 % of its standard deviation in the test data.",
    ),
    "missing_each": Probe(
        "One value missing",
        ROBUSTNESS,
        OTHERWISE,
        "Each column in turn is emptied; the worst column counts.",
    ),
    "missing_unanswered": Probe(
        "No answer to a missing value",
        ROBUSTNESS,
        UNANSWERED,
        "Each column in turn is emptied; the worst column counts. For uses where every case must get an answer.",
    ),
    "missing_all": Probe("All values missing", ROBUSTNESS, OTHERWISE, "Every column is emptied at once."),
    "unseen_category": Probe(
        "Unseen category",
        ROBUSTNESS,
        CHANGED,
        "Each text column in turn holds a word that neither training nor test data have; the worst column counts.",
    ),
    "out_of_range": Probe(
        "Value out of range",
        ROBUSTNESS,
        UNANSWERED,
        "Each number in turn is set ten ranges below the smallest and above the greatest of the test data.",
    ),
    "far_rows": Probe(
        "Far from the training data",
        ROBUSTNESS,
        "share of wrong decisions among the farthest cases",
        "The tenth of the test cases farthest from the training data, by Mahalanobis distance of the numbers; a "
        "category that training never had is farther than any number.",
    ),
    "units": Probe(
        "Wrong unit",
        ROBUSTNESS,
        "share of cases with another decision that a check of ranges would let pass",
        "Each number in turn times 1,000, by 1,000, as pounds for kilograms, as °F for °C; the worst counts. Cases "
        "whose changed value leaves the range of the test data count as noticed.",
    ),
    "group_shift": Probe(
        "Other mix of groups",
        ROBUSTNESS,
        "fall of accuracy",
        "Part of the cases is replaced by cases of one group, for each group in turn; the worst counts.",
    ),
    "adversarial": Probe(
        "Adversarial search",
        ROBUSTNESS,
        "share of cases flipped",
        "A search that knows only the answers moves each number within its bound, flips as many 0/1 columns as the "
        "bounds allow, and looks for another decision.",
    ),
    "repeatability": Probe(
        "Asked again",
        ROBUSTNESS,
        "share of cases with other bits",
        "The same cases are asked again, and in another order.",
    ),
    "parity": Probe(
        "Training and serving alike",
        ROBUSTNESS,
        "share of rows that differ",
        "What the training and the serving pipeline made of the same rows, compared value by value.",
        submitted=True,
    ),
    "membership": Probe(
        "Membership inference",
        PRIVACY,
        "area under the curve of telling training rows from others",
        "Whoever knows a case guesses from the model's confidence (of a predicted number: its error) whether it was "
        "trained on: 0.5 is chance.",
    ),
    "inversion": Probe(
        "Attribute inversion",
        PRIVACY,
        "advantage on training rows over others",
        "Whoever knows all of a case but one attribute, and its outcome, guesses that attribute from the answers; the "
        "share guessed right among training rows minus the share among other rows.",
    ),
    "epsilon": Probe(
        "Differential privacy",
        PRIVACY,
        "epsilon of the released model",
        "The table of utility against epsilon that was handed in; the released row counts.",
        submitted=True,
        highest=1_000.0,
    ),
}
