"""The sharpness measures of a spectrum run: table, changes, and definitions."""

import streamlit as st

from app.figures.origin import of_run
from app.figures.sharpness import RECEIVED, Measures, changes, long_table, table, titles
from app.text import sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.runs import Run


def sharpness_card(run: Run, names: list[str]) -> None:
    """The measures of the models called `names`; a sentence where none was measured."""
    text = sections("spectrum")
    st.header("Sharpness measures", anchor=False)
    models: dict[str, Measures] = {
        name: measures for name in names
        if (measures := run.results.get(name, {}).get("sharpness"))}
    if not models:
        st.caption(text["no sharpness"])
        return
    st.dataframe(table(models), key="sharpness_table", hide_index=True, width="stretch")
    st.caption(text["sharpness"].format(samples=run.results["samples"]))
    _meanings(models)
    if len(models) > 1 and RECEIVED in models:
        figure_card(changes(models, dark=is_dark()), key="sharpness_changes",
                    caption=text["changes"], table=long_table(models),
                    origin=of_run(run), filename=f"sharpness-{run.id}",
                    alt="Change of each sharpness measure against the received model with its 95 % "
                        "interval: " + "; ".join(_changes(models)) + ".")


def _meanings(models: dict[str, Measures]) -> None:
    entries = {name: entry for measures in models.values() for name, entry in measures.items()}
    with st.expander("What each measure is, and what moves it while the function barely changes",
                     icon=":material/help:", key="sharpness_meanings"):
        for entry in entries.values():
            st.markdown(f"**{entry['title']}**: {entry['definition']} Moved by "
                        f"{entry['moved_by']}. Error of the computation: {entry['error_is']}.")


def _changes(models: dict[str, Measures]) -> list[str]:
    shown = table(models).to_dict("records")
    return [f"{row['measure']}, {column}: {row[column]}" for row in shown for column in row
            if "−" in column] if titles(models) else []
