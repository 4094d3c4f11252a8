"""What the next larger network keeps of the same backdoors.

Means over different attacks and seeds cannot be compared across sizes: single models differ by
more than sizes do. So each size is set beside the next one that has been measured, on the attacks
and seeds that both have. The models are others, trained anew, and a large one may have been trained
for fewer epochs or on fewer images, which `alike` tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from ngf_core.data import DATASETS
from ngf_core.evidence.entrants import CLAIMED, ENTRANTS
from ngf_core.evidence.rank import Estimate, estimate
from ngf_core.evidence.sizes import Size, rates
from ngf_core.evidence.sizes_words import weights_text

HEAD = ("data set", "from weights", "to", "method", "ASR % smaller", "ASR % larger",
        "change, points", "n", "seeds", "trained alike")


@dataclass(frozen=True)
class Growth:
    """ASR that one entrant leaves in a smaller and in a larger network, as means (fractions) over
    the same attacks and seeds.

    change: larger minus smaller, with its 95 % interval (`ngf_core.evidence.rank`) within -1 and 1.
    seeds: "0, 1". alike: whether both were trained for as many epochs on as many images.
    """

    dataset: str
    smaller: str
    larger: str
    entrant: str
    at_smaller: float
    at_larger: float
    change: Estimate
    seeds: str
    alike: bool


def growth(found: Sequence[Size]) -> list[Growth]:
    """Each measured size against the next larger one of its data set, per entrant that both have.

    found: sorted, as `sizes` gives them.
    """
    return [step for smaller, larger in pairwise(found) if smaller.dataset == larger.dataset
            for entrant in CLAIMED if (step := _step(smaller, larger, entrant))]


def _step(smaller: Size, larger: Size, entrant: str) -> Growth | None:
    columns = {}
    for one in (smaller, larger):
        asr = rates(one.cells).get("asr")
        if asr is None or entrant not in asr:
            return None
        columns[one.arch] = asr[entrant]
    both = pd.DataFrame(columns).dropna()
    if both.empty:
        return None
    at_smaller, at_larger = both[smaller.arch], both[larger.arch]
    return Growth(smaller.dataset, smaller.arch, larger.arch, entrant, float(at_smaller.mean()),
                  float(at_larger.mean()), estimate(at_larger - at_smaller, (-1, 1)),
                  ", ".join(map(str, sorted(both.index.unique("seed")))),
                  (smaller.limit, smaller.epochs) == (larger.limit, larger.epochs))


def growth_row(step: Growth) -> list[str]:
    """The cells below `HEAD`, in words."""
    return [DATASETS[step.dataset].title, weights_text(step.smaller), weights_text(step.larger),
            ENTRANTS[step.entrant].title, f"{100 * step.at_smaller:.1f}",
            f"{100 * step.at_larger:.1f}", step.change.in_percent(signed=True), str(step.change.n),
            step.seeds, "yes" if step.alike else "no"]
