"""Every operator against its dense float64 matrix, made from its definition with torch.func."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jvp
from torch.nn import functional

from ngf_core.curvature import (
    EmpiricalFisherOperator,
    FisherOperator,
    GGNOperator,
    HessianOperator,
)
from tests.support.seeded import seeded
from tests.support.small_networks import MODELS, case


@dataclass
class Problem:
    """A model, samples and loss, and in float64 what each matrix is defined by."""

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    names: list[str] | None = None

    def batches(self, *sizes: int) -> list[tuple[Tensor, Tensor]]:
        return list(zip(self.inputs.split(sizes), self.targets.split(sizes), strict=True))

    def network(self) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """w (P,) -> outputs, and the model's own w."""
        model = copy.deepcopy(self.model).double().eval()
        x = self.inputs
        if x.dtype != torch.int64:
            x = x.double() / (255 if x.dtype == torch.uint8 else 1)
        every = {n: p.detach() for n, p in model.named_parameters()}
        chosen = [n for n, p in model.named_parameters()
                  if (p.requires_grad if self.names is None else n in self.names)]

        def outputs(flat: Tensor) -> Tensor:
            pieces = flat.split([every[n].numel() for n in chosen])
            parts = {n: t.reshape(every[n].shape) for n, t in zip(chosen, pieces, strict=True)}
            # Plain attention, which can be derived in both directions.
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                return functional_call(model, every | parts, (x,))

        return outputs, torch.cat([every[n].reshape(-1) for n in chosen])

    @property
    def labels(self) -> Tensor:
        return self.targets.double() if self.targets.is_floating_point() else self.targets


def columns(function: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
    """The Jacobian, a column at a time: vmap makes slow grouped convolutions of tiny ones."""
    basis = torch.eye(len(w), dtype=w.dtype)
    return torch.stack([jvp(function, (w,), (column,))[1] for column in basis], -1)


def dense_hessian(problem: Problem) -> Tensor:
    outputs, w = problem.network()
    # Written out, since mse_loss has no forward derivative of its backward pass.
    loss = mean_square if problem.loss is functional.mse_loss else problem.loss
    return columns(grad(lambda flat: loss(outputs(flat), problem.labels)), w)


def mean_square(z: Tensor, y: Tensor) -> Tensor:
    return ((z - y) ** 2).mean()


def dense_ggn(problem: Problem) -> Tensor:
    outputs, w = problem.network()
    z = outputs(w).detach()
    j = columns(outputs, w).reshape(z.numel(), -1)
    middle = hessian(lambda u: problem.loss(u, problem.labels))(z)
    return j.T @ middle.reshape(z.numel(), -1) @ j


def dense_empirical_fisher(problem: Problem) -> Tensor:
    outputs, w = problem.network()
    z, j = outputs(w).detach(), columns(outputs, w)
    return mean_of_squares(z, j, problem.loss, [(torch.ones(len(z)), problem.labels)])


def dense_fisher(problem: Problem) -> Tensor:
    """The gradient's expected square, over the targets that the model itself would give."""
    outputs, w = problem.network()
    z, j = outputs(w).detach(), columns(outputs, w)
    if z.ndim == 3:  # (n, classes, positions): each position is a sample
        z, j = z.transpose(1, 2).flatten(0, 1), j.transpose(1, 2).flatten(0, 1)
    return mean_of_squares(z, j, problem.loss, drawn(z, problem.loss))


def drawn(z: Tensor, loss: Callable) -> list[tuple[Tensor, Tensor]]:
    """Weights (n,) and targets that have the mean and variance of the model's distribution."""
    if loss is functional.cross_entropy:
        p = z.softmax(1)
        return [(p[:, c], torch.full((len(z),), c)) for c in range(z.shape[1])]
    # mse_loss is -log p of a normal distribution of variance d / 2. The 2 d points at distance
    # sqrt(d) standard deviations along the axes have the same second moments.
    d = z[0].numel()
    steps = (d * d / 2) ** 0.5 * torch.eye(d, dtype=z.dtype).reshape(d, *z.shape[1:])
    return [(torch.full((len(z),), 1 / (2 * d)), z + sign * step)
            for step in steps for sign in (-1, 1)]


def mean_of_squares(z: Tensor, j: Tensor, loss: Callable, draws: list[tuple[Tensor, Tensor]]
                    ) -> Tensor:
    """(1/n) sum over samples and draws of weight g g^T, g the gradient of that sample's loss."""
    j = j.reshape(len(z), z[0].numel(), -1)
    total = torch.zeros(j.shape[2], j.shape[2], dtype=torch.float64)
    for weights, targets in draws:
        r = torch.stack([grad(loss)(z[i:i + 1], targets[i:i + 1]).reshape(-1)
                         for i in range(len(z))])
        g = torch.einsum("nop,no->np", j, r)
        total += g.T @ (weights.double()[:, None] * g)
    return total / len(z)


DENSE = {HessianOperator: dense_hessian, GGNOperator: dense_ggn, FisherOperator: dense_fisher,
         EmpiricalFisherOperator: dense_empirical_fisher}


def assert_agrees(operator, truth: Tensor, relative: float) -> None:
    """matvec, @, dense and the SciPy export all give the products of `truth`."""
    assert operator.size == len(truth)
    v = torch.randn(len(truth), 2, generator=seeded(0), dtype=torch.float64)
    made = operator.products
    first = operator.matvec(v[:, 0].to(operator.dtype))
    assert first.dtype == operator.dtype and operator.products == made + 1
    exported = operator.scipy()
    assert isinstance(exported, LinearOperator) and exported.shape == truth.shape
    products = {"matvec": first[:, None], "@": (operator @ v[:, 1])[:, None],
                "scipy": torch.from_numpy(exported @ v.numpy()), "dense": operator.dense()}
    wanted = {"matvec": truth @ v[:, :1], "@": truth @ v[:, 1:], "scipy": truth @ v, "dense": truth}
    for name, found in products.items():
        error = (found.double().cpu() - wanted[name]).norm()
        assert error <= relative * truth.norm() * (1 if name == "dense" else v.norm()), name


class Attention(nn.Module):
    """One head over the 25 pixels, each a token of 2 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Linear(2, 9)
        self.head = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.mixed(x.flatten(2).transpose(1, 2)).chunk(3, 2)
        return self.head(functional.scaled_dot_product_attention(q, k, v).mean(1))


class Tied(nn.Module):
    """One weight used twice, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.first = nn.Linear(50, 3), nn.Linear(3, 3, bias=False)
        self.second, self.head = nn.Linear(3, 3, bias=False), nn.Linear(3, 4)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(self.embed(x.flatten(1)))))))


