"""What pages import late, imported before a shared server listens."""

from importlib import import_module

# Packages, and those parts of packages that are loaded when they are first used.
LATE = (
    "ngf_core.attacks.badnets",
    "ngf_core.data.signs",
    "ngf_core.inside.models",
    "ngf_core.layers.oracle",
    "ngf_core.models.build",
    "ngf_core.models.image_size",
    "ngf_core.trained.gallery",
    "ngf_core.trained.load",
    "ngf_core.trained.poison_preview",
    "jinja2",
    "pandas.io.formats.style",
    "plotly.graph_objs._contour",
    "plotly.graph_objs._figure",
    "plotly.graph_objs._heatmap",
    "plotly.graph_objs._scatter3d",
    "plotly.graph_objs._surface",
    "safetensors.torch",
    "scipy.stats",
    "skimage.exposure",
    "skimage.metrics",
    "sklearn.decomposition",
    "torch",
)


def warm_up() -> None:
    """Import `LATE`: some seconds at the start of a server, which no visitor of a class waits for.

    On one's own machine each page imports what it needs, so that the first one opens at once.
    """
    for name in LATE:
        import_module(name)
