"""Loss landscapes: directions, planes, and the loss computed at every point of a grid."""

from ngf_core.landscape.directions import VECTORS, Direction, random_direction
from ngf_core.landscape.eigenplane import EigenPlane, curvature_along, eigen_plane
from ngf_core.landscape.evaluator import Evaluator
from ngf_core.landscape.path import arc_length, chord, path_losses
from ngf_core.landscape.path_plane import PathPlane, path_plane
from ngf_core.landscape.plane import Plane, Projection, model_plane, project, random_plane
from ngf_core.landscape.preview import Preview, preview, preview_rounds
from ngf_core.landscape.shared_points import SharedPoints, shared
from ngf_core.landscape.surface import line, losses_at, surface, surface_rows

__all__ = ["VECTORS", "Direction", "EigenPlane", "Evaluator", "PathPlane", "Plane", "Preview",
           "Projection", "SharedPoints", "arc_length", "chord", "curvature_along", "eigen_plane",
           "line", "losses_at", "model_plane", "path_losses", "path_plane", "preview",
           "preview_rounds", "project", "random_direction", "random_plane", "shared", "surface",
           "surface_rows"]