class Idle(nn.Module):
    """The residual network and a parameter that the forward pass does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.ones(3))
        self.net = MODELS["conv_bn"]()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Words(nn.Module):
    """Whole numbers in, one prediction for each position."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(6, 3), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.head(torch.tanh(self.embed(x)))).transpose(1, 2)


class Regression(nn.Module):
    """One number for each input, without a further axis."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(50, 2), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x.flatten(1)))).squeeze(1)


OTHERS = {"attention": Attention, "tied": Tied, "idle": Idle, "words": Words,
          "regression": Regression}


def problem(name: str, targets: Tensor | None = None, inputs: Tensor | None = None,
            **changes) -> Problem:
    model, x, y = case(name, models=MODELS | OTHERS)
    return Problem(model, x if inputs is None else inputs, y if targets is None else targets,
                   **changes)


def frozen(name: str, parameter: str, **changes) -> Problem:
    made = problem(name, **changes)
    made.model.get_parameter(parameter).requires_grad_(False)
    return made


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=seeded(3))


def whole(below: int, *shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.randint(0, below, shape, generator=seeded(3), dtype=dtype)


PROBLEMS = {
    "linear": lambda: problem("linear"),
    "conv and batchnorm": lambda: problem("conv_bn"),
    "residual": lambda: problem("residual"),
    "attention": lambda: problem("attention"),
    "tied": lambda: problem("tied"),
    "tied, by name": lambda: problem("tied", names=["first.weight", "head.bias"]),
    "unused": lambda: problem("idle"),
    "frozen": lambda: frozen("residual", "stem.weight"),
    "named though frozen": lambda: frozen("residual", "conv.weight",
                                          names=["conv.weight", "linear.bias"]),
    "one layer": lambda: problem("conv_bn", names=["3.weight", "3.bias"]),
    "last layer": lambda: problem("residual", names=["linear.weight", "linear.bias"]),
    "uint8 images": lambda: problem("conv_bn", inputs=whole(256, 11, 2, 5, 5, dtype=torch.uint8)),
    "squared error": lambda: problem("residual", numbers(11, 4), loss=functional.mse_loss),
    "one number": lambda: problem("regression", numbers(11), loss=functional.mse_loss),
    "a label a position": lambda: problem("words", whole(4, 11, 5), whole(6, 11, 5)),
}
