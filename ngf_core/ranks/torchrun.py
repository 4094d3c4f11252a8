"""Starting the ranks of a run with torchrun, and what it tells each of them. Imports no torch."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from ngf_core.errors import ConfigError, NGFError

PORT = 29500  # on which the ranks of several nodes find each other


@dataclass(frozen=True)
class Place:
    """Which rank a process is, from 0, of how many, on how many nodes."""

    rank: int
    count: int
    nodes: int


def place() -> Place | None:
    """That of this process; None where torchrun did not start it, or started no other."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    rank, count, here = (int(os.environ[name])
                         for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return Place(rank, count, count // here) if count > 1 else None


def started_by_torchrun(words: Sequence[str], devices: int) -> tuple[str, ...]:
    """The command that starts the Python program `words` (python -m module …) as `devices` ranks
    of this machine."""
    # What the ranks print goes to torchrun's own output; its folder of logs would stay behind.
    return (words[0], "-m", "torch.distributed.run", "--standalone", "--log-dir", os.devnull,
            "--nproc-per-node", str(devices), *words[1:])


def told_for_nodes(module: str, folder: str, devices: int, nodes: int) -> str:
    """The command line that has to be run on each of several nodes."""
    return (f"torchrun --nnodes {nodes} --nproc-per-node {devices} --rdzv-backend c10d "
            f"--rdzv-endpoint FIRST_NODE:{PORT} -m {module} {folder}")


def check_ranks(devices: int, nodes: int, cores: int) -> None:
    """Raise ConfigError for numbers of devices of a node and of nodes that cannot be, NGFError
    where Lightning Fabric is missing. Of several nodes, this machine may be none."""
    for name, value in (("devices", devices), ("nodes", nodes)):
        if not isinstance(value, int) or value < 1:
            raise ConfigError(name, f"{value!r} is out of range", "Use a whole number from 1 on.")
    if devices * nodes == 1:
        return
    if find_spec("lightning_fabric") is None:
        raise NGFError("Several devices need the package lightning-fabric. Install it with `pip "
                       "install 'ngf-lab[cluster]'`, or use one device.")
    import torch

    if not torch.distributed.is_available():
        raise NGFError(f"This PyTorch ({sys.platform}) was built without torch.distributed, which "
                       "several devices need. Use one device.")
    gpus = torch.cuda.device_count()
    if nodes == 1 and devices > (gpus or cores):
        here = (f"{gpus} GPU{'s' * (gpus > 1)}" if gpus
                else f"{cores} core{'s' * (cores > 1)} that may be used")
        raise ConfigError("devices", f"{devices} are more than the {here} here", "Use fewer.")
