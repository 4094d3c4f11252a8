"""What a landscape run has computed so far: filled row by row, saved, and resumed."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ngf_core.config import LandscapeConfig
from ngf_core.errors import RunError
from ngf_core.landscape import Evaluator, Plane, SharedPoints, preview_rounds, shared
from ngf_core.ranks.group import Ranks, joined
from ngf_core.runs import RunStore, RunWriter

Count = Callable[[int, int], None]
Batches = dict[str, tuple[Tensor, Tensor]]
UNFINISHED = ("cancelled", "lost", "failed")


class Canvas:
    """The arrays of landscape.npz while they are computed.

    A surface `key` fills key.<part> (len(ys), len(xs)), NaN where nothing is known yet, for each
    part of `parts` (clean, triggered); key.<part>.computed (bool) marks what was computed, which
    is not all of a preview; key.<part>.held_out is a preview's [median, largest error, bound].

    Rows, rounds and curves left by an unfinished run of the same config and versions, or by this
    one before it stopped, are reused and not computed again. `resumed` counts their points,
    `points` all points. `memory` holds `config.memory` GB in bytes. `ranks` share the points, where
    there are several.
    """

    def __init__(self, config: LandscapeConfig, store: RunStore, writer: RunWriter,
                 parts: tuple[str, ...], total: int) -> None:
        self.config, self.memory = config, int(config.memory * 1e9)
        self.arrays: dict[str, np.ndarray] = {}
        self.points = self.resumed = 0
        self._writer, self._parts, self._total, self._done = writer, parts, total, 0
        self._earlier = _left_behind(config, store, writer)
        self.ranks = joined()
        if self.ranks is not None:
            numbers = {key: torch.from_numpy(array) for key, array in self._earlier.items()
                       if array.dtype.kind in "bif"}
            self._earlier = {key: array.numpy()
                             for key, array in self.ranks.agreed(numbers).items()}

    def tick(self, done: int, text: str) -> None:
        """Report `done` more of the total; raises Cancelled if the run is to stop."""
        self._done += done
        self._writer.checkpoint()
        self._writer.progress(self._done, self._total, text)

    def save(self) -> None:
        """Write landscape.npz."""
        self._writer.arrays("landscape", self.arrays)

    def axis(self, name: str, values: np.ndarray) -> np.ndarray:
        """An axis that depends on a measurement: the earlier run's, where that found the same.

        Where it found something else its surfaces are computed again.
        """
        earlier = self._earlier.get(name)
        if earlier is not None and earlier.shape == values.shape and np.allclose(
                earlier, values, rtol=1e-3):
            values = earlier
        elif earlier is not None:
            plane = name.removesuffix("_xs")
            self._earlier = {key: a for key, a in self._earlier.items() if f".{plane}." not in key}
        self.arrays[name] = values
        return values

    def curve(self, key: str, text: str, points: int, losses: Callable[[Count], dict[str, Tensor]]
              ) -> None:
        """key.<part> (points,), computed as a whole."""
        names = [f"{key}.{part}" for part in self._parts]
        if all(name in self._earlier for name in names):
            self.arrays |= {name: self._earlier[name] for name in names}
            self.resumed += points
        else:
            found = losses(self._stop)
            self.arrays |= {f"{key}.{part}": row.numpy() for part, row in found.items()}
        self.points += points
        self.save()
        self.tick(points, text)

    def surface(self, key: str, text: str, model: nn.Module, plane: Plane, xs: np.ndarray,
                ys: np.ndarray, batches: Batches) -> None:
        """key.<part> over the grid, row by row or, as a preview, round by round."""
        if self.config.mode == "exact":
            self._exact(key, text, _Lazy(model, plane, batches, self.memory, self.ranks), xs, ys)
        else:
            start = self._done
            for i, (part, batch) in enumerate(batches.items(), 1):
                self._preview(f"{key}.{part}", f"{text}, {part}",
                              _Lazy(model, plane, {part: batch}, self.memory, self.ranks), xs, ys)
                until = start + len(xs) * len(ys) * i // len(batches)
                self.tick(until - self._done, text)

    def _exact(self, key: str, text: str, evaluator: "_Lazy", xs: np.ndarray, ys: np.ndarray
               ) -> None:
        shape = (len(ys), len(xs))
        names = {part: f"{key}.{part}" for part in self._parts}
        done = np.logical_and.reduce([self._known(name, shape)[1].all(1)
                                      for name in names.values()])
        for name in names.values():
            losses, _ = self._known(name, shape)
            self.arrays |= {name: np.where(done[:, None], losses, np.nan),
                            f"{name}.computed": np.repeat(done[:, None], len(xs), 1)}
        self.resumed += int(done.sum()) * len(xs)
        self.points += int(done.sum()) * len(xs)
        self.tick(int(done.sum()) * len(xs), text)
        for i in np.flatnonzero(~done):
            found = evaluator.losses([(x, ys[i]) for x in xs], self._stop)
            for part, name in names.items():
                self.arrays[name][i] = found[part].numpy()
                self.arrays[f"{name}.computed"][i] = True
            self.points += len(xs)
            self.save()
            self.tick(len(xs), f"{text}: row {i + 1} of {len(ys)}")

    def _preview(self, key: str, text: str, evaluator: "_Lazy", xs: np.ndarray, ys: np.ndarray
                 ) -> None:
        shape, part, spent = (len(ys), len(xs)), key.rpartition(".")[2], 0
        losses, computed = self._known(key, shape)
        memory = {(xs[j], ys[i]): losses[i, j] for i, j in np.argwhere(computed)}

        def evaluate(points: list[tuple[float, float]]) -> Tensor:
            new = [point for point in points if point not in memory]
            self.resumed += len(points) - len(new)
            if new:
                memory.update(zip(new, evaluator.losses(new, self._stop)[part].tolist(),
                                  strict=True))
            return torch.tensor([memory[point] for point in points], dtype=torch.float64)

        for now in preview_rounds(evaluate, xs.tolist(), ys.tolist(), bound=self.config.bound):
            self.arrays |= {key: now.losses.numpy(), f"{key}.computed": now.computed.numpy(),
                            f"{key}.held_out": np.array([now.median, now.largest, now.bound])}
            self.points += now.points - spent
            spent = now.points
            self.save()
            error = f", held-out error {now.largest:.1%}" if len(now.held_out) else ""
            self.tick(0, f"{text}: {now.points} points{error}")

    def _known(self, key: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The earlier run's losses, and which of them it computed."""
        losses, computed = (self._earlier.get(name) for name in (key, f"{key}.computed"))
        if losses is None or computed is None or losses.shape != shape:
            return np.full(shape, np.nan), np.zeros(shape, bool)
        return losses, computed

    def _stop(self, *_: int) -> None:
        self._writer.checkpoint()


class _Lazy:
    """An `Evaluator` that is built at its first point: none for a surface already computed."""

    def __init__(self, model: nn.Module, plane: Plane, batches: Batches, memory: int,
                 ranks: Ranks | None) -> None:
        self._made: Evaluator | SharedPoints | None = None
        self._make = lambda: shared(Evaluator(model, plane, batches, memory=memory), ranks)

    def losses(self, points: list[tuple[float, float]], progress: Count) -> dict[str, Tensor]:
        self._made = self._made or self._make()
        return self._made.losses(points, progress)


def _left_behind(config: LandscapeConfig, store: RunStore, writer: RunWriter
                 ) -> dict[str, np.ndarray]:
    """The arrays that this run has left itself, where it goes on; else those of the newest
    unfinished run of this config by the same versions; else none."""
    versions = writer.run.manifest["versions"]
    own = [writer.run] if writer.run.has("landscape.npz") else []
    for run in own + store.list(config.kind):
        same = run in own or (run.id != writer.run.id and run.state in UNFINISHED
                              and run.config == config)
        if same and run.manifest["versions"] == versions and run.has("landscape.npz"):
            try:
                return run.arrays("landscape")
            except RunError:
                continue
    return {}
