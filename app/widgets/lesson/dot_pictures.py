"""The pictures that compare all attacks: a row each, a mark for every measured number."""

import math

import pandas as pd
import streamlit as st

from app import state
from app.figures.lesson import Dot, dots_alt, dots_height, dots_options, valleys_options
from app.figures.origin import of_runs
from app.read.lesson.facts import percent_interval, races, zoo
from app.theme import style
from app.widgets.controls.address import choose
from app.widgets.lesson.stage import Stage
from app.widgets.runs.run_name import attack_name
from ngf_core.config import TrainConfig
from ngf_core.evaluate.rates import Rate

COMMAND = "python -m ngf_core zoo build"
LETTERS = {"wanet": "A", "badnets": "B", "none": "C"}  # of the networks in the question
LEAST = 4.0  # where the axis of λ_max begins


def accuracy_picture(stage: Stage) -> None:
    """ACC of the benign and of every backdoored network, with Wilson's interval."""
    if not stage.shown:
        _unnamed(stage)
        return
    trained = [run for run in state.store().list("train") if run.shipped
               and run.id.startswith("signs-")]
    dots = []
    for run in trained:
        acc, attack = Rate(**run.results["train"]["acc"]), run.config_as(TrainConfig).attack
        low, high = percent_interval(acc)
        letter = f"{LETTERS[attack]}: " if attack in LETTERS else ""
        dots.append(Dot(letter + attack_name(attack), 100 * acc.value, acc.percent(), low, high,
                        "benign" if attack == "none" else "before"))
    dots.sort(key=lambda dot: -dot.value)
    _draw(stage, dots, "clean accuracy, %", "accuracy", ends=(95, 100), runs=trained,
          caption="Clean accuracy of one benign and fourteen backdoored networks, each with its "
                  "95 % interval. The axis begins at 95 %.")


def _unnamed(stage: Stage) -> None:
    dots = []
    for letter, name in zip("ABC", ("a", "b", "c"), strict=True):
        fact = stage.facts[name]
        dots.append(Dot(f"Network {letter}", 100 * fact.value, fact.text, float(fact.low),
                        float(fact.high.removesuffix(" %")), "train"))
    st.echarts_chart(dots_options(dots, "clean accuracy, %", ends=(95, 100), size=stage.size,
                                  dark=stage.dark), key="lesson_unnamed", theme=None,
                     alt=dots_alt(dots, "clean accuracy, %"),
                     height=dots_height(dots, stage.size) + 40)
    st.caption("The bar is where the accuracy on other pictures of this kind would probably lie. "
               "The axis begins at 95 %.")


def flatter_picture(stage: Stage) -> None:
    """λ_max after over before NGF, attack by attack; before the answer, what sharp and flat mean.
    """
    if not stage.shown:
        st.echarts_chart(valleys_options(size=stage.size, dark=stage.dark), key="lesson_valleys",
                         theme=None, alt="Two valleys, one sharp and one flat.", height=340)
        st.caption("A drawing, not a measurement.")
        return
    rows = zoo().query("method == 'ngf'").sort_values("ratio", ascending=False)
    dots = [Dot(attack_name(row.attack), row.ratio, f"{row.ratio:.1f}×")
            for row in rows.itertuples()]
    _draw(stage, dots, "λ_max after NGF / before", "flatter", scale="log", ends=(0.5, 16),
          level=1.0, unit="×",
          caption="Right of the dotted line the network became sharper, left of it flatter. Each "
                  "line of the grid is twice the one before it.")


def fails_picture(stage: Stage) -> None:
    """ASR and RA that a method leaves, attack by attack."""
    if not stage.shown:
        rows = zoo().query("method == 'ngf'").sort_values("asr_before", ascending=False)
        dots = [Dot(attack_name(row.attack), 100 * row.asr_before, f"{100 * row.asr_before:.0f} %",
                    method="before") for row in rows.itertuples()]
        _draw(stage, dots, "ASR before, %", "attacks", ends=(0, 100),
              caption="How often each trigger works on the network that it was trained into.")
        return
    method = choose("left", "Method",
                    {name: style(name).label for name in ("ngf", "sgd", "finetune")}, "ngf")
    by_asr = sorted(races(), key=lambda race: race.results[method]["asr"]["hits"]
                    / race.results[method]["asr"]["n"])
    dots = []
    for race in by_asr:
        rates = {name: Rate(**race.results[method][name]) for name in ("asr", "ra")}
        row = attack_name(race.results["train_config"]["attack"])
        low, high = percent_interval(rates["asr"])
        dots += [Dot(row, 100 * rates["ra"].value, method=method, hollow=True),
                 Dot(row, 100 * rates["asr"].value, f"{100 * rates['asr'].value:.0f} %", low, high,
                     method)]
    _draw(stage, dots, "% of triggered signs", "fails", ends=(0, 100), level=10.0,
          caption="Filled, in figures: the target label (ASR). Hollow: the true one (RA). "
                  "Dotted: a tenth.")


def scale_of_sharpness() -> str:
    """Between which values λ_max of the backdoored networks lies, in a sentence."""
    values = zoo().query("method == 'ngf'")["lambda_max_before"]
    return (f"The {len(values)} backdoored networks of this lesson have {values.min():.0f} to "
            f"{values.max():.0f}.")


def doubt_picture(stage: Stage) -> None:
    """λ_max before and after NGF, attack by attack, with one standard error over the pictures."""
    if not stage.shown:
        st.metric("λ_max, as a plot would print it", stage.facts["before"].text)
        st.caption(f"Of the network of the first scenes, on {stage.facts['images']} pictures. The "
                   f"larger it is, the sharper is the valley. {scale_of_sharpness()}")
        return
    rows = zoo().query("method == 'ngf'").sort_values("lambda_max")
    dots = []
    for row in rows.itertuples():
        for name, value, error in (
                ("before", row.lambda_max_before, row.lambda_max_before_error),
                ("ngf", row.lambda_max, row.lambda_max_error)):
            dots.append(Dot(attack_name(row.attack), value, "", max(value - error, LEAST),
                            value + error, name))
    alt = "; ".join(f"{attack_name(row.attack)} {row.lambda_max_before:.0f} to {row.lambda_max:.0f}"
                    for row in rows.itertuples())
    _draw(stage, dots, "λ_max", "doubt", scale="log", ends=(LEAST, 512),
          alt=f"λ_max as received and after NGF: {alt}.",
          caption="Grey: as received. Blue: after NGF. The bars are one standard error to each "
                  "side, and go on where they reach the axis. Each line of the grid is twice the "
                  "one before it.")


def _draw(stage: Stage, dots: list[Dot], axis: str, key: str, *, caption: str, runs=None,
          alt: str = "", **look) -> None:
    found = runs or races()
    table = pd.DataFrame([{"row": dot.row, "of": style(dot.method).label + " (hollow)" * dot.hollow,
                           axis: dot.value, "from": dot.low, "to": dot.high} for dot in dots])
    if all(math.isnan(dot.low) for dot in dots):
        table = table.drop(columns=["from", "to"])
    stage.figure(dots_options(dots, axis, size=stage.size, dark=stage.dark, **look), key=key,
                 caption=caption, alt=alt or dots_alt(dots, axis), table=table,
                 height=dots_height(dots, stage.size), origin=of_runs(found, COMMAND))
