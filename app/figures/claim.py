"""The sharpness claim's figures and words: verdicts, log-ratios, attacks, paths."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.theme import MethodStyle, ink, plotly_template, style
from ngf_core.evidence.entrants import BY_RULE, CLAIMED, ENTRANTS
from ngf_core.evidence.measures import BEFORE
from ngf_core.evidence.verdict import (
    COMPARISONS,
    FAILS,
    HOLDS,
    IMAGES,
    MODELS,
    OPEN,
    PARAMETERS,
    UNIT,
)

MEASURE_TITLES = {"lambda_max": "λ_max", "trace": "trace", "adaptive_lambda_max": "adaptive λ_max",
                  "adaptive_trace": "adaptive trace", "fisher_trace": "Tr(F)"}
IMAGE_TITLES = {"held_out": "held-out images", "defender": "the defender's own images"}
PARAMETER_TITLES = {"all": "all parameters", "layer": "the tuned layer"}
SHORT = {"held_out": "held-out", "defender": "defender's", "all": "all", "layer": "tuned layer"}
MODEL_TITLES = {"benign": "Benign", "backdoored": "Backdoored", "ngf": "NGF", "sgd": "SGD",
                "finetune": "Fine-tuning", BY_RULE: ENTRANTS[BY_RULE].title}
# One mark shows a cell's verdict at a glance and without colour.
MARKS = {HOLDS: "✓", FAILS: "✗", OPEN: "○"}


def model_style(model: str) -> MethodStyle:
    """How a model of the claim is drawn: the backdoored one is the one without defense, NGF on a
    layer chosen by rule has the hue next to NGF's."""
    if model == BY_RULE:
        return MethodStyle(MODEL_TITLES[BY_RULE], "#56B4E9", "dot", "hexagon")
    return style(BEFORE if model == "backdoored" else model)


def pair_title(comparison: str) -> str:
    """"NGF / backdoored"."""
    pair = COMPARISONS[comparison]
    return f"{MODEL_TITLES[pair.model]} / {MODEL_TITLES[pair.other].lower()}"


def times(row: Mapping[str, float]) -> str:
    """"1.42 (1.20–1.68)", with an en dash: the mean ratio with its 95 % interval."""
    if not math.isfinite(row["ratio"]):
        return "no ratio"
    ends = f" ({row['low']:.2f}–{row['high']:.2f})" if math.isfinite(row["low"]) else ""
    return f"{row['ratio']:.2f}{ends}"


def counted(claim: pd.DataFrame) -> str:
    """"9 benign, 9 backdoored, 9 NGF": the models of a table, one per attack and seed."""
    models = claim.drop_duplicates([*UNIT, "model"])["model"]
    return ", ".join(f"{(models == name).sum()} {MODEL_TITLES[name] if name in CLAIMED else name}"
                     for name in MODELS if name in set(models))


def verdict_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison, images and parameters; one column per measure with the verdict's mark
    and the ratio.
    """
    table = verdicts.assign(cell=[
        f"{MARKS[row['verdict']]} ×{times(row)} {row['agree']}/{row['attacks']}"
        for _, row in verdicts.iterrows()])
    wide = table.pivot(index=["comparison", "images", "parameters"], columns="measure",
                       values="cell").fillna("not measured")
    order = list(dict.fromkeys(zip(*(verdicts[name] for name in wide.index.names), strict=True)))
    wide = wide.reindex(order, columns=[m for m in MEASURE_TITLES if m in wide]).reset_index()
    wide["comparison"] = [pair_title(name) for name in wide["comparison"]]
    wide["images"] = wide["images"].map(SHORT)
    wide["parameters"] = wide["parameters"].map(SHORT)
    return wide.rename(columns=MEASURE_TITLES).rename_axis(columns=None)


def long_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Every verdict with its numbers, one row each."""
    return verdicts.assign(
        comparison=[pair_title(name) for name in verdicts["comparison"]],
        images=verdicts["images"].map(IMAGE_TITLES),
        parameters=verdicts["parameters"].map(PARAMETER_TITLES),
        measure=verdicts["measure"].map(MEASURE_TITLES),
        agree=[f"{a} of {b}" for a, b in zip(verdicts["agree"], verdicts["attacks"], strict=True)]
    ).drop(columns="attacks").rename(columns={
        "n": "pairs", "left_out": "left out", "agree": "attacks with the claimed sign"})


