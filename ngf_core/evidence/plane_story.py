"""What a plane of two random directions tells of sharpness, beside what λ_max tells."""

import math
from collections.abc import Sequence

WIDE = 1.96  # standard errors, half a 95 % interval


def rise(losses: Sequence[Sequence[float | None]]) -> float | None:
    """How far the mean loss of a square of points lies above its centre, in nats; None where one of
    them is not finite."""
    row = losses[len(losses) // 2]
    middle = row[len(row) // 2]
    known = [loss for row in losses for loss in row if loss is not None and math.isfinite(loss)]
    if middle is None or len(known) < sum(map(len, losses)):
        return None
    return math.fsum(known) / len(known) - middle


def contradiction(before: float | None, after: float | None, moved: float, error: float,
                  count: str) -> str:
    """The sentence where a plane and λ_max tell opposite stories; "" where they do not.

    before, after: the `rise` of the plane around each model. moved, error: the change of λ_max, or
    of its logarithm, with its standard error; a change that is not resolved contradicts nothing.
    count: dimensions of the space in which the plane lies, in words.
    """
    if before is None or after is None or not abs(moved) > WIDE * error:
        return ""
    if (after - before) * moved >= 0:
        return ""
    looks, is_ = ("flatter", "larger") if after < before else ("sharper", "smaller")
    return (f"The plane looks {looks} after, and λ_max is {is_}: two directions among {count} "
            "hardly contain the leading eigenvector. They show an average over the whole spectrum, "
            "and far from the model no curvature at all; λ_max is the one to trust on the sharpest "
            "direction.")
