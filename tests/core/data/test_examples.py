"""Reading examples from whatever yields batches, and what is said of data that are none."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from ngf_core.data.examples import Examples, gathered
from ngf_core.errors import ConfigError

CPU = torch.device("cpu")
X, Y = torch.rand(10, 3, 4), torch.arange(10) % 3


def batches():
    for part in torch.arange(10).split(4):
        yield X[part], Y[part]


@pytest.mark.parametrize("data", [
    lambda: (X, Y), lambda: [X, Y], lambda: [(X[:4], Y[:4]), [X[4:], Y[4:]]], batches,
    lambda: DataLoader(TensorDataset(X, Y), batch_size=3),
    lambda: [(X.numpy(), Y.numpy().astype(np.int32))],
    lambda: [(X.tolist(), Y.tolist())], lambda: [(X, Y.to(torch.uint8)), (X[:0], Y[:0])]])
def test_whatever_yields_batches_is_read(data):
    found = gathered(data(), CPU)
    assert torch.allclose(found.x, X) and torch.equal(found.y, Y) and found.y.dtype == torch.int64
    assert len(found) == 10 and found.shape == (3, 4)


def test_what_was_read_is_a_copy():
    x, y = X.clone().requires_grad_(), Y.clone()
    found = gathered([(x, y)], CPU)
    found.x.zero_(), found.y.zero_()
    assert torch.equal(x, X) and torch.equal(y, Y) and not found.x.requires_grad


def test_a_generator_is_read_once():
    once = batches()
    gathered(once, CPU)
    with pytest.raises(ConfigError, match="holds no example.*generator that has been read before"):
        gathered(once, CPU)


def test_taken_examples_keep_their_labels():
    taken = Examples(X, Y).take(torch.tensor([7, 2]))
    assert torch.equal(taken.x, X[[7, 2]]) and taken.y.tolist() == [1, 2]


def test_a_mapping_with_one_tensor_of_inputs_and_one_of_labels_is_a_batch():
    for data in ({"x": X, "y": Y}, [{"y": Y, "x": X, "name": "any"}]):
        found = gathered(data, CPU)
        assert torch.equal(found.x, X) and torch.equal(found.y, Y)


@pytest.mark.parametrize(("data", "sentence"), [
    (7, "a int yields no batches. Give batches of"),
    ([X], "a batch is a Tensor, not a pair"),
    ([{"x": X, "y": Y, "place": Y}], "a batch is a dict of x, y, place, not a pair"),
    ([(X, Y, Y)], "a batch is a tuple of 3, not a pair"),
    ([("cat", "dog")], "a batch is a str and a str, not two tensors"),
    ([(X, Y[:4])], r"inputs of shape \(10, 3, 4\) and labels of shape \(4,\)"),
    (TensorDataset(X, Y), "put single examples through a DataLoader"),
    ([(X, Y.float())], "labels are of torch.float32"),
    ([(X, torch.nn.functional.one_hot(Y))], r"labels are of torch.int64 and shape \(10, 3\)"),
    ([(X, Y - 1)], "a label is -1. Count classes from 0"),
    ([(X.long(), Y)], "inputs are of torch.int64. Give floats"),
    ([(X, Y), (X[:, :2], Y)], r"shape \(3, 4\) and another torch.float32 of shape \(2, 4\)"),
    ([(X, Y), (X.double(), Y)], "another torch.float64 .* Convert all to one shape and type"),
    ([(X.log().fill_(torch.nan), Y)], "a number that is not finite"), ([], "holds no example")])
def test_what_are_no_batches_of_examples(data, sentence):
    with pytest.raises(ConfigError, match=sentence):
        gathered(data, CPU)
