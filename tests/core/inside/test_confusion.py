"""Counts against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from ngf_core.errors import ConfigError
from ngf_core.inside.confusion import confusion


def test_the_counts_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 5, 300), rng.integers(0, 6, 300)
    assert np.array_equal(confusion(truth, answers, 6),
                          confusion_matrix(truth, answers, labels=range(6)))


def test_unknown_labels_are_left_out():
    truth, answers = np.array([0, -1, 2, -1]), np.array([1, 1, 2, 0])
    assert confusion(truth, answers, 3).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="3 true labels for 2 answers"):
        confusion(np.zeros(3, int), np.zeros(2, int), 4)
    with pytest.raises(ConfigError, match="4 is none of 4 classes. Use labels from 0 to 3"):
        confusion(np.array([0, 1]), np.array([4, 1]), 4)