def ratio_panels(verdicts: pd.DataFrame, *, dark: bool) -> list[go.Figure]:
    """Mean ratios with 95 % intervals, one panel per set of images and of parameters.

    Right of the line at 1 is sharper. Hollow marks are not resolved.
    """
    reach = _ratio_reach(verdicts[["ratio", "low", "high"]].to_numpy(float))
    return [_ratio_panel(rows, f"{IMAGE_TITLES[i]}, {PARAMETER_TITLES[p]}", reach, dark)
            for i in IMAGES for p in PARAMETERS
            if len(rows := verdicts[(verdicts["images"] == i) & (verdicts["parameters"] == p)])]


def _ratio_panel(rows: pd.DataFrame, title: str, reach: tuple[float, float],
                 dark: bool) -> go.Figure:
    figure = go.Figure()
    measures = [name for name in MEASURE_TITLES if name in set(rows["measure"])]
    names = [name for name in COMPARISONS if name in set(rows["comparison"])]
    for turn, name in enumerate(names):
        drawn, mine = model_style(COMPARISONS[name].model), rows[rows["comparison"] == name]
        at = [measures.index(m) + (turn - (len(names) - 1) / 2) * 0.155 for m in mine["measure"]]
        ratio, low, high = (mine[part].astype(float) for part in ("ratio", "low", "high"))
        figure.add_scatter(
            x=ratio, y=at, mode="markers", name=pair_title(name), showlegend=True,
            error_x={"type": "data", "array": (high - ratio).fillna(0),
                     "arrayminus": (ratio - low).fillna(0), "thickness": 2, "width": 4,
                     "color": drawn.color},
            marker={"color": drawn.color, "size": 10, "line": {"color": drawn.color, "width": 2},
                    "symbol": [drawn.symbol + "-open" * (word == OPEN)
                               for word in mine["verdict"]]},
            text=[f"{MEASURE_TITLES[row['measure']]}: ×{times(row)}<br>{row['verdict']}, n = "
                  f"{row['n']}, {row['agree']} of {row['attacks']} attacks"
                  for _, row in mine.iterrows()],
            hovertemplate=f"{pair_title(name)}<br>%{{text}}<extra></extra>")
    _log_axis(figure, reach, "ratio (right of 1: sharper)", dark)
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(measures))),
                        ticktext=[MEASURE_TITLES[name] for name in measures], showgrid=False,
                        range=[len(measures) - 0.45, -0.55])
    figure.update_layout(
        template=plotly_template(dark), height=150 + 84 * len(measures), title=f"<b>{title}</b>")
    return figure


def level_panels(levels: pd.DataFrame, claim: pd.DataFrame, *, dark: bool) -> list[go.Figure]:
    """One panel per measure: every model's value a dot, each kind's geometric mean with its
    interval.

    levels, claim: the result of `levels` and the values themselves, for one set of images and of
    parameters.
    """
    return [_level_panel(levels[levels["measure"] == name], claim[claim["measure"] == name], title,
                         dark)
            for name, title in MEASURE_TITLES.items() if name in set(claim["measure"])]


def _level_panel(levels: pd.DataFrame, claim: pd.DataFrame, title: str, dark: bool) -> go.Figure:
    figure, tone = go.Figure(), ink(dark)
    shown = claim[(claim["value"] > 0) & np.isfinite(claim["value"])].drop_duplicates(
        ["model", "run", "value"])
    for _, row in levels.iterrows():
        drawn, label = model_style(row["model"]), MODEL_TITLES[row["model"]]
        mine = shown[shown["model"] == row["model"]]
        figure.add_scatter(
            x=mine["value"], y=[label] * len(mine), mode="markers", showlegend=False,
            marker={"color": drawn.color, "symbol": drawn.symbol, "size": 6, "opacity": 0.45},
            text=[f"{attack}, seed {seed}: {value:.4g} ± {error:.2g}" for attack, seed, value, error
                  in zip(*(mine[c] for c in ("attack", "seed", "value", "error")), strict=True)],
            hovertemplate=f"{label}, %{{text}}<extra></extra>")
        known = math.isfinite(row["low"])
        figure.add_scatter(
            x=[row["value"]], y=[label], mode="markers", showlegend=False,
            marker={"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": tone.text}},
            error_x={"type": "data", "array": [row["high"] - row["value"]], "thickness": 2,
                     "arrayminus": [row["value"] - row["low"]], "width": 6, "color": tone.text}
            if known else None,
            hovertemplate=f"{label}: {level_text(row)}<extra></extra>")
    reach = _reach(shown["value"].to_numpy(float))
    figure.update_xaxes(type="log", range=[math.log10(end) for end in reach], zeroline=False,
                        dtick="D2" if reach[1] < 100 * reach[0] else 1, tickformat="~g",
                        title=title)
    figure.update_yaxes(range=[len(levels) - 0.4, -0.6], categoryarray=[
        MODEL_TITLES[name] for name in levels["model"]])
    figure.update_layout(template=plotly_template(dark), height=100 + 34 * len(levels),
                         title=f"<b>{title}</b>")
    return figure


