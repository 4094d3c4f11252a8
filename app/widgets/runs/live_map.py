"""A layer map being computed: the rates of the layers that are done."""

from app import state
from app.figures import layers as figures
from app.figures.curves import curve_table, race_alt
from app.figures.origin import of_run
from app.text import sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.config import LayersConfig
from ngf_core.runs import Run

TEXT = sections("layers")


def live_map(run: Run) -> None:
    """ASR and ACC of the layers so far; nothing before the first."""
    points = run.points()
    if points.empty:
        return
    metrics = figures.live_metrics(points)
    methods, names = run.config_as(LayersConfig).names, state.layers_of(run)
    figure_card(figures.live_options(points, methods, names, dark=is_dark()), key="layers_live",
                caption=TEXT["live"], height=420,
                origin=of_run(run), filename=f"live-{run.id}", live=True,
                table=curve_table(points, metrics), alt=race_alt(points, methods, metrics))
