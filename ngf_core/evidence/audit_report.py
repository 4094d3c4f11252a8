"""An audit in words and tables of text, for the command line, the page and files."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ngf_core.curvature.sharpness import SHARPNESS
from ngf_core.evidence.audit_verdict import MOST_RESIDUAL, READINGS, estimates, judge, unit_name
from ngf_core.evidence.plane_story import WIDE, contradiction, rise
from ngf_core.evidence.rank import Estimate
from ngf_core.text_table import aligned

Pair = Mapping[str, Any]


def text(pairs: Sequence[Pair]) -> str:
    """The whole audit of one or more pairs. Raises ConfigError as `estimates`."""
    parts = [together(pairs)]
    parts += ["\n".join((name(pair), conditions(pair), aligned(measures(pair)), *controls(pair),
                         *plane(pair), aligned(evidence(pair)))) for pair in pairs]
    return "\n\n".join(parts)


def together(pairs: Sequence[Pair]) -> str:
    """The verdict over all pairs and, where there are several, the means that it rests on. Raises
    ConfigError as `estimates`."""
    said = "\n".join(sentences(pairs))
    return f"{said}\n\n{aligned(summary(pairs))}" if len(pairs) > 1 else said


def factor(found: Estimate) -> str:
    """A mean log ratio as a factor with its 95 % interval: "×1.95 [1.2, 3.1]"."""
    if math.isnan(found.mean):
        return "not defined"
    mean, low, high = map(exp, (found.mean, found.low, found.high))
    interval = "" if math.isnan(low) else f" [{low:.3g}, {high:.3g}]"
    return f"×{mean:.3g}{interval}"


def exp(value: float) -> float:
    """e^value, infinite beyond what a float holds; a ratio to a tiny value may be that large."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def summary(pairs: Sequence[Pair]) -> list[list[str]]:
    """One row per measure, a head first: after / before over all pairs, as they are and at matched
    logits, and on how many pairs. Raises ConfigError as `estimates`."""
    found = estimates(pairs)
    return [["after / before", *READINGS, "n"]] + [
        [_title(name), *(factor(found[reading][name]) for reading in READINGS),
         str(found[READINGS[0]][name].n)] for name in pairs[0]["measures"]]


def measures(pair: Pair) -> list[list[str]]:
    """One row per measure of one pair: values with their errors over images, and the ratio with
    its paired 95 % interval."""
    rows = [["measure", "before", "after", "after / before", "at matched logits"]]
    for name, row in pair["measures"].items():
        rows.append([_title(name), *(_plus_minus(row[which]) for which in ("before", "after")),
                     *(_single(row[reading]) for reading in READINGS)])
    return rows


def controls(pair: Pair) -> list[str]:
    """What was done to the pair without changing an answer, and what that moved."""
    logits = pair["logits"]
    said = [f"logits: mean norm {logits['before']:.3g} before, {logits['after']:.3g} after; "
            f"matched by a factor of {_number(logits['scale'])}."]
    for role, turned in pair["rescaled"].items():
        if "reason" in turned:
            said.append(f"{role}: {turned['reason']}")
            continue
        moved = ", ".join(f"{_title(name)} ×{_number(ratio)}"
                          for name, ratio in turned["ratios"].items())
        said.append(f"{role}: layer {turned['layer']} times {turned['factor']:g}, undone by the "
                    f"BatchNorm behind it (logits {_apart(turned['difference'])}): {moved}.")
    for number, ratios in enumerate(pair["other_images"], 1):
        told = ", ".join(f"{_title(name)} ×{_number(None if value is None else exp(value))}"
                         for name, value in ratios.items())
        said.append(f"other images, set {number}, after / before at matched logits: {told}.")
    return said


def _apart(difference: float) -> str:
    return f"differ by {difference:.0e}" if difference else "are the same to the last bit"


def plane(pair: Pair) -> list[str]:
    """What a random plane shows of the pair, and, where it tells another story than λ_max, why.

    Nothing for an audit of an earlier version.
    """
    if "plane" not in pair:
        return []
    of = pair["plane"]
    one, other = (rise(of[role]) for role in ("before", "after"))
    said = [f"random plane, the same directions around both, −{of['span']:g} to {of['span']:g} "
            f"filter norms, {len(of['side'])} × {len(of['side'])} points: the mean loss lies "
            f"{_number(one)} above the model before, {_number(other)} above the model after."]
    found = pair["measures"]["lambda_max"][READINGS[0]]
    moved, error = (math.nan if found[key] is None else found[key] for key in ("value", "error"))
    why = contradiction(one, other, moved, error, f"{pair['conditions']['count']:,}")
    return [*said, why] if why else said


def evidence(pair: Pair) -> list[list[str]]:
    """One row per model: λ_max with its residual, finite differences, PyHessian's value."""
    rows = [["λ_max", "value", "residual", "products", "finite differences, float64",
             "PyHessian 0.1", "agrees"]]
    for model, found in pair["evidence"].items():
        theirs = found["pyhessian"]
        rows.append([model, f"{found['lambda_max']:.4g}", f"{found['residual']:.1e}",
                     str(found["products"]), _number(found["slopes"]),
                     f"{_number(theirs['value'])} ± {_number(theirs['residual'])}",
                     _agrees(theirs)])
    return rows


def _agrees(theirs: Mapping[str, Any]) -> str:
    """Within a residual of its own size any value would agree, so then nothing is said of it."""
    value, residual = theirs["value"], theirs["residual"]
    if value is None or residual is None or not residual <= MOST_RESIDUAL * abs(value):
        return "not converged"
    return "yes" if theirs["agrees"] else "no"


def conditions(pair: Pair) -> str:
    """What everything was measured on, in one line."""
    of = pair["conditions"]
    where = "all parameters" if of["parameters"] == "all" else of["layer"]
    return (f"{of['matrix']} of the {of['loss']} over {where} ({of['count']:,}), n = "
            f"{of['samples']} {of['images']} images, BatchNorm {of['batch_norm']}, {of['dtype']}.")


def sentences(pairs: Sequence[Pair]) -> list[str]:
    """The verdict, and what refused it. Raises ConfigError as `estimates`."""
    verdict = judge(pairs)
    return [verdict.sentence, *verdict.because]


def name(pair: Pair) -> str:
    """"badnets, seed 0: before -> ngf"."""
    models = pair["models"]
    return f"{unit_name(pair)}: {models['before']['model']} -> {models['after']['model']}"


def _title(measure: str) -> str:
    return SHARPNESS[measure].title


def _plus_minus(told: Mapping[str, Any]) -> str:
    error = told["sampling_error"]
    return _number(told["value"]) + ("" if error is None else f" ± {float(f'{error:.2g}'):g}")


def _single(ratio: Mapping[str, float | None]) -> str:
    value, error = ratio["value"], ratio["error"]
    if value is None:
        return "not defined"
    if error is None:
        return f"×{exp(value):.3g}"
    low, high = (exp(value + sign * WIDE * error) for sign in (-1, 1))
    return f"×{exp(value):.3g} [{low:.3g}, {high:.3g}]"


def _number(value: float | None) -> str:
    """Three digits, without an exponent where people would write none."""
    return "not defined" if value is None else f"{float(f'{value:.3g}'):g}"
