"""Loss landscapes: lines and paths, planes as contours and surfaces, and their difference.

All planes of one figure share axes and colour scale, so that equal colours mean equal loss.
Cells that are NaN (not computed, or not finite) stay blank; `blank_cells` counts them. Where a
surface is interpolated, `computed` marks the computed points, which are drawn as dots.
"""

from app.figures.landscape.contours import contour_row, difference_row, plane_table
from app.figures.landscape.lines import line, line_table
from app.figures.landscape.live import live_plane
from app.figures.landscape.models import model_plane
from app.figures.landscape.panel_by_panel import panels
from app.figures.landscape.scale import blank_cells, height
from app.figures.landscape.surfaces import CAMERAS, surface_row

__all__ = ["CAMERAS", "blank_cells", "contour_row", "difference_row", "height", "line",
           "line_table", "live_plane", "model_plane", "panels", "plane_table", "surface_row"]
