"""How many graphs are kept follows the budget; the product does not."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ngf_core.curvature import HessianOperator
from ngf_core.curvature.operators.memory import GraphBytes, measure_graph
from ngf_core.errors import ConfigError, NGFError
from tests.support.dense_operators import DENSE
from tests.support.seeded import seeded
from tests.support.small_networks import case

SAMPLES = 40


def conv():
    return case("conv_bn", samples=SAMPLES)


def graph(dtype=torch.float64):
    """The bytes of the graphs of `conv`."""
    model, x, y = conv()
    return HessianOperator(model, (x, y), dtype=dtype).graph


@pytest.mark.parametrize("kind", DENSE)
@pytest.mark.parametrize("kept", [0, 1, 3, 8])
def test_as_many_graphs_are_kept_as_fit_beside_one_more(kind, kept):
    model, x, y = conv()
    whole = kind(model, (x, y), dtype=torch.float64)
    one = whole.graph.of(5)
    operator = kind(model, (x, y), dtype=torch.float64, batch_size=5, memory=(kept + 1.5) * one)
    assert (whole.cached_samples, whole.recomputed_samples) == (SAMPLES, 0)
    assert (operator.cached_samples, operator.recomputed_samples) == (5 * kept, SAMPLES - 5 * kept)
    assert operator.samples == SAMPLES and operator.cached_bytes == pytest.approx(kept * one)
    for seed in (0, 1):
        v = torch.randn(whole.size, generator=seeded(seed), dtype=torch.float64)
        assert torch.allclose(operator @ v, whole @ v, rtol=0, atol=1e-13)


def test_chunks_shrink_to_the_budget():
    model, x, y = conv()
    operator = HessianOperator(model, (x, y), dtype=torch.float64, memory=graph().of(3) + 1)
    seen = []
    operator._model.register_forward_hook(lambda module, inputs, outputs: seen.append(len(outputs)))
    operator @ torch.ones(operator.size)
    assert set(seen) == {3, 1} and sum(seen) == SAMPLES


def test_float64_counts_twice():
    double, single = graph().of(50), graph(torch.float32).of(50)
    assert double == pytest.approx(2 * single, rel=0.05)


def test_each_storage_counts_once_and_parameters_not_at_all():
    w = torch.ones(30, 10, requires_grad=True)

    def build(samples):
        x = torch.ones(samples, 30)
        return (x @ w @ w.T) * (x @ w.detach() @ w.detach().T).exp() + (x * w[:, 0]).sum()

    # Kept: x, however often it is used, and of each sample 10 products and 30 exponentials.
    found = measure_graph(build, 6, [w])
    assert found.per_sample == 4 * (30 + 10 + 30) and found.fixed == 0


def test_measuring_leaves_no_graph_behind():
    w, made = torch.ones(3, requires_grad=True), []

    def build(samples):
        x = torch.ones(samples, 3)
        made.append(weakref.ref(x))
        return (x * w).exp()

    measure_graph(build, 4, [w])
    gc.collect()
    assert [x() for x in made] == [None, None]


def test_a_late_layer_keeps_less_than_the_whole_network():
    model, x, y = conv()
    late = HessianOperator(model, (x, y), dtype=torch.float64, parameters=["5.weight"])
    assert late.graph.of(50) < graph().of(50) / 3


def test_fixed_bytes_are_told_from_those_of_a_sample():
    w = torch.ones(30, 10, requires_grad=True)
    found = measure_graph(lambda samples: torch.ones(samples, 30) @ (w * 1).exp(), 5, [w])
    assert found.per_sample == 4 * 30 and found.fixed == 4 * 300
    assert GraphBytes(100, 10).largest_chunk(165, 50) == 6
    assert GraphBytes(100, 10).largest_chunk(1e9, 50) == 50
    with pytest.raises(ConfigError, match="graph of one sample, which keeps 110"):
        GraphBytes(100, 10).largest_chunk(109, 50)


def test_a_graph_that_is_dropped_takes_its_bytes_along():
    """No cycle keeps it: what a product built anew is gone before the next is built."""
    model, x, y = conv()
    operator = HessianOperator(model, (x, y), memory=graph(torch.float32).of(2) + 1)
    alive, most = [], 0

    def watch(module, inputs, outputs):
        nonlocal most
        alive.append(weakref.ref(inputs[0]))
        most = max(most, sum(graph() is not None for graph in alive))

    operator._model.register_forward_hook(watch)
    gc.disable()
    try:
        operator @ torch.ones(operator.size)
    finally:
        gc.enable()
    assert len(alive) == SAMPLES / 2 and most == 1


def test_shuffled_data_are_refused_where_they_would_be_read_again():
    model, x, y = conv()
    loader = DataLoader(TensorDataset(x, y), 8, shuffle=True, generator=seeded(0))
    kept = HessianOperator(model, loader)
    assert torch.allclose(kept @ torch.ones(kept.size),
                          HessianOperator(model, (x, y)) @ torch.ones(kept.size), atol=1e-5)
    with pytest.raises(NGFError, match="not the same as when they were first read"):
        HessianOperator(model, loader, memory=graph().of(10)) @ torch.ones(kept.size)


@pytest.mark.parametrize("change", [lambda data: data.pop(), lambda data: data.append(data[0])])
def test_data_that_grow_or_shrink_are_refused(change):
    model, x, y = conv()
    data = list(zip(x.split(8), y.split(8), strict=True))
    operator = HessianOperator(model, data, memory=graph().of(10))
    change(data)
    with pytest.raises(NGFError, match="not the same as when they were first read"):
        operator @ torch.ones(operator.size)


def test_a_network_of_one_sample_and_no_curvature():
    model = nn.Linear(3, 1)
    operator = HessianOperator(model, (torch.ones(1, 3), torch.ones(1, 1)), loss=nn.L1Loss())
    assert not operator.dense().any()
