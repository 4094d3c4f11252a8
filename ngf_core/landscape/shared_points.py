"""Points of a landscape shared out over ranks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.landscape.evaluator import Evaluator, Points, Progress, check_points
from ngf_core.ranks.group import Ranks


@dataclass(frozen=True)
class SharedPoints:
    """The losses of an `Evaluator` that every rank has made of the same model, plane and data.

    Each rank computes a share of the points on all the data; nothing is sent but the losses, at the
    end. Every rank has to ask for the same points.
    """

    evaluator: Evaluator
    ranks: Ranks

    def losses(self, points: Points, progress: Progress | None = None) -> dict[str, Tensor]:
        """As `Evaluator.losses`; `progress` counts this rank's points as if they were all."""
        places = check_points(points)
        own = places[self.ranks.share(len(places))]
        found = self.evaluator.losses(own, progress)
        rows = torch.stack(list(found.values()), 1)
        return dict(zip(found, self.ranks.join(rows, len(places)).T.contiguous(), strict=True))


def shared(evaluator: Evaluator, ranks: Ranks | None) -> Evaluator | SharedPoints:
    """The evaluator, over all `ranks` where there are several."""
    return evaluator if ranks is None else SharedPoints(evaluator, ranks)
