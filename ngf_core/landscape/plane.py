"""Planes in parameter space: around one model along random directions, or through three models.

A plane maps (x, y) to a whole model state, origin + x u + y v. How BatchNorm's running statistics
vary on it is part of the definition, since they decide what the picture shows: on a random plane
they stay fixed; on the plane through three models they move affinely.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ngf_core.errors import NGFError
from ngf_core.landscape.directions import Direction, random_direction

State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Plane:
    """The states origin + x u + y v.

    origin: name -> tensor, every parameter and floating-point buffer at (0, 0).
    u, v: name -> tensor, one unit along x and y; what is in neither stays at the origin.
    parameters: which names are parameters; only these count in distances and projections.
    floors: name -> tensor, values below which a running variance is not taken.
    """

    origin: State
    u: Direction
    v: Direction
    parameters: tuple[str, ...]
    floors: State = field(default_factory=dict)

    @property
    def moved(self) -> tuple[str, ...]:
        """Names that differ from point to point, in the origin's order."""
        return tuple(name for name in self.origin if name in self.u or name in self.v)

    def value(self, name: str, x: float, y: float) -> Tensor:
        """The tensor `name` at (x, y), in float64; at (0, 0) the origin's own value exactly."""
        value = self.origin[name].double()
        if name in self.u:
            value = value + x * self.u[name]
        if name in self.v:
            value = value + y * self.v[name]
        return torch.maximum(value, self.floors[name]) if name in self.floors else value

    def around(self, model: nn.Module) -> "Plane":
        """The same directions around another model of the same architecture.

        To compare models before and after purification, build one random plane from the backdoored
        model and carry it to the others with this: they are then seen along the same directions
        at the same scale. Directions scaled to each model's own filters would differ, and hide or
        invent a change of sharpness. Raises NGFError where the shapes differ, or for a plane
        through three models, which cannot be moved.
        """
        origin = model_state(model)
        check_same_tensors(origin, self.origin, "the model", "the plane's model")
        if set(self.moved) - set(self.parameters) or self.floors:
            raise NGFError("This plane passes through three models and cannot be moved to another. "
                           "Build a plane of its own with model_plane.")
        return replace(self, origin=origin)


class Projection(NamedTuple):
    """Coordinates of the nearest point of a plane, and the distance to it."""

    x: float
    y: float
    distance: float


def random_plane(model: nn.Module, generator: torch.Generator, vectors: str = "still") -> Plane:
    """The plane around `model` along two filter-normalised random directions, u drawn first.

    `vectors` is how biases and BatchNorm's weights move, as in `random_direction`; BatchNorm's
    running statistics stay the model's.

    v is independent of u and not made orthogonal to it: that would change the norms of its filters
    after they were set, and the two axes would no longer share one scale. In P dimensions the
    cosine between independent directions is about 1/sqrt(P), so the axes are nearly square anyway;
    `project` does not rely on it. Units: 1 moves each filter by its own norm. Raises NGFError as
    `random_direction` does.
    """
    return Plane(model_state(model), random_direction(model, generator, vectors),
                 random_direction(model, generator, vectors), parameter_names(model))


def model_plane(a: nn.Module, b: nn.Module, c: nn.Module,
                names: tuple[str, str, str] = ("first", "second", "third"),
                ) -> tuple[Plane, Tensor]:
    """The plane through three models, and the models' coordinates on it, (3, 2) float64.

    Gram-Schmidt over all parameters: origin a, u = (b - a)/||b - a||, v = the part of c - a
    across u, normalised. So a = (0, 0), b = (||b - a||, 0), c = (p, q) with q > 0, and distances
    in the picture are distances between parameter vectors. The same affine map moves the
    floating-point buffers: each corner is its model, with its own BatchNorm statistics, to
    rounding. Between the corners the statistics are interpolated, not measured. Outside the
    triangle an affine variance could turn negative, so each channel's variance is taken no lower
    than the smallest the three models have there.

    `names` are used in messages. Raises NGFError if the models differ in architecture, hold values
    that are not finite, have equal parameters, or lie on one line (to rounding).
    """
    models, states = (a, b, c), [model_state(m) for m in (a, b, c)]
    for name, model, state in zip(names, models, states):
        check_same_tensors(state, states[0], f"the model {name!r}", f"the model {names[0]!r}")
        check_finite(state, name)
        check_fixed_buffers(model, a, name, names[0])
    parameters = parameter_names(a)
    to_b, to_c = _minus(states[1], states[0]), _minus(states[2], states[0])
    across = _minus(states[2], states[1])

    rounding = 4 * max(torch.finfo(states[0][n].dtype).eps for n in parameters) * max(
        _norm(state, parameters) for state in states)
    for i, j, difference in ((0, 1, to_b), (0, 2, to_c), (1, 2, across)):
        if _norm(difference, parameters) <= rounding:
            raise NGFError(f"The models {names[i]!r} and {names[j]!r} have the same parameters, so "
                           "the three define no plane. Choose three different models, or use "
                           "a random plane.")
    length = _norm(to_b, parameters)
    u = {name: d / length for name, d in to_b.items()}
    p = _dot(to_c, u, parameters)
    rest = {name: d - p * u[name] for name, d in to_c.items()}
    q = _norm(rest, parameters)
    if q <= rounding:
        raise NGFError(f"The models {names[0]!r}, {names[1]!r} and {names[2]!r} lie on one line, "
                       "so many planes pass through them. Choose another third model, or plot "
                       "the line.")
    v = {name: d / q for name, d in rest.items()}
    moved = [name for name in u if u[name].any() or v[name].any()]
    floors = {name: torch.stack([s[name].double() for s in states]).amin(0)
              for name in moved if name.endswith("running_var")}
    plane = Plane(states[0], {n: u[n] for n in moved}, {n: v[n] for n in moved}, parameters, floors)
    return plane, torch.tensor([[0.0, 0.0], [length, 0.0], [p, q]], dtype=torch.float64)


