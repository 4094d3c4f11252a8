"""The exact loss at many points of a plane, by the cheapest method that applies."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.curvature.operators.alone import check_alone, check_statistics
from ngf_core.curvature.operators.data import as_float
from ngf_core.curvature.operators.loss import (
    Loss,
    TargetsSeen,
    check_mean,
    is_cross_entropy,
    private_loss,
)
from ngf_core.device import full_float32
from ngf_core.errors import ConfigError
from ngf_core.landscape import chunk
from ngf_core.landscape.affine import Affine
from ngf_core.landscape.affine_loss import margins, summed_losses
from ngf_core.landscape.plane import Plane, check_same_tensors, model_state
from ngf_core.landscape.program import Program, State, nbytes, program
from ngf_core.landscape.samples import Batches, Samples, check_batches, check_classes
from ngf_core.models.answers import with_logits

Points = Sequence[tuple[float, float]] | Tensor
Progress = Callable[[int, int], None]

# Bytes that intermediate results may take.
MEMORY = 2**30
# Samples on which model and loss are checked.
PROBE = 8
# Points evaluated on one chunk before moving to the next chunk.
GROUP = 32


@dataclass(eq=False)
class _Chunk:
    """Consecutive samples of one data set; `state` once it is computed and kept."""

    samples: int
    inputs: Tensor
    targets: Tensor
    state: State | None = None


class Evaluator:
    """The mean loss of each named data set at any points of a plane.

    The loss at (x, y) is that of `model` with the tensors origin + x u + y v, computed in float64
    from the origin for each point: mean over all samples of the data set, in evaluation mode;
    outputs in the model's dtype, loss and sum in float64. `model` gives the architecture only: it
    is copied here and never changed. Its outputs must not depend on which samples share a batch,
    so that BatchNorm needs running statistics. Losses that overflow are returned as inf or nan.

    `path` is how the losses are computed, as the plane and the model allow: "last layer", "suffix"
    or "folded" as in `Program`, or "plain", the model as it is. All give the same numbers up to
    rounding; a program is used only if its logits are the model's at two points of the plane.

    batches: name -> (inputs (n, ...), targets (n, ...), for cross-entropy labels (n,) of whole
    numbers), or a mapping or longer tuple in which these are unambiguous
    (`ngf_core.data.examples.pair`), as logits may be in what the model answers; uint8 inputs count
    as x / 255, floats are taken in the model's dtype.
    loss: (outputs, targets) -> the mean over the samples, a function or module; cross-entropy, in
    nats, where not given. memory: bytes that intermediate results may take; less makes it slower,
    never different. Made once and called for many points. Raises ConfigError for a bad data set,
    outputs or loss and for outputs that depend on the batch, NGFError if plane and model do not
    fit.
    """

    def __init__(self, model: nn.Module, plane: Plane, batches: Batches, *,
                 loss: Loss = functional.cross_entropy, memory: int = MEMORY) -> None:
        check_same_tensors(model_state(model), plane.origin, "the model", "the plane")
        self._cross_entropy = loss is functional.cross_entropy
        self._samples = check_batches(batches, self._cross_entropy)
        anchor = next(iter(plane.origin.values()))
        self._device, self._dtype = anchor.device, anchor.dtype
        self._mean_loss = private_loss(loss, torch.float64, self._device)
        self._plane, self._free = plane, memory
        # A direction that is zero for a tensor, as a random one is for biases, does not move it.
        self._moved = [name for name in plane.moved if any(
            name in d and bool(d[name].any()) for d in (plane.u, plane.v))]
        self._model = copy.deepcopy(model).requires_grad_(False).eval().to(self._device)
        if any(samples.inputs.dim() == 4 for samples in self._samples):
            # torch's types leave it out.
            self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._tensors = (dict(self._model.named_parameters())
                         | dict(self._model.named_buffers()))
        self._program: Program | None = None
        with torch.inference_mode(), full_float32(self._device):
            for name, value in plane.origin.items():
                self._tensors[name].copy_(value)
            check_statistics(self._model)
            self._answer_with_logits()
            for samples in self._samples:
                self._check(samples)
            self._program = self._working_program()
            affine = self.path == "last layer" and self._cross_entropy
            self._margins = self._all_margins(self._program) if affine and self._program else None
        if self._margins is None:
            size = self._chunk_size()
            self._chunks = [_Chunk(k, inputs, self._taken_targets(targets))
                            for k, samples in enumerate(self._samples)
                            for inputs, targets in zip(samples.inputs.split(size),
                                                       samples.targets.split(size), strict=True)]

    @property
    def path(self) -> str:
        """How the losses are computed: "last layer", "suffix", "folded" or "plain"."""
        return "plain" if self._program is None else self._program.path

    def losses(self, points: Points, progress: Progress | None = None) -> dict[str, Tensor]:
        """name -> the losses at `points` (n, 2) in their order, (n,) float64.

        `progress(done, total)` is called after each point; what it raises ends the call and leaves
        the evaluator usable. Raises ConfigError for points that are not finite pairs.
        """
        places = check_points(points)
        if self._margins is not None:
            losses = self._from_margins(self._margins, places)
            report(progress, 0, len(places), len(places))
        elif self._program is not None and not self._program.places:
            losses = self._chunk_by_chunk(places, progress)
        else:
            losses = self._point_by_point(places, progress)
        return {samples.name: row / len(samples)
                for samples, row in zip(self._samples, losses, strict=True)}

    def _from_margins(self, margins: list[Tensor], places: list[tuple[float, float]]) -> Tensor:
        with torch.inference_mode():
            points = torch.tensor(places, dtype=torch.float64, device=self._device).view(-1, 2)
            rows = torch.stack([summed_losses(d, points) for d in margins])
        return rows.cpu().clone()

    def _chunk_by_chunk(self, places: list[tuple[float, float]], progress: Progress | None,
                        ) -> Tensor:
        """No weights to place: a chunk's state serves many points while it is in memory."""
        losses = torch.zeros(len(self._samples), len(places), dtype=torch.float64)
        for start in range(0, len(places), GROUP):
            group, done = places[start:start + GROUP], start
            for count, c in enumerate(self._chunks, 1):
                with torch.inference_mode(), full_float32(self._device):
                    state = self._state(c)
                    sums = torch.stack([self._loss(c, state, x, y) for x, y in group])
                losses[c.samples, start:start + len(group)] += sums.cpu()
                now = start + len(group) * count // len(self._chunks)
                report(progress, done, now, len(places))
                done = now
        return losses

    def _point_by_point(self, places: list[tuple[float, float]], progress: Progress | None,
                        ) -> Tensor:
        losses = torch.zeros(len(self._samples), len(places), dtype=torch.float64)
        for k, (x, y) in enumerate(places):
            with torch.inference_mode(), full_float32(self._device):
                self._place(x, y)
                sums = torch.zeros(len(self._samples), dtype=torch.float64, device=self._device)
                for c in self._chunks:
                    sums[c.samples] += self._loss(c, self._state(c), x, y)
            losses[:, k] = sums.cpu()
            report(progress, k, k + 1, len(places))
        return losses

    def _place(self, x: float, y: float) -> None:
        for name in self._moved:
            self._tensors[name].copy_(self._plane.value(name, x, y))
        if self._program is not None:
            self._program.refresh()

    def _state(self, c: _Chunk) -> State:
        """What is the same at every point; kept as long as the memory allows."""
        if c.state is not None:
            return c.state
        inputs = self._taken(c.inputs)
        state = [inputs] if self._program is None else self._program.state(inputs)
        size = nbytes(state)
        if size <= self._free:
            self._free -= size
            c.state = state
        return state

    def _loss(self, c: _Chunk, state: State, x: float, y: float) -> Tensor:
        outputs = self._logits(state, x, y).double()
        if self._cross_entropy:
            return functional.cross_entropy(outputs, c.targets, reduction="sum")
        return self._mean_loss(outputs, c.targets) * len(c.targets)

    def _logits(self, state: State, x: float, y: float) -> Tensor:
        # A model may change its inputs in place; those that are kept must not change.
        return (self._model(state[0].clone()) if self._program is None
                else self._program.logits(state, x, y))

    def _taken(self, inputs: Tensor) -> Tensor:
        return as_taken(inputs, self._dtype, self._device)

    def _taken_targets(self, targets: Tensor) -> Tensor:
        wanted = torch.float64 if targets.is_floating_point() else targets.dtype
        return targets.to(self._device, wanted)

    def _check(self, samples: Samples) -> None:
        """ConfigError where model, targets and loss do not fit, judged on a few samples."""
        inputs = self._taken(samples.inputs[:PROBE])
        # Copies: a model may change its inputs in place.
        outputs = self._model(inputs.clone())
        if self._cross_entropy or (is_cross_entropy(self._mean_loss)
                                   and samples.targets.dim() == 1):
            check_classes(samples.targets, outputs)
        check_alone(lambda some: self._model(inputs[some].clone()), outputs)
        if not self._cross_entropy:
            seen = TargetsSeen()
            seen.see(samples.targets)
            for targets in (samples.targets[:PROBE], seen.kept):
                check_mean(self._mean_loss, outputs.double(), self._taken_targets(targets))

    def _answer_with_logits(self) -> None:
        """A hook takes the logits of answers that are no tensor. Others have no hook, as a program
        leaves none out."""
        if not isinstance(self._model(self._taken(self._samples[0].inputs[:1])), Tensor):
            self._model.register_forward_hook(lambda _, args, answer: with_logits(answer))

    def _working_program(self) -> Program | None:
        """The program, if it gives the model's own logits; tried on chunks of two sizes."""
        try:
            found = program(self._model, self._tensors, self._plane, self._moved)
            if found is None:
                return None
            inputs = self._taken(self._samples[0].inputs[:16])
            found.work_in_place(found.state(inputs))
            for x, y in ((1.0, 1.0), (0.0, 0.0)):
                self._place(x, y)
                found.refresh()
                for some in (inputs, inputs[:3]):
                    state = found.state(some)
                    for _ in range(2):  # The second shows whether the first spoiled the state.
                        if not alike(found.logits(state, x, y), self._model(some.clone())):
                            return None
        except Exception:  # The graph of a user's model may fail in any way; the model does not.
            return None
        return found

    def _all_margins(self, program: Program) -> list[Tensor]:
        """The margins of every data set, from features computed once."""
        found = []
        size = chunk.GPU if self._device.type != "cpu" else chunk.SIZES[1]
        for samples in self._samples:
            states = [program.state(self._taken(part))[0]
                      for part in samples.inputs.split(size)]
            logits = Affine(*(torch.cat(zs) for zs in zip(*states, strict=True)))
            found.append(margins(logits, samples.targets.to(self._device)))
        return found

    def _chunk_size(self) -> int:
        if self._device.type != "cpu":
            return chunk.GPU

        def run(inputs: Tensor) -> None:
            with torch.inference_mode():
                self._logits([inputs] if self._program is None else self._program.state(inputs),
                             0.0, 0.0)

        largest = max(self._samples, key=len)
        return chunk.best_chunk(run, self._taken(largest.inputs[:chunk.SIZES[-1]]))


