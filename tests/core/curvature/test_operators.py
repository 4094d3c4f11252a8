"""Hessian, GGN and Fisher products against dense float64 matrices and a second library."""

import gc
import weakref

import pytest
import torch
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from ngf_core.curvature import (
    EmpiricalFisherOperator,
    FisherOperator,
    GGNOperator,
    HessianOperator,
    layer_parameters,
)
from ngf_core.errors import ConfigError, NGFError
from tests.support.dense_operators import DENSE, PROBLEMS, assert_agrees, problem
from tests.support.known_spectra import descending
from tests.support.seeded import seeded
from tests.support.small_networks import case

OPERATORS = pytest.mark.parametrize("kind", DENSE)
IMAGES, LABELS = torch.zeros(11, 2, 5, 5), torch.zeros(11).long()


def made(kind, problem, data=None, **options):
    return kind(problem.model, data or (problem.inputs, problem.targets), loss=problem.loss,
                parameters=problem.names, **options)


@OPERATORS
@pytest.mark.parametrize("name", PROBLEMS)
def test_float64_equals_the_definition(kind, name):
    problem = PROBLEMS[name]()
    assert_agrees(made(kind, problem, dtype=torch.float64), DENSE[kind](problem), 1e-12)


@OPERATORS
@pytest.mark.parametrize("name", ["conv and batchnorm", "residual", "attention", "one number"])
def test_float32_agrees_to_its_roundoff(kind, name):
    problem = PROBLEMS[name]()
    assert_agrees(made(kind, problem), DENSE[kind](problem), 1e-5)


@OPERATORS
@pytest.mark.parametrize("form", ["chunks", "uneven list", "loader", "with an empty batch"])
def test_every_sample_weighs_the_same_however_they_come(kind, form):
    problem = PROBLEMS["one layer"]()
    data, options = {
        "chunks": (None, {"batch_size": 4}),
        "uneven list": (problem.batches(1, 7, 3), {}),
        "loader": (DataLoader(TensorDataset(problem.inputs, problem.targets), 4), {}),
        "with an empty batch": (problem.batches(2, 0, 9), {"batch_size": 5}),
    }[form]
    operator = made(kind, problem, data, dtype=torch.float64, **options)
    assert operator.samples == 11
    assert_agrees(operator, DENSE[kind](problem), 1e-12)


def test_more_samples_than_one_graph_takes():
    model, x, y = case("linear", samples=117)
    chunked, whole = (HessianOperator(model, (x, y), dtype=torch.float64, batch_size=size)
                      for size in (None, 117))
    v = torch.randn(whole.size, generator=seeded(0), dtype=torch.float64)
    assert torch.allclose(chunked @ v, whole @ v, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["residual", "one number", "a label a position"])
def test_fisher_equals_ggn_for_both_likelihoods(name):
    problem = PROBLEMS[name]()
    fisher, ggn = (made(kind, problem, dtype=torch.float64)
                   for kind in (FisherOperator, GGNOperator))
    v = torch.randn(ggn.size, generator=seeded(0), dtype=torch.float64)
    assert (fisher @ v - ggn @ v).norm() < 1e-12 * (ggn @ v).norm()


def test_the_last_layer_has_one_matrix_for_all_three():
    problem = PROBLEMS["last layer"]()
    hessian, ggn, fisher = (made(kind, problem, dtype=torch.float64).dense()
                            for kind in (HessianOperator, GGNOperator, FisherOperator))
    assert torch.allclose(hessian, ggn, atol=1e-14) and torch.allclose(ggn, fisher, atol=1e-14)


def test_a_smoothed_loss_has_a_ggn_but_no_fisher_matrix():
    problem = PROBLEMS["conv and batchnorm"]()
    problem.loss = nn.CrossEntropyLoss(label_smoothing=0.2)
    assert_agrees(made(GGNOperator, problem, dtype=torch.float64), DENSE[GGNOperator](problem),
                  1e-12)
    with pytest.raises(ConfigError, match="loss: it is not a known negative log-likelihood"):
        made(FisherOperator, problem)


def test_a_loss_without_second_derivative_has_no_ggn():
    made_of = problem("regression", torch.zeros(11), loss=functional.l1_loss)
    assert not made(GGNOperator, made_of).dense().any()
    with pytest.raises(ConfigError, match="Use plain cross-entropy, mean squared error"):
        made(FisherOperator, made_of)


