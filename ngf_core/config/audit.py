"""The settings of an audit: one pair of models, whose sharpness is compared with controls."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option

# Of an audit's results; a higher one holds more, or other, measurements.
FORMAT = 3


@dataclass(frozen=True)
class AuditConfig:
    """Whether one model is flatter than another: measures, controls, evidence of convergence."""

    kind: ClassVar[str] = "audit"

    source: str = option("", "id of the run with the model before")
    against: str = option("", "id of the run with the model after; empty is the same run")
    model: str = option("ngf", "the model after: a method of a purification, or before for the "
                        "model of a training or an import")
    parameters: str = option("all", "parameters of the Hessian: all, or the tuned layer's",
                             choices=("all", "layer"))
    samples: int = option(100, "held-out clean images", 10, 100000)
    further: int = option(2, "further sets of as many other images", 0, 20)
    memory: float = option(2.5, "memory for graphs and vectors, in GB; the process takes about 1 "
                           "more", 0.1, 1000.0)
    seed: int = option(0, "seed of the probes and of the images", 0, 2**31 - 1)
