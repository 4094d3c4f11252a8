"""How far each rule's pick of a layer is from the oracle's, over attacks and seeds.

The frame of regrets has one row per rule and model: rule, attack, seed, layer, oracle (its layer),
asr and acc: how many points ASR is higher, and ACC lower, at the rule's pick.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.theme import ink, plotly_template
from ngf_core.evaluate.rates import RATES, Rate
from ngf_core.evidence.measures import rate_in

SCORE = "score_"
COLUMNS = ("rule", "attack", "seed", "layer", "oracle", "asr", "acc")
JITTER = 0.22
Oracle = Callable[[list[dict], dict], Mapping[str, str] | None]


def regrets(rows: pd.DataFrame, before: Mapping[tuple[str, int], dict], oracle: Oracle
            ) -> pd.DataFrame:
    """Regrets of every rule with a column of scores, on every model whose rates are known.

    `rows` are maps of several models with the columns attack, seed, layer, method, the counts, and
    score_<rule>, whose highest value is the rule's pick; `oracle` returns the best layer from a
    map's entries and the counts as received. NGF's rows are compared.
    """
    found = []
    for (attack, seed), of in rows[rows["method"] == "ngf"].groupby(["attack", "seed"], sort=False):
        entries = {row["layer"]: {"layer": row["layer"], "method": "ngf", **counts(row)}
                   for _, row in of.iterrows()}
        known = [entry for entry in entries.values() if all(entry[rate] for rate in RATES)]
        best = oracle(known, before[attack, int(seed)]) if (attack, int(seed)) in before else None
        if best is None:
            continue
        for column in (name for name in of.columns if name.startswith(SCORE)):
            scores = of.set_index("layer")[column].astype(float)
            scores = scores[np.isfinite(scores)]
            if scores.empty:
                continue
            pick = scores.idxmax()
            found.append((column.removeprefix(SCORE), attack, int(seed), pick, best["layer"],
                          _points(entries[pick]["asr"], entries[best["layer"]]["asr"]),
                          -_points(entries[pick]["acc"], entries[best["layer"]]["acc"])))
    return pd.DataFrame(found, columns=list(COLUMNS))


def counts(row: Mapping[str, Any]) -> dict[str, dict[str, int] | None]:
    """The rates of a table's row as counts; None where one was not measured."""
    rates = {name: rate_in(row, name) for name in RATES}
    return {name: rate.to_json() if rate and rate.n else None for name, rate in rates.items()}


def left_out(table: pd.DataFrame) -> pd.DataFrame:
    """The regrets of the rule chosen without the attack at hand: for each attack, the rule with the
    least mean ASR regret on all others."""
    parts = []
    for attack in table["attack"].unique():
        others = table[table["attack"] != attack].groupby("rule", sort=False)["asr"].mean()
        if others.notna().any():
            parts.append(table[(table["attack"] == attack) & (table["rule"] == others.idxmin())])
    return pd.concat(parts) if parts else table.iloc[:0]


def regret_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row per rule, the least mean ASR regret first, with the worst model and how often it
    picks the oracle's own layer."""
    rows = []
    for rule, of in table.groupby("rule", sort=False):
        known = of.dropna(subset="asr")
        worst = known.loc[known["asr"].idxmax()] if len(known) else None
        rows.append({
            "rule": rule, "ASR above the oracle's": known["asr"].mean(),
            "ACC below the oracle's": known["acc"].mean(),
            "worst": None if worst is None else worst["asr"],
            "worst on": None if worst is None else f"{worst['attack']}, seed {worst['seed']}",
            "picks the oracle's layer": f"{int((of['layer'] == of['oracle']).sum())} of {len(of)}"})
    return pd.DataFrame(rows).sort_values("ASR above the oracle's", ignore_index=True)


def regret_figure(table: pd.DataFrame, *, dark: bool) -> go.Figure:
    """Each model as a pale mark, the mean of each rule as a diamond; the best rule on top."""
    tone, figure = ink(dark), go.Figure()
    means = table.groupby("rule", sort=False)["asr"].mean().sort_values()
    for at, (rule, mean) in enumerate(means.items()):
        of = table[table["rule"] == rule].sort_values(["attack", "seed"])
        spread = np.linspace(-JITTER, JITTER, len(of)) if len(of) > 1 else np.zeros(len(of))
        figure.add_scatter(
            x=of["asr"], y=at + spread, mode="markers", showlegend=False,
            marker={"size": 7, "color": tone.muted, "opacity": 0.55},
            text=[f"{rule}<br>{row.attack}, seed {row.seed}: {row.layer}, oracle {row.oracle}"
                  for row in of.itertuples()],
            hovertemplate="%{text}<br>%{x:+.1f} points<extra></extra>")
        figure.add_scatter(
            x=[mean], y=[at], mode="markers", showlegend=False,
            marker={"size": 13, "color": tone.text, "symbol": "diamond"},
            hovertemplate=f"{rule}: mean %{{x:+.1f}} points<extra></extra>")
    figure.add_vline(x=0, line={"color": tone.muted, "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title="points of ASR above oracle", zeroline=False)
    figure.update_yaxes(tickvals=list(range(len(means))), showgrid=False, zeroline=False,
                        range=[len(means) - 0.5, -0.5],
                        ticktext=[f"{rule}<br><b>{mean:+.1f}</b>" for rule, mean in means.items()])
    figure.update_layout(template=plotly_template(dark), height=110 + 46 * max(len(means), 1))
    return figure


def regret_alt(table: pd.DataFrame) -> str:
    """The means in words, the best rule first."""
    means = table.groupby("rule", sort=False)["asr"].mean().sort_values()
    values = "; ".join(f"{rule} {mean:+.1f}" for rule, mean in means.items())
    return f"ASR at each rule's pick above the oracle's, mean points over all models: {values}."


def _points(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> float:
    """One rate minus another in points; NaN where one is unknown."""
    mine, theirs = Rate.from_json(one), Rate.from_json(other)
    if mine is None or theirs is None:
        return float("nan")
    return 100 * (mine.value - theirs.value)
