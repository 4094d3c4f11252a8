"""The environment of a measurement, to be stored with its results."""

import os
import platform
from importlib.metadata import version

import torch

from ngf_core.runs.manifest import git_state


def environment() -> dict[str, str | int | bool | dict | None]:
    """Versions, processor kind and thread count; no name of the machine."""
    return {
        "python": platform.python_version(), "system": platform.system(),
        "processor": platform.machine(), "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "amx_bf16": torch.cpu._is_amx_tile_supported(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "git": git_state(),
    } | {name: version(name) for name in ("torch", "numpy", "scipy", "pyhessian")}
