"""Ablation: NGF with one ingredient removed at a time, over attacks and seeds."""

import streamlit as st

from app.figures import ablation as figures
from app.figures.origin import of_table
from app.read.once import once
from app.text import define, sections
from app.widgets.benchmark.benchmark_table import benchmark_table
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.notice import guarded
from ngf_core.attacks import ATTACKS
from ngf_core.evidence import COMMAND
from ngf_core.evidence.ablation import VARIANTS, carried, effects, values
from ngf_core.evidence.measures import MEASURES

TEXT = sections("ablation")
SHOWN = {name: MEASURES[name].title for name in ("asr", "acc_drop", "ra", "der")}


def page() -> None:
    """The summary, then every attack."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    cells = benchmark_table("cells")
    if cells is None:
        return
    if not cells["entrant"].isin(VARIANTS).any():
        st.info(TEXT["nothing"], icon=":material/hourglass_empty:")
        st.code(COMMAND, language="bash")
        return
    measure = choose("metric", "Measure", SHOWN, "asr",
                     help="\n\n".join(f"**{word}**: {define(word)}" for word in
                                      ("ASR", "RA", "DER")))
    title = SHOWN[measure]
    found = once(effects, cells, measure)
    st.markdown("\n".join(f"- {sentence}" for sentence in carried(found, title)))
    st.caption(TEXT["not alone"])
    dark, known = is_dark(), once(values, cells, measure)
    attacks = {name: entry.title for name, entry in ATTACKS.items()}
    figure_card(once(figures.effect_dots, found, title, dark=dark,
                     higher_is_better=MEASURES[measure].higher_is_better),
                key="ablation_effects", caption=TEXT["effects"],
                table=figures.effect_table(found),
                origin=of_table(cells, COMMAND), filename=f"ablation-{measure}",
                alt=f"Difference in {title} of each variant to full NGF: " + "; ".join(
                    f"{VARIANTS[e.variant].title} {figures.difference_text(e)}"
                    for e in found[1:]) + ".")
    st.header("Attack by attack", anchor=False)
    there = known.dropna(how="all").index.unique("attack")
    gone = [attacks[name] for name in known.index.unique("attack") if name not in there]
    figure_card(once(figures.attack_panels, known, title, attacks, dark=dark),
                key="ablation_attacks",
                caption=TEXT["panels"] + f" Not computed yet: {', '.join(gone)}." * bool(gone),
                table=figures.panel_table(known, attacks),
                origin=of_table(cells, COMMAND), filename=f"ablation-attacks-{measure}",
                alt=figures.panels_alt(known, title, attacks))
    st.header("What is removed", anchor=False)
    st.markdown(TEXT["what"])
    models, there = len(known), int(known.notna().any(axis=1).sum())
    st.caption(f"{known.index.get_level_values('attack').nunique()} attacks, seeds "
               f"{', '.join(map(str, sorted(known.index.unique('seed'))))}: {models} backdoored "
               f"models, {there} of them with at least one variant. Computed, and completed where "
               "something is missing, by:")
    st.code(COMMAND, language="bash")
    st.page_link("app/views/runs.py", label="See the runs", icon=":material/list:")


guarded(page)()
