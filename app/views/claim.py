"""Sharpness claim: are backdoored models sharper, and does purification flatten them?"""

import pandas as pd
import streamlit as st

from app.figures import claim as figures
from app.figures.origin import of_table
from app.read.claim_findings import findings
from app.read.once import once
from app.text import sections
from app.widgets.benchmark.benchmark_table import benchmark_table
from app.widgets.benchmark.claim_sizes import claim_sizes
from app.widgets.benchmark.tables_choice import Tables, command_of, tables_choice
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.notice import guarded
from ngf_core.attacks import ATTACKS
from ngf_core.evidence.verdict import (
    MEASURES,
    PATH_MEASURES,
    levels,
    log_ratios,
    model_correlations,
    path_correlations,
    verdicts,
)

TEXT = sections("claim")
TITLES = {name: entry.title for name, entry in ATTACKS.items()}
NAMES = figures.MEASURE_TITLES
PARTS = {"readings": "Readings", "sizes": "Sizes of network", "values": "Values",
         "asr": "Sharpness against ASR", "how": "How it was measured"}


def page() -> None:
    """Verdicts first, then what they rest on, a part at a time."""
    st.title(TEXT["title"])
    of = tables_choice()
    claim = benchmark_table("claim", of)
    if claim is None:
        return
    table, dark = once(verdicts, claim), is_dark()
    for finding in findings(table):
        st.header(finding.sentence, anchor=False)
        st.caption(finding.evidence)
    st.markdown(TEXT["intro"])
    part = choose("part", "What it rests on", PARTS, "readings")
    # Fragments: a choice in one of them redraws that one alone.
    if part == "readings":
        _readings(table, claim, of, dark)
    elif part == "sizes":
        st.fragment(guarded(claim_sizes))(dark)
    elif part == "values":
        st.fragment(guarded(_values))(claim, of, dark)
    elif part == "asr":
        _against_asr(claim, of, dark)
    else:
        _how(claim, of)


def _readings(table: pd.DataFrame, claim: pd.DataFrame, of: Tables, dark: bool) -> None:
    figure_card(once(figures.ratio_panels, table, dark=dark), key="claim_ratios",
                caption=TEXT["ratios"], table=figures.long_table(table),
                origin=of_table(claim, of.command), filename="sharpness-claim",
                alt="Ratios of sharpness with 95 % intervals. "
                + " ".join(finding.sentence for finding in findings(table)), columns=2)
    st.dataframe(figures.verdict_table(table), key="claim_verdicts", hide_index=True,
                 width="stretch", height="content")
    st.caption(TEXT["rule"])


def _against_asr(claim: pd.DataFrame, of: Tables, dark: bool) -> None:
    st.header("Along the tuning path", anchor=False)
    st.fragment(guarded(_path))(of, dark)
    st.header("Over models", anchor=False)
    st.dataframe(figures.correlation_table(once(model_correlations, claim)), key="claim_models",
                 hide_index=True, width="stretch", height="content")
    st.caption(TEXT["models"])


def _values(claim: pd.DataFrame, of: Tables, dark: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="claim_reading"):
        images = choose("images", "Images", figures.IMAGE_TITLES, "held_out")
        parameters = choose("parameters", "Parameters", figures.PARAMETER_TITLES, "all")
    here = claim[(claim["images"] == images) & (claim["parameters"] == parameters)]
    if here.empty:
        st.info(TEXT["no reading"], icon=":material/hourglass_empty:")
        return
    found = once(levels, here)
    where = f"{figures.IMAGE_TITLES[images]}, {figures.PARAMETER_TITLES[parameters]}"
    figure_card(once(figures.level_panels, found, here, dark=dark), key="claim_levels",
                caption=TEXT["levels"], table=found,
                origin=of_table(here, of.command), filename=f"sharpness-{images}-{parameters}",
                alt=f"Sharpness on {where}: " + "; ".join(
                    f"{NAMES[row['measure']]} {figures.MODEL_TITLES[row['model']]} "
                    f"{figures.level_text(row)}" for _, row in found.iterrows()) + ".")
    st.header("Attack by attack", anchor=False)
    measure = choose("measure", "Measure", {name: NAMES[name] for name in MEASURES}, "lambda_max")
    ratios = once(log_ratios, here[here["measure"] == measure])
    figure_card(once(figures.attack_panels, ratios, TITLES, dark=dark), key="claim_attacks",
                caption=TEXT["attacks"].format(where=where), table=ratios,
                origin=of_table(here, of.command), filename=f"sharpness-attacks-{measure}",
                alt=f"Ratios of {NAMES[measure]} on {where}, one panel per pair of models, attack "
                    "by attack; the numbers are in the table.")


def _path(of: Tables, dark: bool) -> None:
    path = benchmark_table("path", of)
    if path is None:
        return
    if not path[list(PATH_MEASURES)].notna().any(axis=None):
        st.info(TEXT["no path"], icon=":material/hourglass_empty:")
        return
    measure = choose("path", "Measure along the path", {name: NAMES[name]
                                                        for name in PATH_MEASURES}, "lambda_max")
    found = figures.correlation_table(once(path_correlations, path))
    figure_card(once(figures.path_panels, path, measure, TITLES, dark=dark), key="claim_path",
                caption=TEXT["path"], table=path.dropna(subset=measure),
                origin=of_table(path, of.command), filename=f"sharpness-path-{measure}",
                alt=f"{NAMES[measure]} against ASR along the tuning, one panel per attack. Rank "
                    "correlations: " + "; ".join(
                        f"{row['method']}, {row['measure']}: {row['ρ with ASR']}"
                        for _, row in found.iterrows()) + ".")
    st.dataframe(found, key="claim_path_table", hide_index=True, width="stretch")
    st.caption(TEXT["path table"])


def _how(claim: pd.DataFrame, of: Tables) -> None:
    st.markdown(TEXT["measures"])
    st.markdown(TEXT["errors"])
    error = (claim["error"] / claim["value"].abs()).median()
    st.markdown(f"n = {' or '.join(map(str, sorted(claim['n'].unique())))} images per set; "
                f"attacks: {claim['attack'].nunique()}; seeds: "
                f"{', '.join(map(str, sorted(claim['seed'].unique())))}; models by attack and "
                f"seed: {figures.counted(claim)}. Median standard error over images: "
                f"{100 * error:.0f} % of the value. Computed, and completed where something is "
                "missing, by:")
    command_of(of)
    with st.expander(f"Every value ({len(claim):,} rows)", key="claim_rows_box"):
        st.dataframe(claim, key="claim_rows", hide_index=True)
        st.download_button("Download CSV", lambda: claim.to_csv(index=False).encode(),
                           file_name="claim.csv", mime="text/csv", key="claim_csv",
                           on_click="ignore")


guarded(page)()
