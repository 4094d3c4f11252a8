"""Loss landscapes: directions, planes, and the loss computed at every point of a grid."""

from ngf_core.landscape.directions import Direction, random_direction
from ngf_core.landscape.evaluator import Evaluator
from ngf_core.landscape.plane import Plane, Projection, model_plane, project, random_plane
from ngf_core.landscape.surface import line, losses_at, surface, surface_rows

__all__ = ["Direction", "Evaluator", "Plane", "Projection", "line", "losses_at", "model_plane",
           "project", "random_direction", "random_plane", "surface", "surface_rows"]
