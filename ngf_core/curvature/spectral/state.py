"""What is known of one operator's spectrum, so that a later measurement can resume from it."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ngf_core.curvature.spectral.basis import Basis
from ngf_core.curvature.spectral.density import Quadrature
from ngf_core.curvature.spectral.eigenvalues import Eigenpairs
from ngf_core.curvature.spectral.lanczos import Krylov
from ngf_core.errors import NGFError

# Of the tensors of `to_tensors`; another number means that the rest cannot be read.
VERSION = 1


@dataclass
class SpectrumState:
    """Grows while a spectrum is measured, product by product, and stays usable when that stops.

    seed: of every random direction; the j-th is the same however often the work was interrupted.
    krylov: the run that serves eigenvalues, trace and density. pairs: its leading eigenpairs once
    they were checked for repeats. lowest: its smallest ones, likewise. quadratures: one per further
    density probe that is done. samples: estimates of the whole trace, one per probe. drawn:
    directions used beyond the run's. products: spent in total.
    """

    seed: int = 0
    krylov: Krylov | None = None
    pairs: Eigenpairs | None = None
    lowest: Eigenpairs | None = None
    quadratures: list[Quadrature] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    drawn: int = 0
    products: int = 0

    def direction(self, index: int) -> torch.Generator:
        """The generator of the random direction with this number; 0 starts the Krylov run."""
        words = np.random.SeedSequence([self.seed, index]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(words[0]) >> 1)

    @property
    def run(self) -> Krylov:
        """`krylov`, for what comes after it was begun. Raises NGFError before."""
        if self.krylov is None:
            raise NGFError("This measurement of a spectrum has no Krylov run yet.")
        return self.krylov

    def has_pairs(self, k: int) -> bool:
        """Whether the k leading eigenpairs are known and checked."""
        return self.pairs is not None and len(self.pairs.values) >= k

    def bytes(self) -> int:
        """How much `to_tensors` takes, nearly all of it the Krylov basis."""
        if self.krylov is None:
            return 0
        pairs = [p for p in (self.pairs, self.lowest) if p is not None]
        vectors = self.krylov.steps + 1 + sum(len(p.values) for p in pairs)
        block = self.krylov.rows.blocks[0]
        return vectors * block.shape[1] * block.element_size()

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything as named tensors, for a file."""
        made = {"version": torch.tensor(VERSION), "seed": torch.tensor(self.seed),
                "samples": torch.tensor(self.samples, dtype=torch.float64),
                "counts": torch.tensor([self.drawn, self.products, len(self.quadratures)])}
        if self.krylov is not None:
            made |= {"alphas": self.krylov.alphas, "betas": self.krylov.betas,
                     "basis": self.krylov.basis}
            if self.krylov.next is not None:
                made["next"] = self.krylov.next
        for end, pairs in (("pairs", self.pairs), ("lowest", self.lowest)):
            if pairs is not None:
                made |= {f"{end}.{name}": getattr(pairs, name)
                         for name in ("values", "residuals", "vectors", "converged")}
                made[f"{end}.products"] = torch.tensor(pairs.products)
        for i, part in enumerate(self.quadratures):
            made |= {f"probe{i}.atoms": part.atoms, f"probe{i}.nodes": part.nodes,
                     f"probe{i}.weights": part.weights, f"probe{i}.size": torch.tensor(part.size)}
        return made

    @classmethod
    def from_tensors(cls, made: dict[str, Tensor],
                     device: torch.device | str = "cpu") -> "SpectrumState":
        """The state that `to_tensors` wrote; NGFError for anything else or another version's."""
        try:
            if int(made["version"]) != VERSION:
                raise NGFError("This Krylov state was written by another version of NGF Lab.")
            drawn, products, probes = made["counts"].tolist()
            krylov = None
            if "alphas" in made:
                rest = made.get("next")
                krylov = Krylov(made["alphas"], made["betas"], Basis(made["basis"].to(device)),
                                None if rest is None else rest.to(device))
            pairs, lowest = (None if f"{end}.values" not in made else Eigenpairs(
                made[f"{end}.values"], made[f"{end}.residuals"], made[f"{end}.vectors"].to(device),
                int(made[f"{end}.products"]), made[f"{end}.converged"])
                for end in ("pairs", "lowest"))
            parts = [Quadrature(made[f"probe{i}.atoms"], made[f"probe{i}.nodes"],
                                made[f"probe{i}.weights"], int(made[f"probe{i}.size"]))
                     for i in range(probes)]
            return cls(int(made["seed"]), krylov, pairs, lowest, parts, made["samples"].tolist(),
                       drawn, products)
        except (KeyError, ValueError, RuntimeError) as error:
            raise NGFError("This is not the Krylov state of a spectrum.") from error