def project(plane: Plane, state: Mapping[str, Tensor]) -> Projection:
    """Where a parameter state falls on the plane: (x, y), and its distance off the plane.

    Least squares, min ||delta - x u - y v|| over the parameters, delta = state - origin, by the
    2 x 2 normal equations, so u and v need not be orthogonal. The distance is Euclidean, in
    parameter space. Parameters that `state` leaves out count as at the origin (a path of one tuned
    layer names only that layer); buffers in it are not counted. Raises NGFError for a name or
    shape the plane does not have, and for directions that span no plane.
    """
    for name, tensor in state.items():
        if name in plane.origin and tensor.shape != plane.origin[name].shape:
            raise NGFError(f"{name} has shape {tuple(tensor.shape)}, but on this plane it has "
                           f"{tuple(plane.origin[name].shape)}. Project states of the "
                           "architecture the plane was built from.")
        if name not in plane.origin and tensor.is_floating_point():
            raise NGFError(f"This plane has no tensor named {name}. Project states of the "
                           "architecture the plane was built from.")
    delta, u, v = {}, {}, {}
    for name in plane.parameters:
        origin = plane.origin[name].double()
        zero = torch.zeros((), dtype=torch.float64, device=origin.device).expand_as(origin)
        delta[name] = state[name].detach().to(origin) - origin if name in state else zero
        u[name] = plane.u[name].double() if name in plane.u else zero
        v[name] = plane.v[name].double() if name in plane.v else zero
    uu, uv, vv = (_dot(s, t, plane.parameters) for s, t in ((u, u), (u, v), (v, v)))
    du, dv = (_dot(delta, t, plane.parameters) for t in (u, v))
    determinant = uu * vv - uv * uv
    if determinant <= 1e-12 * uu * vv:
        raise NGFError("The plane's two directions point the same way or are zero, so they span no "
                       "plane. Draw two different directions.")
    x, y = (vv * du - uv * dv) / determinant, (uu * dv - uv * du) / determinant
    rest = {name: delta[name] - x * u[name] - y * v[name] for name in plane.parameters}
    return Projection(x, y, _norm(rest, plane.parameters))


def model_state(model: nn.Module) -> State:
    """A copy of every parameter and floating-point buffer of `model`, by name."""
    tensors = dict(model.named_parameters()) | {
        name: b for name, b in model.named_buffers() if b.is_floating_point()}
    return {name: t.detach().clone() for name, t in tensors.items()}


def check_same_tensors(state: State, expected: State, who: str, whom: str) -> None:
    """Raise NGFError at the first tensor whose name or shape is not the same in both."""
    for name in expected | state:
        shapes = [tuple(s[name].shape) if name in s else None for s in (state, expected)]
        if shapes[0] != shapes[1]:
            has, other = ("no such tensor" if s is None else f"shape {s}" for s in shapes)
            raise NGFError(f"The architectures differ: {name} has {has} in {who} and {other} in "
                           f"{whom}. Choose models of one architecture.")


def check_finite(state: State, who: str) -> None:
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise NGFError(f"The model {who!r} holds values that are not finite in {name}. Choose "
                           "a model whose training did not diverge.")


def check_fixed_buffers(model: nn.Module, other: nn.Module, who: str, whom: str) -> None:
    """Whole numbers cannot be interpolated; BatchNorm's batch count alone changes no output."""
    theirs = dict(other.named_buffers())
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() or name.endswith("num_batches_tracked"):
            continue
        if name not in theirs or not torch.equal(buffer, theirs[name]):
            raise NGFError(f"The buffer {name} of the model {who!r} holds other whole numbers than "
                           f"that of {whom!r}, and cannot be interpolated. Choose models that "
                           "share it.")


def parameter_names(model: nn.Module) -> tuple[str, ...]:
    return tuple(name for name, _ in model.named_parameters())


def _minus(left: State, right: State) -> State:
    return {name: left[name].double() - right[name].double() for name in right}


def _dot(left: State, right: State, names: tuple[str, ...]) -> float:
    return sum(float((left[n].double() * right[n].double()).sum()) for n in names)


def _norm(state: State, names: tuple[str, ...]) -> float:
    return _dot(state, state, names) ** 0.5
