"""Networks as other people's code builds and saves them, written from published layer names.

Independent of `ngf_core.imports`: forward passes are written with functionals on the state dict, so
that they hold whatever the package makes of the names.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def preact_resnet18(width: int = 8, classes: int = 10, channels: int = 3, final_norm: bool = False,
                    seed: int = 0) -> State:
    """A PreActResNet-18's state dict with BackdoorBench's names, at a small width."""
    draw = torch.Generator().manual_seed(seed)
    state: State = {}

    def conv(name: str, rows: int, columns: int, side: int) -> None:
        state[f"{name}.weight"] = torch.randn(rows, columns, side, side, generator=draw) \
            * (2 / (columns * side * side)) ** 0.5

    def norm(name: str, size: int) -> None:
        state[f"{name}.weight"] = 1 + 0.1 * torch.randn(size, generator=draw)
        state[f"{name}.bias"] = 0.1 * torch.randn(size, generator=draw)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(size, generator=draw)
        state[f"{name}.running_var"] = 1 + torch.rand(size, generator=draw)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("conv1", width, channels, 3)
    wide = width
    for stage in range(4):
        for block in range(2):
            name, out = f"layer{stage + 1}.{block}", width * 2**stage
            norm(f"{name}.bn1", wide)
            conv(f"{name}.conv1", out, wide, 3)
            norm(f"{name}.bn2", out)
            conv(f"{name}.conv2", out, out, 3)
            if stage and not block:
                conv(f"{name}.shortcut.0", out, wide, 1)
            wide = out
    if final_norm:
        norm("bn", wide)
    state["linear.weight"] = torch.randn(classes, wide, generator=draw) / wide**0.5
    state["linear.bias"] = 0.1 * torch.randn(classes, generator=draw)
    return state


def preact_logits(state: State, x: Tensor) -> Tensor:
    """The forward pass of that network in evaluation mode, on normalised pixels."""
    def norm(name: str, x: Tensor) -> Tensor:
        return F.batch_norm(x, state[f"{name}.running_mean"], state[f"{name}.running_var"],
                            state[f"{name}.weight"], state[f"{name}.bias"])

    x = F.conv2d(x, state["conv1.weight"], padding=1)
    for stage in range(4):
        for block in range(2):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage and not block else 1
            active = norm(f"{name}.bn1", x).relu()
            projection = state.get(f"{name}.shortcut.0.weight")
            skip = x if projection is None else F.conv2d(active, projection, stride=stride)
            inner = F.conv2d(active, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            inner = norm(f"{name}.bn2", inner).relu()
            x = F.conv2d(inner, state[f"{name}.conv2.weight"], padding=1) + skip
    if "bn.weight" in state:
        x = norm("bn", x).relu()
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


def backdoorbench(state: State, **more: object) -> dict[str, object]:
    """attack_result.pt's dictionary as BackdoorBench documents it (save_load_attack.py)."""
    return {"model_name": "preactresnet18", "num_classes": 10, "model": state,
            "data_path": "../data/cifar10", "img_size": [32, 32, 3],
            "clean_data": "cifar10", "bd_train": None, "bd_test": None} | more
