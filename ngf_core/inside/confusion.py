"""Which label images get, by their true one."""

import numpy as np
from numpy.typing import NDArray

from ngf_core.errors import ConfigError

Labels = NDArray[np.int64]


def confusion(truth: Labels, answers: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): row the true label, column the answer.

    truth, answers: (n,) labels from 0 to classes - 1; images whose true label is unknown (-1) are
    left out. Raises ConfigError for lengths that differ and for other labels.
    """
    if truth.shape != answers.shape:
        raise ConfigError("labels", f"{len(truth)} true labels for {len(answers)} answers",
                          "Give one true label per answer.")
    known = truth >= 0
    truth, answers = truth[known], answers[known]
    most = max(truth.max(initial=0), answers.max(initial=0))
    if most >= classes or answers.min(initial=0) < 0:
        raise ConfigError("labels", f"{most} is none of {classes} classes",
                          f"Use labels from 0 to {classes - 1}.")
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, answers), 1)
    return counts
