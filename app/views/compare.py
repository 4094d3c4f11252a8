"""Compare: up to six runs beside one another, and what may be subtracted."""

import streamlit as st

from app import state
from app.figures.origin import of_runs
from app.text import sections
from app.widgets.compare.chosen_runs import WIDGET, chosen_runs
from app.widgets.compare.curves_card import curves_card
from app.widgets.compare.differences_card import differences_card
from app.widgets.compare.settings_card import letters_card, settings_card
from app.widgets.compare.small_multiples import landscapes_card, spectra_card
from app.widgets.controls.address import choose
from app.widgets.controls.notice import guarded
from app.widgets.runs.run_name import attack_name
from ngf_core.compare.differences import compare
from ngf_core.compare.readings import PURIFIED, model_title, models_of
from ngf_core.runs.files import RECEIVED
from ngf_core.runs.lineage import recorded_training

TEXT = sections("compare")
FEW = 3  # runs of the example


def page() -> None:
    """The runs in ?runs=, against ?baseline=."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    runs = chosen_runs()
    if len(runs) < 2:
        st.info(TEXT["one" if runs else "none"], icon=":material/compare_arrows:")
        _ways_on()
        return
    letters = dict(zip((run.id for run in runs), "ABCDEF", strict=False))
    models = models_of(runs, state.store())
    usual = {RECEIVED: "As received", PURIFIED: "Purified"}
    titles = {name: usual.get(name, model_title(name)) for name in models}
    left, right = st.columns([2, 3])
    with left:
        baseline = choose("baseline", "Baseline", letters, runs[0].id, help=TEXT["baseline"])
    with right:
        model = choose("compared", "Model", titles, next(
            (name for name in models if name != RECEIVED), next(iter(models))), help=TEXT["model"])
    found = compare(runs, state.store(), baseline)
    by_letter = {letters[run.id]: run for run in runs}
    letters_card(found, runs)
    settings_card(found)
    origin = of_runs(runs, f"{found.command} --model {model}")
    guarded(differences_card)(found, model, origin)
    guarded(curves_card)(by_letter, model, origin)
    guarded(spectra_card)(by_letter, letters[baseline], origin)
    guarded(landscapes_card)(by_letter, letters[baseline], model, origin)


def _ways_on() -> None:
    """To all runs, and to some shipped ones beside one another."""
    st.page_link("app/views/runs.py", label="See all runs", icon=":material/list:")
    made = {run.id: recorded_training(run.manifest) for run in state.store().list("purify")
            if run.shipped}
    races = {name: training for name, training in sorted(made.items()) if training}
    if len(races) >= FEW:
        some = list(races)[:FEW]
        of = ", ".join(attack_name(races[name].attack) for name in some)
        # A link to the page on which it stands leaves the address as it is.
        st.button(TEXT["example"].format(attacks=of), icon=":material/compare_arrows:",
                  key="compare_example", type="tertiary",
                  on_click=lambda: state.remember(WIDGET, some))


guarded(page)()
