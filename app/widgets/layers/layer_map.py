"""One layer map: its result, its figure, the table of rules, and the button to a race."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.figures import layers as figures
from app.figures.origin import of_run
from app.read.once import once
from app.text import define_all, sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.cost_line import duration
from app.widgets.controls.figure_card import figure_card
from app.widgets.curvature.measurement import settings
from app.widgets.layers.layer_rules import best_layer, layer_rules, picks_of, rule_title
from app.widgets.layers.map_outcome import map_outcome
from app.widgets.race.race_form import open_form_as
from ngf_core.config import LayersConfig, PurifyConfig
from ngf_core.config.methods import with_layer
from ngf_core.runs import Run

TEXT = sections("layers")
# The settings that a race on one of the layers takes from the map.
SHARED = ("source", "clean_fraction", "clean_balance", "augment", "batchnorm", "seed")


def layer_map_cards(run: Run) -> None:
    """The results of a finished map."""
    results = run.results
    rows, picks = figures.map_frame(results["map"]), picks_of(results)
    benign = results["before"]["asr"] is None
    st.markdown(map_outcome(results, best_layer(results), rule_title(results["rule"])),
                help=define_all("Oracle", "Rule", "Interval"))
    figure_card(once(figures.layer_map, rows, results["before"], picks, dark=is_dark()),
                key="layers_map", caption=TEXT["map benign" if benign else "map"],
                table=figures.map_table(rows), origin=of_run(run), filename=f"layers-{run.id}",
                alt=figures.map_alt(rows))
    _race(run, figures.layer_names(rows))
    layer_rules(run)
    st.caption(f"{_cost(results)} Settings: {settings(run)}.")


def _race(run: Run, names: list[str]) -> None:
    """A button to the race's form, with a layer of this map filled in."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="layers_race"):
        auto = run.results["auto"]
        layer = st.selectbox("Layer", names, index=names.index(auto) if auto in names else 0,
                             key="layers_race_on", width=300)
        if st.button("Race on this layer", icon=":material/flag:", key="layers_race_start"):
            config = run.config_as(LayersConfig)
            like: dict[str, Any] = {name: getattr(config, name) for name in SHARED}
            methods = {own.method: own for own in (*PurifyConfig().methods, *config.methods)}
            st.switch_page("app/views/race.py", query_params=open_form_as(
                PurifyConfig(methods=with_layer(tuple(methods.values()), layer), **like)))


def _cost(results: Mapping[str, Any]) -> str:
    """What the map cost, in full fine-tunings of as many steps: by processor time, which other
    jobs on the machine do not affect, where the run recorded it."""
    full = results.get("finetune") or {}
    clock = "cpu_seconds" if "cpu_seconds" in results and "cpu_seconds" in full else "seconds"
    text = f"The whole map took {duration(results['seconds'])}"
    if full.get(clock):
        text += f", {results[clock] / full[clock]:.1f} times the "
        text += "processor time" if clock == "cpu_seconds" else "time"
        text += f" of one full fine-tuning of as many steps ({duration(full['seconds'])})"
    return f"{text}, on {results['clean_images']:,} clean images."
