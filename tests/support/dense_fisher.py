"""The independent truth: gradients by a loop of autograd, Fisher matrices by a dense jacobian."""

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev


class Tiny(nn.Module):
    """Convolution, fixed BatchNorm, tanh, linear; float64, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.linear = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.tanh(self.bn(self.conv(x))).flatten(1))


def tiny(n: int = 5, seed: int = 0) -> tuple[Tiny, Tensor, Tensor]:
    """The model in eval mode with moved statistics, and n samples of shape (2, 4, 4)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Tiny().double()
        model.bn.running_mean.normal_(std=0.3)
        model.bn.running_var.uniform_(0.5, 2)
        x = torch.randn(n, 2, 4, 4, dtype=torch.float64)
        return model.eval(), x, torch.randint(0, 3, (n,))


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([g.reshape(-1) for g in gradients])


def looped_gradients(model: nn.Module, layer: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(n, P): the cross-entropy of one sample at a time."""
    return torch.stack([
        flat(torch.autograd.grad(nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1]),
                                 list(layer.parameters()), materialize_grads=True))
        for i in range(len(x))])


def log_probability_jacobian(model: nn.Module, layer_name: str, x: Tensor) -> Tensor:
    """(n, C, P): d log p_c(x_i) / d w of the named layer, weight then bias."""
    every = {name: p.detach() for name, p in model.named_parameters()}
    buffers = dict(model.named_buffers())
    chosen = {name: p for name, p in every.items() if name.startswith(layer_name + ".")}

    def log_p(w: dict[str, Tensor]) -> Tensor:
        return functional_call(model, every | buffers | w, (x,)).log_softmax(1)

    parts = jacrev(log_p)(chosen)
    return torch.cat([parts[name].flatten(2) for name in chosen], 2)


def true_fisher(model: nn.Module, layer_name: str, x: Tensor) -> Tensor:
    """1/n sum_i sum_c p_ic J_ic J_ic^T, (P, P)."""
    jacobian = log_probability_jacobian(model, layer_name, x)
    p = model(x).detach().softmax(1)
    return torch.einsum("nc,nci,ncj->ij", p, jacobian, jacobian) / len(x)


def empirical_fisher(model: nn.Module, layer_name: str, x: Tensor, y: Tensor) -> Tensor:
    """1/n sum_i J_iy J_iy^T, (P, P)."""
    given = log_probability_jacobian(model, layer_name, x)[torch.arange(len(x)), y]
    return given.T @ given / len(x)
