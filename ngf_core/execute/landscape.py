"""A landscape run: lines, paths and planes of a run's models, on clean and triggered images."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ngf_core.config import LandscapeConfig
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.operators.sharded import Curvature, sharded
from ngf_core.errors import NGFError
from ngf_core.execute.canvas import Canvas
from ngf_core.landscape import (
    arc_length,
    chord,
    curvature_along,
    eigen_plane,
    losses_at,
    model_plane,
    path_losses,
    path_plane,
    project,
    random_plane,
)
from ngf_core.models.build import tuned_layers
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.files import path_file
from ngf_core.trained.load import TrainedModels, load_trained
from ngf_core.trained.samples import held_out

LINE_POINTS = 41
CHORD = np.linspace(-0.25, 1.25, 31)
MARGIN = 0.35
State = dict[str, Tensor]
Paths = dict[str, "Path"]
Batches = dict[str, tuple[Tensor, Tensor]]


class Path(NamedTuple):
    """The recorded points of one method's path: after how many steps, (s,), and the weights."""

    steps: np.ndarray
    states: list[State]


def execute(config: LandscapeConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Measure and write landscape.npz, rewritten after every row; what is not computed is NaN.

    All models are measured along the same directions: the random ones are drawn and
    filter-normalised on the received model, the eigenvectors are those of its Hessian. The planes
    of the paths and through three models need a race; where one cannot be computed the results
    state why. A cancelled or killed run of the same config is taken up, see `Canvas`; so is this
    run itself where it goes on.
    """
    source = load_trained(config.source, store)
    before = source.models["before"].requires_grad_(True)
    where = next(before.parameters()).device
    writer.note(device=str(where), data_sha=source.dataset.sha256)
    batches = held_out(source.dataset, source.attack, config.samples, config.seed, where,
                       source.given)
    paths = _paths(source, store.get(config.source))
    surfaces = {"random": len(source.models), "eigen": len(source.models),
                "path": bool(paths), "models": len(source.models) >= 3}
    total = LINE_POINTS * len(source.models) + len(CHORD) * (len(source.models) - 1) + sum(
        len(path.states) for path in paths.values()) + config.grid**2 * sum(
            surfaces[plane] for plane in config.planes)
    canvas = Canvas(config, store, writer, tuple(batches), total)
    canvas.arrays["models"] = np.array(list(source.models))
    generator = torch.Generator().manual_seed(config.seed)
    canvas.tick(0, "Choosing directions")
    random = random_plane(before, generator, config.vectors)
    _lines(canvas, source, random, batches)
    _between(canvas, source, paths, batches)
    why_not: dict[str, str] = {}
    for plane in config.planes:
        try:
            if plane == "random":
                side = np.linspace(-config.span, config.span, config.grid)
                canvas.arrays |= {"xs": side, "ys": side}
                for name, model in source.models.items():
                    canvas.surface(f"{name}.random", f"{name}, random plane", model,
                                   random.around(model), side, side, batches)
            elif plane == "eigen":
                _eigen(canvas, source, batches, generator)
            elif plane == "path":
                _path(canvas, source, paths, batches)
            else:
                _models(canvas, source, paths, batches)
        except NGFError as error:
            why_not[plane] = str(error)
    canvas.save()
    losses = [a for key, a in canvas.arrays.items() if key.rpartition(".")[2] in batches]
    return {"samples": len(batches["clean"][1]), "points": canvas.points,
            "not_finite": sum(int((~np.isfinite(a)).sum()) for a in losses),
            "no_plane": why_not.get("models"), "why_not": why_not, "resumed": canvas.resumed}


def _lines(canvas: Canvas, source: TrainedModels, random: Any, batches: Batches) -> None:
    """The loss along the random plane's first direction, from every model."""
    span = canvas.config.span
    ts = canvas.arrays["line_t"] = np.linspace(-span, span, LINE_POINTS)
    for name, model in source.models.items():
        canvas.curve(f"{name}.line", f"{name}: line", LINE_POINTS, partial(
            losses_at, model, random.around(model), [(t, 0.0) for t in ts], batches,
            memory=canvas.memory, ranks=canvas.ranks))


def _between(canvas: Canvas, source: TrainedModels, paths: Paths, batches: Batches
             ) -> None:
    """From the received model to each purified one: straight, and along the recorded path."""
    before = source.models["before"]
    canvas.arrays["chord_t"] = CHORD
    for name, model in list(source.models.items())[1:]:
        straight = chord(before, model, names=("before", name))
        canvas.curve(f"{name}.chord", f"{name}: straight from before", len(CHORD),
                     partial(losses_at, before, straight, [(t, 0.0) for t in CHORD], batches,
                             memory=canvas.memory, ranks=canvas.ranks))
    for name, path in paths.items():
        canvas.arrays |= {f"{name}.path_steps": path.steps,
                          f"{name}.path_length": arc_length(path.states).numpy()}
        canvas.curve(f"{name}.along", f"{name}: along its path", len(path.states),
                     partial(path_losses, source.models[name], path.states, batches,
                             memory=canvas.memory, ranks=canvas.ranks))


def _eigen(canvas: Canvas, source: TrainedModels, batches: Batches, generator: torch.Generator
           ) -> None:
    """The received model's plane of its two leading eigenvectors, carried to every model."""
    def count(done: int, most: int) -> None:
        canvas.tick(0, f"eigenvectors: Hessian product {done} of at most {most}")

    def hessian(model: nn.Module) -> Curvature:
        return sharded(lambda share: HessianOperator(model, share, memory=canvas.memory),
                       batches["clean"], canvas.ranks)

    before = source.models["before"]
    found = eigen_plane(before, hessian(before), generator, progress=count)
    # At this distance lambda_1 x^2 / 2 is one nat.
    nat = (2 / max(abs(float(found.values[0])), 1e-12)) ** 0.5
    half = 2 * canvas.config.span * nat
    side = canvas.axis("eigen_xs", np.linspace(-half, half, canvas.config.grid))
    canvas.arrays |= {"eigen_ys": side, "eigen_values": found.values.cpu().numpy(),
                      "eigen_residuals": found.residuals.cpu().numpy()}
    for name, model in source.models.items():
        plane = found.plane.around(model)
        canvas.arrays[f"{name}.curvature"] = curvature_along(
            plane, hessian(model.requires_grad_(True))).cpu().numpy()
        canvas.surface(f"{name}.eigen", f"{name}, eigen plane", model, plane, side, side, batches)


def _path(canvas: Canvas, source: TrainedModels, paths: Paths, batches: Batches) -> None:
    """The plane that lies closest to the paths of all methods that tune chosen layers."""
    if not paths:
        raise NGFError("The plane of a path needs a race with NGF or SGD: a path is recorded where "
                       "chosen layers are tuned.")
    model = source.models[next(iter(paths))]
    found = path_plane(model, [state for path in paths.values() for state in path.states])
    xs, ys = _window(found.points.numpy(), canvas.config.grid)
    canvas.arrays |= {"path_xs": xs, "path_ys": ys, "path_variance": found.variance.numpy()}
    start = 0
    for name, path in paths.items():
        here = slice(start, start + len(path.states))
        canvas.arrays |= {f"{name}.on_path_plane": found.points[here].numpy(),
                          f"{name}.off_path_plane": found.distances[here].numpy()}
        start += len(path.states)
    canvas.surface("path", "plane of the paths", model, found.plane, xs, ys, batches)


def _models(canvas: Canvas, source: TrainedModels, paths: Paths, batches: Batches
            ) -> None:
    """The plane through before and the first two methods, with their paths projected onto it."""
    if len(source.models) < 3:
        raise NGFError("The plane through the models needs a race of at least two methods.")
    (before, a), (first, b), (second, c) = list(source.models.items())[:3]
    plane, points = model_plane(a, b, c, names=(before, first, second))
    xs, ys = _window(points.numpy(), canvas.config.grid)
    canvas.arrays |= {"plane_xs": xs, "plane_ys": ys, "plane.points": points.numpy()}
    for name in (first, second):
        if name in paths:
            canvas.arrays[f"{name}.path"] = np.array([project(plane, state)[:2]
                                                      for state in paths[name].states])
    canvas.surface("plane", "plane through the models", source.models["before"], plane, xs, ys,
                   batches)


def _paths(source: TrainedModels, run: Run) -> Paths:
    """The recorded points of each path, as the tuned layers' weights; the last is the model's own.

    The others were recorded in half precision, as steps from the received weights.
    """
    paths = {}
    for name in list(source.models)[1:]:
        if not run.has(f"{path_file(name)}.npz"):
            continue
        layers = tuned_layers(source.models["before"],
                              run.results[name].get("layer", source.layer))
        received = {f"{at}.{key}": p.detach() for at, layer in layers.items()
                    for key, p in layer.named_parameters()}
        path = run.arrays(path_file(name))
        states = []
        for delta in torch.from_numpy(path["deltas"]).float():
            parts = delta.split([p.numel() for p in received.values()])
            states.append({key: p + part.view(p.shape).to(p.device) for (key, p), part
                           in zip(received.items(), parts, strict=True)})
        own = dict(source.models[name].named_parameters())
        last = {key: own[key].detach() for key in received}
        paths[name] = Path(path["steps"], [*states[:-1], last])
    return paths


def _window(points: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes that show the points with a margin."""
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low).max()
    xs, ys = (np.linspace(low[i] - margin, high[i] + margin, grid) for i in range(2))
    return xs, ys
