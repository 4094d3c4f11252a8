"""How many vectors a spectrum may keep."""

from dataclasses import dataclass

from ngf_core.curvature.operators.operator import SymmetricOperator
from ngf_core.errors import ConfigError

# Vectors that a step needs beside the bases.
WORKING = 6
# Vectors that a usual measurement keeps; their memory is not available for graphs.
USUAL = 60
# At least this many per eigenvalue: beside the Krylov basis, space for them and for a probe.
PER_EIGENVALUE = 10


def bytes_for_vectors(memory: float, each: float, wanted: int) -> float:
    """The part of `memory` that is for vectors of `each` bytes where so many eigenvalues are
    `wanted`; the rest is for graphs."""
    return min(memory / 2, max(USUAL + wanted, PER_EIGENVALUE * wanted) * each)


@dataclass(frozen=True)
class VectorBudget:
    """Memory for `vectors` of the operator's size, after those that every step needs."""

    vectors: int
    size: int

    @classmethod
    def of(cls, memory: float, operator: SymmetricOperator, wanted: int) -> "VectorBudget":
        """What `memory` bytes hold; ConfigError where `wanted` eigenvectors do not fit."""
        each = operator.size * operator.dtype.itemsize
        vectors = int(memory / each) - WORKING
        if vectors < 3 * wanted + 2:
            least = (3 * wanted + 2 + WORKING) * each
            raise ConfigError("memory", f"{memory:.3g} bytes hold {vectors + WORKING} vectors of "
                              f"{operator.size} numbers, too few for {wanted} eigenvalues",
                              f"Allow at least {least:.3g} for vectors, or request fewer.")
        return cls(vectors, operator.size)

    def krylov_steps(self, longest: int, wanted: int, probe_steps: int) -> int:
        """The longest Krylov run beside which `wanted` eigenvectors and a short probe fit."""
        kept_free = wanted + min(probe_steps, self.vectors // 4)
        return max(1, min(longest, self.size, self.vectors - kept_free))

    def probe_steps(self, longest: int, kept: int) -> int:
        """The longest probe beside `kept` vectors."""
        return max(1, min(longest, self.size, self.vectors - kept))
