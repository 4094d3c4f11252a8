"""The settings of a spectrum run."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option


@dataclass(frozen=True)
class SpectrumConfig:
    """Curvature and Fisher spectra of every model of a run, on the same held-out clean images."""

    kind: ClassVar[str] = "spectrum"

    source: str = option("", "id of a training or purification run")
    samples: int = option(150, "held-out clean images", 10, 100000)
    operator: str = option("hessian", "matrix: hessian, ggn (Gauss-Newton), fisher (the model's "
                           "own labels) or empirical (Fisher at the given labels)",
                           choices=("hessian", "ggn", "fisher", "empirical"))
    parameters: str = option("all", "parameters of the matrix: all, or the tuned layer's",
                             choices=("all", "layer"))
    k: int = option(5, "largest eigenvalues", 1, 50)
    bottom: int = option(1, "smallest eigenvalues", 0, 20)
    steps: int = option(20, "most Lanczos steps of a density probe, which ends when its density "
                        "has converged", 5, 500)
    probes: int = option(3, "probes of the spectral density", 3, 50)
    trace_error: float = option(5.0, "wanted standard error of the trace, in % of it", 0.1, 50.0)
    trace_probes: int = option(15, "most probes of the trace", 2, 2000)
    memory: float = option(2.5, "memory for graphs and vectors, in GB; the process takes about 1 "
                           "more", 0.1, 1000.0)
    check: str = option("pyhessian", "second opinion on a Hessian's largest eigenvalue and trace: "
                        "pyhessian (31 more products) or none", choices=("pyhessian", "none"))
    sharpness: str = option("cheap", "sharpness measures of the Hessian: cheap (all that cost "
                            "less than about twenty products), all (relative flatness and SAM in "
                            "several steps too) or none", choices=("cheap", "all", "none"))
    seed: int = option(0, "seed of the probes and of the sample", 0, 2**31 - 1)
