"""The rules that pick a layer from clean data: their measures, their picks, the results there."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app.figures.layers import Pick
from app.text import define, sections
from app.widgets.runs.result_tiles import interval
from ngf_core.evaluate.rates import UNDEFINED, Rate
from ngf_core.runs import Run

TEXT = sections("layers")
ORACLE = "Oracle (knows the attack)"


def layer_rules(run: Run) -> None:
    """The table of each rule's pick on one model, and what each rule measures."""
    results = run.results
    st.header("Which layer would a defender pick?", anchor=False)
    st.dataframe(rules_table(results), key="layers_rules", hide_index=True, width="stretch",
                 height="content", alt="What each rule picks and NGF's result there.")
    st.caption(TEXT["rules"], help=define("Oracle"))
    with st.expander("What each rule measures", icon=":material/help:", key="layers_meanings"):
        entries = [(ORACLE, TEXT["oracle measures"])]
        entries += [(_title(rule, results), rule_measures(rule)) for rule in _rules(results)]
        st.markdown("\n".join(f"- **{who}**: {measures}" for who, measures in entries))


def rules_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """One row per rule, the oracle first, then the rule behind "auto"; NGF's rates at each pick."""
    entries = {entry["layer"]: entry for entry in results["map"] if entry["method"] == "ngf"}
    best = best_layer(results)
    picks = [(ORACLE, best)] if best else []
    picks += [(_title(rule, results), results["chosen"][rule]) for rule in _rules(results)]
    rows = []
    for who, layer in picks:
        at, oracle = entries.get(layer, {}), entries.get(best, {})
        rows.append({"picked by": who, "layer": layer or "none",
                     "ASR above the oracle's":
                     "–" if who == ORACLE else _above(at.get("asr"), oracle.get("asr")),
                     "ASR": _rate(at.get("asr")), "ACC": _rate(at.get("acc"))})
    return pd.DataFrame(rows)


def picks_of(results: Mapping[str, Any]) -> list[Pick]:
    """The picks to mark on the map: the oracle's, the default rule's, the other rules'."""
    best = best_layer(results)
    picks = [Pick(ORACLE, best, "oracle")] if best else []
    return picks + [Pick(_title(rule, results), results["chosen"][rule],
                         "default" if rule == results["rule"] else "rule")
                    for rule in _rules(results) if results["chosen"][rule]]


def best_layer(results: Mapping[str, Any]) -> str | None:
    """The oracle's layer; None for a benign model and where nothing was measured."""
    return (results.get("oracle") or {}).get("layer")


def rule_title(rule: str) -> str:
    """A rule's name on screen."""
    return rule.replace("_", " ").capitalize()


def rule_measures(rule: str) -> str:
    """What a rule measures, in plain words; its docstring where app/text has none."""
    if f"rule {rule}" in TEXT:
        return TEXT[f"rule {rule}"]
    # Imported on demand: it needs torch.
    from ngf_core.layers.rules import RULES

    return " ".join((RULES[rule].scores.__doc__ or "").split()) if rule in RULES else ""


def _rules(results: Mapping[str, Any]) -> list[str]:
    """The rules of the map, the one behind "auto" first."""
    return sorted(results["chosen"], key=lambda rule: rule != results["rule"])


def _title(rule: str, results: Mapping[str, Any]) -> str:
    return rule_title(rule) + " (auto)" * (rule == results["rule"])


def _rate(counts: Mapping[str, int] | None) -> str:
    rate = Rate.from_json(counts)
    if rate is None:
        return "not measured"
    return f"{rate.percent()} ({interval(rate)})" if rate.n else f"{UNDEFINED} (n = 0)"


def _above(asr: Mapping[str, int] | None, oracle: Mapping[str, int] | None) -> str:
    mine, best = Rate.from_json(asr), Rate.from_json(oracle)
    if not mine or not best or not mine.n or not best.n:
        return "not measured"
    return f"{100 * (mine.value - best.value):+.1f} points"
