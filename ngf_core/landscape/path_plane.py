"""The plane of a purification path: its two leading principal components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ngf_core.errors import NGFError
from ngf_core.landscape.plane import Plane, State, model_state, parameter_names


@dataclass(frozen=True, eq=False)
class PathPlane:
    """A plane through a path's mean, and how much of the path it shows.

    variance: (2,) float64, the shares of the points' variance that lie along x and y.
    points: (s, 2) float64, the coordinates of the points, projected.
    distances: (s,) float64, how far each point lies off the plane.
    """

    plane: Plane
    variance: Tensor
    points: Tensor
    distances: Tensor


def path_plane(model: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> PathPlane:
    """The plane that lies closest to the points of one or several paths, by least squares.

    Principal components of the points w_i (Li et al., "Visualizing the Loss Landscape of Neural
    Nets", 2018, arXiv 1712.09913, section 7, who centre on the last point instead of the mean):
    M has the rows w_i - mean(w), the directions are the eigenvectors of M^T M, found through the
    small Gram matrix M M^T (s x s). Unit vectors, so x and y are distances between parameter
    vectors; each points from the first state to the last.

    states: name -> tensor, of the same parameters each (a path of one tuned layer names only that
    layer), in order. What they do not name, BatchNorm's statistics among them, is as in `model`
    everywhere on the plane. Raises NGFError for fewer than three points, points on one line, and
    names or shapes that the model does not have.
    """
    if len(states) < 3:
        raise NGFError(f"A plane needs at least three points of a path, and there are "
                       f"{len(states)}. Run the race with more steps, or use a random plane.")
    origin, names = model_state(model), tuple(states[0])
    parameters = parameter_names(model)
    for state in states:
        _check(state, names, origin, parameters)
    points = torch.stack([_flat(state, names) for state in states])
    mean = points.mean(0)
    rows = points - mean
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    values, vectors = values.flip(0), vectors.flip(1)
    rounding = 1e-12 * float(points.square().sum())
    if float(values[1]) <= rounding:
        raise NGFError("The points of the path lie on one line, so they span no plane. Plot "
                       "the loss along the path instead.")
    directions = vectors[:, :2].T @ rows / values[:2].sqrt()[:, None]
    ahead = directions @ (points[-1] - points[0])
    directions = torch.where(ahead[:, None] < 0, -directions, directions)
    coordinates = rows @ directions.T
    off = (rows - coordinates @ directions).norm(dim=1)
    origin |= {n: t.to(origin[n]) for n, t in _split(mean, states[0]).items()}
    u, v = (_split(direction, states[0]) for direction in directions)
    return PathPlane(Plane(origin, u, v, parameters), values[:2] / values.sum(), coordinates, off)


def _check(state: Mapping[str, Tensor], names: tuple[str, ...], origin: State,
           parameters: tuple[str, ...]) -> None:
    if tuple(state) != names:
        raise NGFError("The points of the path do not name the same parameters. Give each point "
                       "of every path the parameters of one and the same layer.")
    for name, tensor in state.items():
        if name not in parameters or tensor.shape != origin[name].shape:
            raise NGFError(f"The path moves {name} with shape {tuple(tensor.shape)}, which is not "
                           "a parameter of the model. Give the parameters alone, of a path of this "
                           "architecture.")
        if not tensor.isfinite().all():
            raise NGFError(f"The path holds values that are not finite in {name}. Choose a run "
                           "that did not diverge.")


def _flat(state: Mapping[str, Tensor], names: tuple[str, ...]) -> Tensor:
    return torch.cat([state[name].detach().double().reshape(-1) for name in names])


def _split(flat: Tensor, like: Mapping[str, Tensor]) -> State:
    parts = flat.split([t.numel() for t in like.values()])
    return {name: part.view(t.shape) for part, (name, t) in zip(parts, like.items(), strict=True)}
