"""The independent truth: dense float64 Hessians by torch.func, and matrices with known spectra."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp
from torch.nn import functional


def dense_hessian(model: nn.Module, inputs: Tensor, targets: Tensor,
                  names: list[str] | None = None) -> Tensor:
    """d^2/dw^2 of the mean cross-entropy in float64, eval mode, (P, P), trainable or named w."""
    model = copy.deepcopy(model).double().eval()
    inputs = inputs.double() / 255 if inputs.dtype == torch.uint8 else inputs.double()
    every = {n: p.detach() for n, p in model.named_parameters()}
    chosen = [n for n, p in model.named_parameters()
              if (p.requires_grad if names is None else n in names)]
    sizes = [every[n].numel() for n in chosen]

    def loss(flat: Tensor) -> Tensor:
        parts = zip(chosen, flat.split(sizes), strict=True)
        weights = every | {n: part.reshape(every[n].shape) for n, part in parts}
        return functional.cross_entropy(functional_call(model, weights, (inputs,)), targets)

    # Forward over reverse, a column at a time: vmap makes slow grouped convolutions of tiny ones.
    flat = torch.cat([every[n].reshape(-1) for n in chosen])
    columns = torch.eye(len(flat), dtype=torch.float64)
    return torch.stack([jvp(grad(loss), (flat,), (column,))[1] for column in columns], 1)


@dataclass
class Matrix:
    """An explicit symmetric matrix as an operator that counts its products."""

    entries: Tensor
    products: int = field(default=0)

    @property
    def size(self) -> int:
        return len(self.entries)

    @property
    def dtype(self) -> torch.dtype:
        return self.entries.dtype

    @property
    def device(self) -> torch.device:
        return self.entries.device

    def matvec(self, v: Tensor) -> Tensor:
        self.products += 1
        return self.entries @ v


def with_spectrum(values: list[float] | Tensor, seed: int = 0) -> Matrix:
    """A float64 matrix with exactly these eigenvalues and random eigenvectors."""
    values = torch.as_tensor(values, dtype=torch.float64)
    q, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=seeded(seed),
                                       dtype=torch.float64))
    a = (q * values) @ q.T
    return Matrix((a + a.T) / 2)


def outliers(size: int = 200, seed: int = 0) -> Matrix:
    """Five outliers over a bulk in [-1, 1], the shape of a trained network's Hessian."""
    bulk = torch.linspace(-1, 1, size - 5, dtype=torch.float64)
    return with_spectrum(torch.cat([torch.tensor([100.0, 60, 40, 20, 10]).double(), bulk]), seed)


def descending(matrix: Tensor) -> Tensor:
    """All eigenvalues, largest first."""
    return torch.linalg.eigvalsh(matrix).flip(0)


def gaussians(eigenvalues: Tensor, grid: Tensor, width: float) -> Tensor:
    """The exact smoothed density (1/P) sum_i N(t; lambda_i, width^2)."""
    bumps = [torch.exp(-((grid - e) ** 2) / (2 * width**2)) for e in eigenvalues]
    return sum(bumps) / len(bumps) / math.sqrt(2 * math.pi * width**2)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Residual(nn.Module):
    """A tiny convolutional network with BatchNorm, a shortcut and smooth activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.conv = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2)
        self.linear = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x / 255 if x.dtype == torch.uint8 else x
        x = self.stem(x)
        x = x + torch.tanh(self.bn2(self.conv(torch.tanh(self.bn1(x)))))
        return self.linear(x.mean((2, 3)))


def linear_softmax() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 5 * 5, 4))


def conv_bn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 2),
                         nn.Flatten(), nn.Linear(8, 4))


MODELS = {"linear": linear_softmax, "conv_bn": conv_bn, "residual": Residual}


def case(name: str, samples: int = 11, models: dict[str, Callable[[], nn.Module]] = MODELS
         ) -> tuple[nn.Module, Tensor, Tensor]:
    """A model of `models` away from special points, in training mode, with inputs and targets."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = models[name]()
        for p in model.parameters():
            p.data += 0.2 * torch.randn_like(p)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2)
        return (model.train(), torch.rand(samples, 2, 5, 5),
                torch.randint(0, 4, (samples,)))