def level_text(row: Mapping[str, float]) -> str:
    """"117 (98 to 140), n = 42": a geometric mean with its 95 % interval."""
    ends = f" ({row['low']:.3g} to {row['high']:.3g})" if math.isfinite(row["low"]) else ""
    return f"{row['value']:.3g}{ends}, n = {row['n']}"


def attack_panels(ratios: pd.DataFrame, attacks: Mapping[str, str], *,
                  dark: bool) -> list[go.Figure]:
    """One panel per comparison: attacks down, one dot per seed, a bar their mean (of the
    logarithm). An attack without a ratio has no row.

    ratios: `log_ratios` of one measure, set of images and of parameters.
    """
    reach = _ratio_reach(ratios[["ratio"]].to_numpy(float))
    names = [name for name in COMPARISONS if name in set(ratios["comparison"])]
    return [_attack_panel(ratios[ratios["comparison"] == name], name, attacks, reach, dark)
            for name in names]


def _attack_panel(rows: pd.DataFrame, name: str, attacks: Mapping[str, str],
                  reach: tuple[float, float], dark: bool) -> go.Figure:
    figure, tone, drawn = go.Figure(), ink(dark), model_style(COMPARISONS[name].model)
    known = rows.dropna(subset="ratio")
    shown = [attack for attack in attacks if attack in set(known["attack"])]
    means = np.exp(known.groupby("attack")["log_ratio"].mean())
    figure.add_scatter(x=means, y=[attacks[attack] for attack in means.index], mode="markers",
                       showlegend=False, hovertemplate="%{y}: mean ×%{x:.2f}<extra></extra>",
                       marker={"symbol": "line-ns", "size": 15,
                               "line": {"width": 3, "color": tone.text}})
    figure.add_scatter(x=known["ratio"], y=[attacks[attack] for attack in known["attack"]],
                       mode="markers", showlegend=False, text=known["seed"],
                       marker={"color": drawn.color, "symbol": drawn.symbol, "size": 8,
                               "opacity": 0.75},
                       hovertemplate="%{y}, seed %{text}: ×%{x:.2f}<extra></extra>")
    _log_axis(figure, reach, "ratio (right of 1: sharper)", dark)
    figure.update_yaxes(categoryorder="array",
                        categoryarray=[attacks[attack] for attack in shown],
                        range=[len(shown) - 0.4, -0.6])
    figure.update_layout(template=plotly_template(dark), height=100 + 22 * len(shown),
                         title=f"<b>{pair_title(name)}</b>")
    return figure


def path_panels(path: pd.DataFrame, measure: str, attacks: Mapping[str, str], *,
                dark: bool) -> list[go.Figure]:
    """One panel per attack: sharpness over ASR along the tuning, one line per method and seed.

    The ring is the received model, where all methods start; the mark at the other end is the
    purified one. If sharpness fell with the backdoor, lines would run from upper right to lower
    left.
    """
    known = path.dropna(subset=["asr", measure])
    known = known[known[measure] > 0]
    reach = _reach(known[[measure]].to_numpy(float))
    return [_path_panel(known[known["attack"] == name], measure, title, reach, dark)
            for name, title in attacks.items() if name in set(known["attack"])]