def test_probabilities_as_targets():
    made_of = problem("residual", torch.rand(11, 4, generator=seeded(0)).softmax(1))
    assert_agrees(made(HessianOperator, made_of, dtype=torch.float64),
                  DENSE[HessianOperator](made_of), 1e-12)


@pytest.mark.parametrize(("kind", "theirs"), [
    (HessianOperator, "HessianLinearOperator"), (GGNOperator, "GGNLinearOperator"),
    (EmpiricalFisherOperator, "EFLinearOperator")])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss()])
def test_agrees_with_curvlinops(kind, theirs, loss):
    import curvlinops

    squared = isinstance(loss, nn.MSELoss)
    made_of = problem("residual", torch.randn(11, 4, generator=seeded(0)) if squared else None,
                      loss=loss)
    batches = made_of.batches(4, 7)
    model = made_of.model.double().eval()
    other = getattr(curvlinops, theirs)(model, loss, list(model.parameters()), [
        (x.double(), y.double() if squared else y) for x, y in batches])
    ours = made(kind, made_of, batches, dtype=torch.float64)
    v = torch.randn(ours.size, generator=seeded(0), dtype=torch.float64)
    # Its empirical Fisher takes squared errors summed over an output's numbers, ours their mean.
    factor = 4 if squared and kind is EmpiricalFisherOperator else 1
    assert (factor * (ours @ v) - other @ v).norm() < 1e-10 * (other @ v).norm()


def test_scipy_finds_the_same_largest_eigenvalues():
    problem = PROBLEMS["conv and batchnorm"]()
    exported = made(HessianOperator, problem, dtype=torch.float64).scipy()
    values = torch.tensor(eigsh(exported, k=3, which="LA", return_eigenvectors=False))
    truth = descending(DENSE[HessianOperator](problem))[:3]
    assert torch.allclose(values.sort(descending=True).values, truth, rtol=1e-8)
    assert made(HessianOperator, problem).scipy().dtype == "float32"


def test_a_layer_by_its_name_and_a_vector_by_parameter():
    model, x, y = case("residual")
    names = layer_parameters(model, "bn2")
    assert names == ["bn2.weight", "bn2.bias"]
    operator = HessianOperator(model, (x, y), parameters=names[::-1])
    assert operator.shapes == {"bn2.weight": (2,), "bn2.bias": (2,)}
    v = torch.arange(4.0)
    parts = operator.unflatten(v)
    assert parts["bn2.weight"].tolist() == [0, 1] and parts["bn2.bias"].tolist() == [2, 3]
    parts["bn2.bias"].zero_()
    assert v.tolist() == [0, 1, 0, 0]
    assert operator.device == x.device and operator.dtype == torch.float32
    with pytest.raises(ConfigError, match="no layer 'conv2' with parameters. Choose among stem, "):
        layer_parameters(model, "conv2")


def test_either_name_of_a_tied_weight_is_that_weight():
    made_of = problem("tied")
    first, second = (HessianOperator(made_of.model, (made_of.inputs, made_of.targets),
                                     parameters=[name]) for name in
                     ("first.weight", "second.weight"))
    assert first.shapes == second.shapes == {"first.weight": (3, 3)}
    assert torch.equal(first.dense(), second.dense())


class Interrupted:
    """A forward hook that stops the call after the next `calls`, of a copy of its module too."""

    def __init__(self, calls):
        self.left = calls

    def __deepcopy__(self, memo):
        return self

    def __call__(self, *_):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@OPERATORS
@pytest.mark.parametrize("calls", [0, 4, 8, None])
def test_the_model_is_left_as_it_was_also_when_something_goes_wrong(kind, calls):
    model, x, y = case("residual")
    model.conv.weight.requires_grad_(False)
    model.linear.weight.grad = torch.full_like(model.linear.weight, 7)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    model.register_forward_hook(Interrupted(10**6 if calls is None else calls))
    random, flash = torch.get_rng_state(), torch.backends.cuda.flash_sdp_enabled()
    # So little memory that products build graphs, and can fail in the middle.
    try:
        operator = kind(model, (x, y), batch_size=3, memory=20_000)
        assert operator.recomputed_samples > 0
        operator @ torch.ones(operator.size)
        assert calls is None
    except KeyboardInterrupt:
        assert calls is not None
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert model.training and model.bn1.training
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["conv.weight"]
    assert (model.linear.weight.grad == 7).all()
    assert all(p.grad is None for n, p in model.named_parameters() if n != "linear.weight")
    assert torch.equal(torch.get_rng_state(), random) and torch.is_grad_enabled()
    assert torch.backends.cuda.flash_sdp_enabled() == flash


