"""Wilson's 95 % interval, for tiles that must not wait for torch to be imported."""

import math

Z = 1.959964


def wilson(hits: int, n: int) -> tuple[float, float]:
    """(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = hits / n, for n > 0."""
    p, scale = hits / n, 1 + Z * Z / n
    centre = (p + Z * Z / (2 * n)) / scale
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)
