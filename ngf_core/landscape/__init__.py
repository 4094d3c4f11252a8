"""Loss landscapes: directions, planes, and the loss computed at every point of a grid."""

from ngf_core.landscape.directions import Direction, random_direction
from ngf_core.landscape.plane import Plane, Projection, model_plane, project, random_plane
from ngf_core.landscape.surface import line, surface, surface_rows

__all__ = ["Direction", "Plane", "Projection", "line", "model_plane", "project",
           "random_direction", "random_plane", "surface", "surface_rows"]