def test_later_changes_to_model_and_data_are_not_seen():
    model, x, y = case("residual")
    operator = HessianOperator(model, (x, y))
    v = torch.ones(operator.size)
    first = operator @ v
    with torch.no_grad():
        model.linear.weight.zero_()
        x.zero_()
    assert torch.equal(operator @ v, first)


@OPERATORS
def test_it_leaves_nothing_in_memory(kind):
    operator = made(kind, PROBLEMS["conv and batchnorm"]())
    operator @ torch.ones(operator.size)
    weights = [weakref.ref(weight) for weight in operator._parameters]
    gc.disable()  # else its collector may come by
    try:
        del operator
        assert not any(weight() is not None for weight in weights)
    finally:
        gc.enable()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_the_caller_switched_gradients_off(mode):
    model, x, y = case("residual")
    names = ["linear.weight"]
    expected = HessianOperator(model, (x, y), parameters=names).dense()
    with mode():
        assert torch.equal(HessianOperator(model, (x, y), parameters=names).dense(), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@OPERATORS
@pytest.mark.parametrize("name", ["residual", "attention", "a label a position"])
def test_on_a_gpu(kind, name):
    problem = PROBLEMS[name]()
    truth = DENSE[kind](problem)
    problem.model.cuda()
    operator = made(kind, problem, dtype=torch.float64)
    assert operator.device.type == "cuda"
    v = torch.ones(operator.size, device="cuda", dtype=torch.float64)
    assert (operator @ v).device.type == "cuda"
    assert_agrees(operator, truth, 1e-10)


class Doubtful(nn.Module):
    """Gives what `change` makes of the logits."""

    def __init__(self, inner, change):
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, x):
        return self.change(self.inner(x))


@pytest.mark.parametrize(("change", "message"), [
    (lambda z: functional.dropout(z, 0.5), "model: its outputs change from call to call"),
    (lambda z: z - z.mean(0), "with the samples that share a batch"),
    (lambda z: {"scores": z}, r"model: its answer is a dict, not logits \(n, classes\)"),
    (lambda z: z[:1], "it does not return a tensor with one row per input"),
    (lambda z: z[:, 0], r"its outputs have shape \(8,\)"),
])
def test_models_that_define_no_curvature_are_named(change, message):
    model, x, y = case("residual")
    with torch.random.fork_rng(devices=[]), pytest.raises(ConfigError, match=message):
        HessianOperator(Doubtful(model, change), (x, y))


@pytest.mark.parametrize(("change", "message"), [
    ({"parameters": ["conv.wait"]}, "no parameter 'conv.wait'. Choose among stem.weight, bn1"),
    ({"parameters": []}, "none is chosen"),
    ({"dtype": torch.bfloat16}, "bfloat16 is too coarse"),
    ({"batch_size": 0}, "batch_size: 0 is out of range. Use a whole number of 1 or more"),
    ({"data": (IMAGES.int(), LABELS)}, "inputs: their type is torch.int32"),
    ({"data": (IMAGES[:0], LABELS[:0])}, "there are none"),
    ({"data": []}, "there are none"),
    ({"data": (IMAGES, LABELS[:10])}, r"shape \(10,\) do not label inputs of shape \(11, 2"),
    ({"data": (IMAGES, LABELS.float())}, "float32 of shape"),
    ({"data": (IMAGES, torch.full((11,), 4))}, "has the labels 0 to 3"),
    ({"data": (IMAGES, torch.full((11,), -100))}, "labels run from -100 to -100"),
    ({"data": iter([(IMAGES, LABELS)])}, "it can be read only once"),
    ({"data": [IMAGES]}, "a batch is neither a pair nor one in which"),
    ({"data": 3}, "it is a int"),
    ({"data": [(IMAGES, [0] * 11)]}, "targets: they are a list"),
    ({"memory": 100}, "100 bytes are too few for the graph of one sample"),
    ({"loss": nn.CrossEntropyLoss(reduction="sum")}, "the losses of each alone is"),
    ({"loss": nn.CrossEntropyLoss(reduction="none")}, "loss: it does not return one number"),
    ({"loss": nn.CrossEntropyLoss(weight=torch.arange(1.0, 5))},
     "it weights the classes. Give a plain mean over the samples"),
])
def test_bad_input_is_named(change, message):
    model, x, y = case("residual")
    with pytest.raises(ConfigError, match=message):
        HessianOperator(**({"model": model, "data": (x, y)} | change))


