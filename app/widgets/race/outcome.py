"""The result of a race, in sentences that follow from its numbers alone."""

from collections.abc import Mapping
from typing import Any

from app.theme import style
from app.widgets.controls.layer_choice import layer_title
from ngf_core.config import PurifyConfig
from ngf_core.config.imported import UNKNOWN
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.models.layer_names import AUTO
from ngf_core.runs.attack_check import aim_in

CURED = 0.10


def outcome(results: Mapping[str, Any], methods: tuple[str, ...]) -> str:
    """One or two sentences: what each method left of the backdoor, and at what accuracy.

    `results` are those of a purify run. An ASR that stays above 10 % counts as a backdoor left in,
    whichever the method; RA under half of ACC is called damage. Where the attack did not take (ASR
    below its aim as received) only the numbers are given, since there is nothing to remove.
    """
    before = Evaluation.from_json(results["before"])
    if before.asr is None:
        if results.get("train_config", {}).get("attack") == UNKNOWN:
            return ("No triggered images are known for this model, so ASR is not measured: only "
                    "ACC can be compared.")
        return "This model is benign, so there is no backdoor to remove: only ACC can change."
    first = (f"As received, the trigger works on {_percent(before.asr)} of "
             f"{before.asr.n:,} images at {_percent(before.acc)} clean accuracy.")
    raced = [name for name in methods if name in results]
    if before.asr.value < aim_in(results):
        first += " There was little backdoor to remove."
        return " ".join([first] + [_numbers(name, results[name], before) for name in raced])
    return " ".join([first] + [_method(name, results[name]) for name in raced])


def protocol(config: PurifyConfig, results: Mapping[str, Any]) -> str:
    """The conditions of a race in one line, since they decide as much as the method does."""
    images = f"{results['clean_images']:,} clean images" if "clean_images" in results else \
        f"{100 * config.clean_fraction:.0f} % clean images"
    limit = f"{config.steps:,} steps"
    if config.seconds:
        limit += f" or {config.seconds:g} s"
    others = [style(name).label for name in config.names if name not in config.layers]
    tuned = _tuned(config, results)
    if not tuned:
        tuned = "any layer"
    elif others:
        tuned += f" ({', '.join(others)}: any layer)"
    balanced = ", balanced by class" if config.clean_balance == "balanced" else ""
    sized = [style(own.method).label for own in config.methods if own.chooses_step_size]
    chosen = f", step size of {' and '.join(sized)} chosen on them" if sized else ""
    return (f"Tuned: {tuned}; {images}{balanced}{chosen}, {config.augment} augmentation, "
            f"BatchNorm {config.batchnorm}, {limit}, seed {config.seed}.")


def _tuned(config: PurifyConfig, results: Mapping[str, Any]) -> str:
    """The layers tuned by the methods that tune named layers; "" where there are none."""
    titles: dict[str, list[str]] = {}
    for name, layer in config.layers.items():
        title = layer_title(layer)
        if layer == AUTO and "layer" in results:
            chosen = (results.get("choice") or results)["layer"]
            title = f"{layer_title(chosen)}, chosen on the clean images"
        titles.setdefault(title, []).append(style(name).label)
    if len(titles) < 2:
        return "".join(titles)
    return "; ".join(f"{title} ({', '.join(names)})" for title, names in titles.items())


def _method(name: str, result: Mapping[str, Any]) -> str:
    label, rates = style(name).label, Evaluation.from_json(result)
    asr, ra = rates.asr, rates.ra
    if asr is None:
        return f"{label}: ASR was not measured."
    left = f"the trigger works on {_percent(asr)}, ACC is {_percent(rates.acc)}"
    if result.get("stopped"):
        return f"{label} stopped early: {left}."
    if not asr.n:
        return f"{label}: whether the backdoor is gone was not measured (n = 0)."
    if asr.value > CURED:
        return f"{label} did not remove the backdoor: {left}."
    if ra is None:
        return (f"{label} silenced the trigger: {left}; whether triggered images get their true "
                "label was not measured.")
    if ra.value < rates.acc.value / 2:
        return (f"{label} silenced the trigger but did not cure the model: {left}, and only "
                f"{_percent(ra)} of triggered images get their true label.")
    return f"{label} removed the backdoor: {left}."


def _numbers(name: str, result: Mapping[str, Any], before: Evaluation) -> str:
    """What ASR and ACC did under a method, without a verdict."""
    early = " (stopped early)" if result.get("stopped") else ""
    after = Evaluation.from_json(result)
    received, left = before.asr, after.asr
    assert received is not None and left is not None  # one attack, measured before and after
    return (f"With {style(name).label}{early} ASR goes from {_percent(received)} to "
            f"{_percent(left)} and ACC from {_percent(before.acc)} to "
            f"{_percent(after.acc)}.")


def _percent(rate: Rate) -> str:
    return rate.percent() if rate.n else "an unknown share (n = 0)"