def _path_panel(rows: pd.DataFrame, measure: str, title: str, reach: tuple[float, float],
                dark: bool) -> go.Figure:
    figure, tone = go.Figure(), ink(dark)
    for entrant, lines in rows.groupby("entrant", sort=False):
        # One trace holds the lines of all seeds, a row of NaN after each: every trace costs the
        # page some ten milliseconds.
        drawn, lines = style(entrant), _with_gaps(lines.sort_values(["seed", "step"]))
        ends = lines["seed"].ne(lines["seed"].shift(-1))
        figure.add_scatter(
            x=100 * lines["asr"], y=lines[measure], mode="lines+markers", name=drawn.label,
            showlegend=True, line={"color": drawn.color, "dash": drawn.dash, "width": 1.5},
            marker={"color": drawn.color, "symbol": drawn.symbol,
                    "line": {"width": 0}, "size": [9 if end else 3 for end in ends]},
            text=[f"seed {row['seed']:g}, step {row['step']:g}" for _, row in lines.iterrows()],
            hovertemplate=f"{drawn.label}, %{{text}}<br>ASR %{{x:.0f}} %, %{{y:.3g}}"
            "<extra></extra>")
    start = rows[rows["step"] == 0].drop_duplicates(UNIT)
    figure.add_scatter(x=100 * start["asr"], y=start[measure], mode="markers", showlegend=False,
                       marker={"symbol": "circle-open", "size": 13, "color": tone.text,
                               "line": {"width": 2, "color": tone.text}}, hoverinfo="skip")
    figure.update_xaxes(title="ASR, %", range=[-4, 104], zeroline=False)
    figure.update_yaxes(title=MEASURE_TITLES[measure], type="log",
                        range=[math.log10(end) for end in reach],
                        dtick="D2" if reach[1] < 100 * reach[0] else 1, tickformat="~g")
    figure.update_layout(template=plotly_template(dark), height=280, title=f"<b>{title}</b>")
    return figure


def _with_gaps(lines: pd.DataFrame) -> pd.DataFrame:
    """The rows, with one of NaN between two seeds."""
    gap = pd.DataFrame(math.nan, index=[0], columns=["asr", "seed"])
    parts = [part for _, line in lines.groupby("seed") for part in (line, gap)]
    return pd.concat(parts[:-1], ignore_index=True)


def correlation_table(found: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlations in words: rho with its interval, n and the verdict."""
    table = found.rename(columns={"entrant": "method", "left_out": "left out"}).copy()
    table["ρ with ASR"] = [_rho(row) for _, row in found.iterrows()]
    table["sharpness falls with ASR"] = [f"{MARKS[word]} {word}" for word in found["verdict"]]
    for column, titles in (("method", MODEL_TITLES), ("images", IMAGE_TITLES),
                           ("parameters", PARAMETER_TITLES), ("measure", MEASURE_TITLES)):
        if column in table:
            table[column] = table[column].map(titles)
    return table.drop(columns=["rho", "low", "high", "verdict"])


def _rho(row: Mapping[str, float]) -> str:
    if not math.isfinite(row["rho"]):
        return "not known"
    ends = f" ({row['low']:+.2f} to {row['high']:+.2f})" if math.isfinite(row["low"]) else ""
    return f"{row['rho']:+.2f}{ends}".replace("-", "−")


def _reach(values: np.ndarray) -> tuple[float, float]:
    """A range of a log axis around all positive finite values, wide enough for two labels."""
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    margin = max(1.12, math.sqrt(5 * low / high))
    return low / margin, high * margin


def _ratio_reach(values: np.ndarray) -> tuple[float, float]:
    """As `_reach`, at least from 1/2 to 2, so that small differences look small."""
    return _reach(np.append(values.ravel(), [0.5, 2.0]))


def _log_axis(figure: go.Figure, reach: tuple[float, float], title: str, dark: bool) -> None:
    # On a narrow panel there is room for about six numbers.
    steps = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if reach[1] > 50 * reach[0] else \
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    ticks = [tick for tick in steps if reach[0] <= tick <= reach[1]]
    figure.add_vline(x=1, line={"color": ink(dark).text, "width": 1.5})
    figure.update_xaxes(type="log", range=[math.log10(end) for end in reach], tickvals=ticks,
                        ticktext=[f"{t:g}" for t in ticks], zeroline=False,
                        title=title)