@pytest.mark.parametrize(("loss", "message"), [
    (nn.CrossEntropyLoss(weight=torch.arange(1.0, 5)), "it weights the classes"),
    (nn.CrossEntropyLoss(ignore_index=3), "leaves out the label 3"),
])
def test_a_loss_that_is_no_mean_is_named_though_the_first_samples_are_of_one_class(loss, message):
    model, x, _ = case("residual")
    x = x.repeat(5, *[1] * (x.ndim - 1))
    with pytest.raises(ConfigError, match=message):
        HessianOperator(model, (x, torch.arange(len(x)) * 4 // len(x)), loss=loss)


WEIGHT = torch.tensor([1.0, 4.0, 0.5, 2.0])


def weighted(z, y):
    return functional.cross_entropy(z, y, WEIGHT.to(z))


@pytest.mark.parametrize("order", ["sorted", "alternating", "random"])
@pytest.mark.parametrize("memory", [2e9, 3e5])
def test_a_function_that_weights_the_classes_is_found_in_any_order(order, memory):
    model, x, _ = case("residual")
    y = {"sorted": torch.arange(48) // 12, "alternating": torch.arange(48) % 2,
         "random": torch.randint(4, (48,), generator=torch.Generator().manual_seed(0))}[order]
    x = torch.cat([x] * 5)[:48]
    for data in ((x, y), list(zip(x.split(6), y.split(6)))):
        with pytest.raises(ConfigError, match="mean of the losses of each alone is .* divide by"):
            HessianOperator(model, data, loss=weighted, memory=memory, batch_size=4)


def test_weights_of_a_network_that_fits_its_samples_are_found_too():
    x = 50 * torch.eye(4)[torch.arange(40) // 10]
    model = nn.Linear(4, 4, bias=False)
    model.weight.data = torch.eye(4)
    assert weighted(model(x), torch.arange(40) // 10) < 1e-9
    with pytest.raises(ConfigError, match="mean of the losses of each alone"):
        HessianOperator(model, (x, torch.arange(40) // 10), loss=weighted)


def test_the_advised_form_of_a_weighted_loss_has_the_weighted_means_hessian():
    """Against autograd of the weighted mean over all samples at once."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    y = torch.arange(40) // 10
    model = nn.Linear(3, 4, bias=False).double()
    scaled = WEIGHT.double() / WEIGHT.double()[y].mean()

    def advised(z, labels):
        return (scaled[labels] * functional.cross_entropy(z, labels, reduction="none")).mean()

    found = HessianOperator(model, (x, y), loss=advised, dtype=torch.float64, batch_size=7).dense()
    truth = torch.autograd.functional.hessian(
        lambda w: weighted(x @ w.reshape(4, 3).T, y), model.weight.detach().reshape(-1))
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_batchnorm_without_running_statistics_is_named(norm):
    flat = norm is nn.BatchNorm1d
    model = nn.Sequential(nn.Flatten() if flat else nn.Identity(),
                          norm(50 if flat else 2, track_running_stats=False), nn.Flatten(),
                          nn.Linear(50, 4))
    x = torch.rand(11, 2, 5, 5)
    for some in (x, x[:1]):
        with pytest.raises(ConfigError, match="share a batch.*let BatchNorm keep running stat"):
            HessianOperator(model, (some, torch.arange(len(some)) % 4))


def test_a_model_without_trainable_parameters_is_named():
    model, x, y = case("residual")
    with pytest.raises(ConfigError, match="all are frozen"):
        HessianOperator(model.requires_grad_(False), (x, y))


def test_vectors_of_the_wrong_length_and_large_dense_matrices_are_refused():
    model, x, y = case("linear")
    with pytest.raises(ConfigError, match=r"Give a vector of shape \(204,\)"):
        HessianOperator(model, (x, y)) @ torch.ones(205)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(50, 100))
    with pytest.raises(ConfigError, match="dense matrix of 5100 parameters"):
        HessianOperator(wide, (x, y)).dense()


def test_a_model_that_cannot_be_copied_is_reported():
    model, x, y = case("residual")
    model.computed = model.linear.weight * 2
    with pytest.raises(NGFError, match="This model cannot be copied"):
        HessianOperator(model, (x, y))


def test_a_model_that_overflows_is_reported():
    model, x, y = case("residual")
    model.linear.weight.data.fill_(float("inf"))
    with pytest.raises(NGFError, match="not finite"):
        HessianOperator(model, (x, y))
