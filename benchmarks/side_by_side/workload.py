"""What the peers work on: a model of the zoo and held-out clean images."""

import copy
from dataclasses import dataclass

from torch import Tensor, nn

from ngf_core.data.dataset import Images
from ngf_core.device import device
from ngf_core.runs import default_store
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out

RUN = "signs-badnets-s0-race"
CLEAN_FRACTION = 0.05


@dataclass(frozen=True)
class Workload:
    """`model` in evaluation mode, float32; x (n, 3, 32, 32) in [0, 1] and y (n,) held out.

    clean: the defender's images, for purification. quick: the harness is only being tried.
    """

    name: str
    model: nn.Module
    x: Tensor
    y: Tensor
    clean: Images
    quick: bool

    def copy(self) -> nn.Module:
        """The model, for a peer that may change it."""
        return copy.deepcopy(self.model)

    def steps(self, wanted: int, quick: int) -> int:
        """`wanted`, or `quick` where the harness is only being tried."""
        return quick if self.quick else wanted


def load_workload(name: str, samples: int, quick: bool = False) -> Workload:
    """The backdoored mini ("before") or its purification ("ngf", "sgd") from the shipped race."""
    source = load_trained(RUN, default_store())
    model = source.models[name].requires_grad_(True)
    x, y = held_out(source.dataset, None, samples, 0, device())["clean"]
    return Workload(name, model, x, y, source.dataset.clean(CLEAN_FRACTION), quick)
