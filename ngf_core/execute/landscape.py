"""A landscape run: a line, a random plane and the plane through the models, clean and triggered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ngf_core.config import LandscapeConfig
from ngf_core.errors import NGFError
from ngf_core.execute.sources import Source, held_out, load_source
from ngf_core.landscape import (
    Plane,
    line,
    model_plane,
    project,
    random_plane,
    surface_rows,
)
from ngf_core.models.build import tunable_layer
from ngf_core.runs import RunStore, RunWriter

LINE_POINTS = 41
MARGIN = 0.35


def execute(config: LandscapeConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Measure and leave landscape.npz, rewritten after every row; what is not computed is NaN.

    All models are seen along the same two directions, drawn and filter-normalised on the received
    model. The plane through three models needs a race of exactly two methods that both moved.
    """
    source = load_source(config.source, store)
    before = source.models["before"]
    where = next(before.parameters()).device
    writer.note(device=str(where), data_sha=source.dataset.sha256)
    batches = held_out(source.dataset, source.attack, config.samples, config.seed, where)
    generator = torch.Generator().manual_seed(config.seed)
    plane = random_plane(before.requires_grad_(True), generator)
    side = np.linspace(-config.span, config.span, config.grid)
    ts = np.linspace(-config.span, config.span, LINE_POINTS)
    arrays: dict[str, np.ndarray] = {"models": np.array(list(source.models)), "line_t": ts,
                                     "xs": side, "ys": side}
    through, why_not = _through_models(source, store.get(config.source))
    total = len(source.models) * (LINE_POINTS + config.grid**2)
    total += config.grid**2 if through else 0
    done = 0

    def tick(points: int, text: str) -> None:
        nonlocal done
        done += points
        writer.checkpoint()
        writer.progress(done, total, text)

    tick(0, "Choosing directions")
    for name, model in source.models.items():
        losses = line(model, plane.u, ts, batches, lambda *_: writer.checkpoint())
        arrays |= {f"{name}.line.{part}": row.numpy() for part, row in losses.items()}
        tick(LINE_POINTS, f"{name}: line")
    for name, model in source.models.items():
        for row in _surface(f"{name}.random", model, plane.around(model), side, side, batches,
                            arrays, writer):
            tick(config.grid, f"{name}: row {row + 1} of {config.grid}")
    if through:
        middle, points, paths = through
        xs, ys = _window(points, config.grid)
        arrays |= {"plane_xs": xs, "plane_ys": ys, "plane.points": points} | paths
        for row in _surface("plane", before, middle, xs, ys, batches, arrays, writer):
            tick(config.grid, f"plane through the models: row {row + 1} of {config.grid}")
    writer.arrays("landscape", arrays)
    holes = sum(int((~np.isfinite(a)).sum()) for key, a in arrays.items() if "." in key)
    return {"samples": len(batches["clean"][1]), "points": total, "not_finite": holes,
            "no_plane": why_not}


def _surface(key: str, model: torch.nn.Module, plane: Plane, xs: np.ndarray, ys: np.ndarray,
             batches: dict, arrays: dict[str, np.ndarray], writer: RunWriter) -> Iterator[int]:
    """Fill arrays[key.clean], arrays[key.triggered] row by row and save after each."""
    for part in batches:
        arrays[f"{key}.{part}"] = np.full((len(ys), len(xs)), np.nan)
    for i, rows in surface_rows(model, plane, xs, ys, batches, lambda *_: writer.checkpoint()):
        for part, row in rows.items():
            arrays[f"{key}.{part}"][i] = row.numpy()
        writer.arrays("landscape", arrays)
        yield i


def _through_models(source: Source, run: Any) -> tuple[tuple | None, str | None]:
    """(plane, points (3, 2), path arrays) through before and two methods, or why there is none."""
    names = list(source.models)
    if len(names) != 3:
        return None, "The plane through the models needs a race of exactly two methods."
    try:
        plane, points = model_plane(*source.models.values(), names=tuple(names))
    except NGFError as error:
        return None, str(error)
    paths = {}
    for name in names[1:]:
        if run.has(f"path_{name}.npz"):
            paths |= _path(name, plane, source, run.arrays(f"path_{name}"))
    return (plane, points.numpy(), paths), None


def _path(name: str, plane: Plane, source: Source, path: dict[str, np.ndarray]
          ) -> dict[str, np.ndarray]:
    layer = tunable_layer(source.models["before"], source.layer)
    parameters = {f"{source.layer}.{key}": p.detach() for key, p in layer.named_parameters()}
    places = []
    for delta in torch.from_numpy(path["deltas"]).float():
        parts = delta.to(plane.origin[next(iter(parameters))].device).split(
            [p.numel() for p in parameters.values()])
        state = {key: p + part.view(p.shape)
                 for (key, p), part in zip(parameters.items(), parts, strict=True)}
        places.append(project(plane, state)[:2])
    return {f"{name}.path": np.array(places), f"{name}.path_steps": path["steps"]}


def _window(points: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes that show the three models with a margin."""
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low).max()
    return tuple(np.linspace(low[i] - margin, high[i] + margin, grid) for i in range(2))
