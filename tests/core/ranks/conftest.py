"""Two ranks on this machine, for the tests of several processes."""

import sys
from importlib.util import find_spec

import pytest
import torch

from ngf_core.ranks.torchrun import started_by_torchrun

MISSING = ("torch.distributed with gloo" if not (
    torch.distributed.is_available() and torch.distributed.is_gloo_available())
    else "" if find_spec("lightning_fabric") else "the package lightning-fabric")
needs_ranks = pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}")


def two_ranks(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module as two ranks."""
    return started_by_torchrun((sys.executable, "-m", module, *arguments), 2)
