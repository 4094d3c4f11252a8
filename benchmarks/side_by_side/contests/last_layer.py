"""A whole NGF purification of the last layer, in full forward-backward passes."""

import torch.nn.functional as F

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.data.floats import as_floats
from ngf_core.purify import NGF, Budget

PASSES = 5
NOTE = (f"All {Budget.steps} steps of the preset on `linear`, CPU seconds from the call to "
        "the last step, in units of one forward and backward pass of all parameters over the same "
        "250 images (one batch, float32). BatchNorm frozen and no augmentation, so that the "
        "features stay the same.")


def full_pass(workload: Workload) -> Measurement:
    """Loss and gradient of every parameter over the defender's clean images."""
    model = workload.copy().eval()
    x, y = as_floats(workload.clean.x), workload.clean.y

    def once() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()

    once()

    def measure(seed: int, truth: Figures) -> Figures:
        _, cost = timed(lambda: [once() for _ in range(PASSES)])
        return {key: value / PASSES for key, value in cost.items()}

    return measure


def ours(workload: Workload) -> Measurement:
    """`ngf` on the last layer, from start to end."""
    from ngf_core.purify.method import purifier

    def run(steps: int) -> int:
        budget = Budget(augment="none", batchnorm="frozen", steps=steps)
        return sum(1 for _ in purifier("ngf")(workload.copy(), workload.clean, NGF(layer="linear"),
                                              budget))

    run(2)

    def measure(seed: int, truth: Figures) -> Figures:
        steps, cost = timed(lambda: run(workload.steps(Budget.steps, 3)))
        return cost | {"steps": steps}

    return measure


def lines(record: Record) -> list[Line]:
    """How many passes the purification takes."""
    one, whole = record.median("full pass", "cpu"), record.median("ours", "cpu")
    return [Line("NGF of the last layer / a full forward-backward", record.model, "full pass",
                 seconds(one), seconds(whole), whole / one, Goal(50, least=False),
                 record.range("ours", "full pass", "cpu"), NOTE)]


CONTEST = Contest("NGF of the last layer", {"full pass": full_pass, "ours": ours}, lines,
                  samples=200, models=("before",))
