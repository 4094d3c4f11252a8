"""The ablation's figures: the effect of each ingredient overall, and attack by attack."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from app.theme import MethodStyle, ink, plotly_template, style
from ngf_core.evidence.ablation import FULL, VARIANTS, Effect

ROW = 30


def variant_style(variant: str) -> MethodStyle:
    """Variants of NGF are drawn as NGF; only one-layer SGD is another method."""
    return style("sgd" if variant == "sgd" else "ngf")


def effect_dots(effects: Sequence[Effect], title: str, *, higher_is_better: bool,
                dark: bool) -> go.Figure:
    """Mean difference of each variant to full NGF in points, with its 95 % interval.

    Hollow where the interval contains zero or there is none: not resolved. A variant without any
    cell has no row.
    """
    figure, tone = go.Figure(), ink(dark)
    shown = [effect for effect in effects if effect.variant != FULL and effect.minus_full.n]
    for effect in shown:
        gap, drawn = effect.minus_full, variant_style(effect.variant)
        known = math.isfinite(gap.low)
        figure.add_scatter(
            x=[100 * gap.mean], y=[_label(effect)], mode="markers", showlegend=False,
            marker={"color": drawn.color, "size": 12, "line": {"color": drawn.color, "width": 2},
                    "symbol": drawn.symbol + "-open" * (gap.sign == 0)},
            error_x={"type": "data", "array": [100 * (gap.high - gap.mean)], "thickness": 2,
                     "width": 6, "color": drawn.color} if known else None,
            hovertemplate=f"{VARIANTS[effect.variant].title}: {difference_text(effect)}"
                          "<extra></extra>")
    figure.add_vline(x=0, line={"color": tone.text, "width": 1.5})
    worse = "left" if higher_is_better else "right"
    figure.update_xaxes(title=f"{title}, points from full NGF<br>({worse} of zero: worse without)",
                        zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False,
                        categoryarray=[_label(effect) for effect in shown])
    figure.update_layout(template=plotly_template(dark), height=140 + ROW * 1.3 * len(shown))
    return figure


def difference_text(effect: Effect) -> str:
    """"+12.0 points (95 %: 5.0 to 20.0), n = 40 of 42, resolved"."""
    gap = effect.minus_full
    if gap.n == 0:
        return f"not computed yet, n = 0 of {effect.expected}"
    ends = f"95 %: {signed(gap.low)} to {signed(gap.high)}" if math.isfinite(gap.low) \
        else "no interval"
    return (f"{signed(gap.mean)} points ({ends}), n = {gap.n} of {effect.expected}, "
            + ("resolved" if gap.sign else "not resolved"))


def signed(share: float) -> str:
    """A fraction as points with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def effect_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """The numbers behind `effect_dots`, full NGF first."""
    return pd.DataFrame([{
        "variant": VARIANTS[effect.variant].title, "mean, %": 100 * effect.own.mean,
        "low": 100 * effect.own.low, "high": 100 * effect.own.high, "cells": effect.own.n,
        "of": effect.expected,
        "minus full NGF, points": 100 * effect.minus_full.mean,
        "from": 100 * effect.minus_full.low, "to": 100 * effect.minus_full.high,
        "pairs": effect.minus_full.n,
        "resolved": bool(effect.minus_full.sign)} for effect in effects])


def attack_panels(values: pd.DataFrame, title: str, attacks: Mapping[str, str], *,
                  dark: bool) -> list[go.Figure]:
    """One panel per attack with any value: variants down, each seed a dot, their mean a bar; one
    axis for all. A variant without a value on any attack has no row.

    values: as `ngf_core.evidence.ablation.values` returns them. attacks: names and titles, in the
    order of the panels. The thin line is full NGF's mean. Where cells are missing a panel's title
    states how many there are.
    """
    reach = _reach(values)
    there = set(values.dropna(how="all").index.unique("attack"))
    drawn = [variant for variant in values if values[variant].notna().any()]
    return [_panel(values.loc[[name]], drawn, attack, title, reach, dark)
            for name, attack in attacks.items() if name in there]


def _panel(part: pd.DataFrame, variants: Sequence[str], name: str, title: str,
           reach: tuple[float, float], dark: bool) -> go.Figure:
    figure, tone = go.Figure(), ink(dark)
    for variant in variants:
        known = 100 * part[variant].droplevel("attack").dropna()
        drawn, label = variant_style(variant), VARIANTS[variant].title
        if len(known):
            figure.add_scatter(x=[known.mean()], y=[label], mode="markers", showlegend=False,
                               marker={"symbol": "line-ns", "size": 18,
                                       "line": {"width": 3, "color": tone.text}},
                               hovertemplate=f"{label}: mean %{{x:.1f}} %<extra></extra>")
        figure.add_scatter(x=known, y=[label] * len(known), mode="markers", showlegend=False,
                           text=[f"seed {seed}" for seed in known.index],
                           marker={"color": drawn.color, "symbol": drawn.symbol, "size": 9,
                                   "opacity": 0.75},
                           hovertemplate=f"{label}, %{{text}}: %{{x:.1f}} %<extra></extra>")
    if part[FULL].notna().any():
        figure.add_vline(x=100 * part[FULL].mean(), line={"color": variant_style(FULL).color,
                                                          "width": 1,
                                                          "dash": "dot"})
    there, expected = int(part.notna().sum().sum()), part.size
    missing = f" ({there} of {expected})" if there < expected else ""
    figure.update_xaxes(title=f"{title}, %", range=list(reach), zeroline=False, nticks=5)
    figure.update_yaxes(type="category", categoryarray=[VARIANTS[v].title for v in variants],
                        range=[len(variants) - 0.4, -0.6])
    figure.update_layout(template=plotly_template(dark), height=100 + 22 * len(variants),
                         title=f"<b>{name}</b>{missing}")
    return figure


def panel_table(values: pd.DataFrame, attacks: Mapping[str, str]) -> pd.DataFrame:
    """The numbers behind `attack_panels`, in %: one row per attack and seed, one column per
    variant."""
    table = (100 * values).rename(columns={name: v.title for name, v in VARIANTS.items()})
    table = table.rename(index=dict(attacks), level="attack")
    return table.rename_axis(columns=None).reset_index()


def panels_alt(values: pd.DataFrame, title: str, attacks: Mapping[str, str]) -> str:
    """Each attack's means over seeds in words."""
    means = 100 * values.groupby(level="attack").mean()
    parts = []
    for name, row in means.reindex([a for a in attacks if a in means.index]).iterrows():
        known = ", ".join(f"{VARIANTS[v].title} {x:.0f} %" for v, x in row.dropna().items())
        parts.append(f"{attacks[name]}: {known or 'not computed yet'}")
    return f"Small multiples of {title}, mean over seeds. {'; '.join(parts)}."


def _label(effect: Effect) -> str:
    missing = effect.minus_full.n < effect.expected
    count = f"<br>{effect.minus_full.n} of {effect.expected}" if missing else ""
    return VARIANTS[effect.variant].title + count


def _reach(values: pd.DataFrame) -> tuple[float, float]:
    """One axis for all panels: the range of the values with a margin; 0 to 100 without any."""
    known = 100 * values.stack().dropna()
    low, high = (known.min(), known.max()) if len(known) else (0.0, 100.0)
    margin = 0.06 * max(high - low, 1.0)
    return float(low - margin), float(high + margin)