def as_taken(inputs: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A copy of the inputs as the network takes them: in its dtype (uint8 as x / 255, other whole
    numbers as they are), images channels-last. One chunk at a time, so that the whole set is never
    in memory twice."""
    measured = inputs.dtype == torch.uint8 or inputs.is_floating_point()
    inputs = as_float(inputs, dtype, device) if measured else inputs.to(device, copy=True)
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs


def alike(found: Tensor, true: Tensor) -> bool:
    """Whether logits agree to rounding, where the true ones are finite."""
    finite = true.isfinite()
    if found.shape != true.shape or not bool(finite.any()):
        return found.shape == true.shape
    bound = 1e3 * torch.finfo(true.dtype).eps * true[finite].abs().max()
    return bool(((found - true)[finite].abs() <= bound).all())


def report(progress: Progress | None, before: int, now: int, total: int) -> None:
    """Count each point from `before` to `now`."""
    if progress is not None:
        for done in range(before + 1, now + 1):
            progress(done, total)


def check_points(points: Points) -> list[tuple[float, float]]:
    """The points as pairs of floats; raises ConfigError where they are not finite pairs."""
    try:
        pairs = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError):
        raise ConfigError("points", "not every point is a pair of numbers",
                          "Give each point as (x, y).") from None
    if not all(math.isfinite(c) for pair in pairs for c in pair):
        raise ConfigError("points", "not every coordinate is finite", "Give finite numbers.")
    return pairs
