"""Audit: is one model flatter than another, and would the numbers fool you?"""

import streamlit as st

from app.figures.origin import of_run, of_runs
from app.text import sections
from app.widgets.controls.notice import guarded
from app.widgets.curvature.audit_cards import (
    control_card,
    evidence_card,
    pair_table,
    plane_card,
    ratio_card,
    together,
    verdict_card,
)
from app.widgets.curvature.audit_form import ask_pair
from app.widgets.curvature.measurement import measurement
from app.widgets.curvature.shipped_audit import shipped_audit
from ngf_core.config import AuditConfig
from ngf_core.runs import Run

TEXT = sections("audit")
FORM = {"parameters": "Parameters", "samples": "Images", "further": "Sets of other images",
        "seed": "Seed"}


def page() -> None:
    """Choose a pair of models, show what its audit found; below, the audit that ships."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    run = measurement(AuditConfig, FORM, TEXT["empty"], ask=ask_pair)
    if run is not None:
        _own(run)
    shipped_audit(opened=run is None)


def _own(run: Run) -> None:
    runs = together(run)
    pairs = [one.results for one in runs]
    verdict_card(pairs)
    sources = [(pair["models"]["before"]["run"], pair["models"]["after"]["run"]) for pair in pairs]
    command = _command(run.config_as(AuditConfig), sources)
    ratio_card(pairs, of_runs(runs, command))
    pair_table(run.results)
    control_card(run.results)
    if "plane" in run.results:  # an older audit has none
        plane_card(run.results, of_run(run))
    evidence_card(run.results)
    st.caption(TEXT["rule"])
    st.markdown("**The command that audits these models again**")
    st.code(command, language="bash", wrap_lines=True)


def _command(config: AuditConfig, sources: list[tuple[str, str]]) -> str:
    words = ["python -m ngf_core audit", *(before for before, _ in sources)]
    if any(before != after for before, after in sources):
        words += ["--against", *(after for _, after in sources)]
    for name in ("model", *FORM):
        value = getattr(config, name)
        if value != getattr(AuditConfig, name):
            words.append(f"--{name} {value}")
    return " ".join(words)


guarded(page)()
