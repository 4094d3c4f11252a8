"""What an audit's measurements show, in words that claim no more than passed.

A unit is one attack and training seed: two purifications of one model do not repeat the claim. Each
measure's log ratio after / before is averaged over the units, with the interval of
`ngf_core.evidence.rank.estimate`; it fell or rose where the whole interval lies on one side of
zero, and where every unit has a value. Pairs measured under other conditions are not pooled. Then,
in this order:

- No verdict with fewer than `FEWEST_SEEDS` units, or where a value has not converged.
- Flatter (sharper): every measure that rescaling a layer does not move fell (rose) at matched
  logits, and so did λ_max and the trace; as the models are no measure went the other way; and on
  every further draw of images and probes the measures taken there fell (rose) too.
- Where only measures fell that rescaling moves, or only until the logits were matched, the change
  is one that no answer of the model shows, and is called that.
- Anything else is mixed, or not resolved.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ngf_core.config.audit import FORMAT
from ngf_core.errors import ConfigError
from ngf_core.evidence.rank import Estimate, estimate

AS_THEY_ARE, MATCHED = "as they are", "at matched logits"
READINGS = (AS_THEY_ARE, MATCHED)
MOVED_BY_RESCALING = ("lambda_max", "trace", "sam")
INVARIANT = ("adaptive_lambda_max", "adaptive_sam", "fisher_rao")
FEWEST_SEEDS = 3
# Of the largest eigenvalue: a Ritz residual, and the disagreement with finite differences.
MOST_RESIDUAL, MOST_OFF = 1e-2, 1e-2
# Below this difference of the logits two models are called one function.
SAME_FUNCTION = 1e-3
FELL, ROSE, OPEN = "fell", "rose", "not resolved"


@dataclass(frozen=True)
class Verdict:
    """`word`: none, flatter, sharper, rescaled, logits, mixed or not resolved. `sentence` states it
    for people; `because` lists what refused or limits it, one sentence each."""

    word: str
    sentence: str
    because: tuple[str, ...] = ()


def unit(findings: Mapping[str, Any]) -> tuple[str, str]:
    """(attack, which model of it) of a pair: "seed 0", or where the models were trained elsewhere
    and nobody knows a seed "model 3fa2c1", the first one's weights."""
    of = findings["unit"]
    if of["imported"]:
        return of["attack"], f"model {findings['models']['before']['weights'][:6]}"
    return of["attack"], f"seed {of['seed']}"


def unit_name(findings: Mapping[str, Any]) -> str:
    """"badnets, seed 0"."""
    return ", ".join(unit(findings))


def estimates(pairs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Estimate]]:
    """The mean log ratio of each measure over the pairs, by reading and measure.

    Raises ConfigError where two pairs start from one model, by name or by their weights, and where
    they were measured under different conditions.
    """
    check_distinct(pairs)
    check_alike(pairs)
    return {reading: {name: _mean(pairs, [pair["measures"][name][reading]["value"]
                                          for pair in pairs])
                      for name in pairs[0]["measures"]} for reading in READINGS}


def further(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Estimate]]:
    """The same at matched logits on every further draw of images that all pairs have."""
    count = min(len(pair["other_images"]) for pair in pairs)
    return [{name: _mean(pairs, [pair["other_images"][number][name] for pair in pairs])
             for name in pairs[0]["other_images"][number]} for number in range(count)]


def _mean(pairs: Sequence[Mapping[str, Any]], ratios: Sequence[float | None]) -> Estimate:
    index = pd.MultiIndex.from_tuples([unit(pair) for pair in pairs], names=["attack", "seed"])
    return estimate(pd.Series([_number(ratio) for ratio in ratios], index))


def check_distinct(pairs: Sequence[Mapping[str, Any]]) -> None:
    """Raises ConfigError where two pairs start from one model."""
    units = [unit(pair) for pair in pairs]
    weights = [pair["models"]["before"]["weights"] for pair in pairs]
    for one, held in zip(units, weights, strict=True):
        if units.count(one) > 1:
            raise ConfigError("runs", f"two of them start from one model ({', '.join(one)})",
                              "Name one of them: only other models repeat a claim.")
        if weights.count(held) > 1:
            raise ConfigError("runs", f"two of them start from one model ({', '.join(one)}): its "
                              "weights are the same",
                              "Name one of them: only other models repeat a claim.")


def conditions_of(pair: Mapping[str, Any]) -> dict[str, Any]:
    """By name, what must be equal in audits that are judged together."""
    of = pair["conditions"]
    return {"data set": pair["unit"]["dataset"], "network": of.get("network"),
            "number of parameters": of["count"],
            "parameters": of["parameters"], "tuned layer": of["layer"],
            "number of images": of["samples"], "seed of the images": of.get("seed"),
            "kind of images": of["images"], "matrix": of["matrix"]}


def check_alike(pairs: Sequence[Mapping[str, Any]]) -> None:
    """Raises ConfigError where the pairs are of other data or networks, or measured otherwise."""
    told = [conditions_of(pair) for pair in pairs]
    for name in told[0]:
        values = list(dict.fromkeys(str(one[name]) for one in told))
        if len(values) > 1:
            raise ConfigError("runs", f"the pairs differ in the {name} ({', '.join(values)}), so "
                              "their ratios have no common mean",
                              "Audit them apart, or measure all under the same conditions.")


def judge(pairs: Sequence[Mapping[str, Any]]) -> Verdict:
    """The verdict on one or more pairs. Raises ConfigError as `estimates`."""
    found = estimates(pairs)
    because = _refusals(pairs)
    if because:
        return Verdict("none", "No verdict.", tuple(because))
    words = {reading: {name: word(one, len(pairs)) for name, one in of.items()}
             for reading, of in found.items()}
    for direction, name in ((FELL, "flatter"), (ROSE, "sharper")):
        against = {FELL: ROSE, ROSE: FELL}[direction]
        if _all(words[MATCHED], (*INVARIANT, "lambda_max", "trace"), direction) \
                and against not in words[AS_THEY_ARE].values():
            doubts = _unrepeated(pairs, direction)
            if doubts:
                return Verdict("not resolved", "Open: on the first images the measures "
                               f"{direction}, and other images do not confirm it.", tuple(doubts))
            return Verdict(name, f"{name.capitalize()}: λ_max, the trace and every measure that "
                           f"rescaling a layer cannot move {direction}, with the logits at one "
                           f"scale, over {len(pairs)} models.")
    for direction in (FELL, ROSE):
        as_is, matched = words[AS_THEY_ARE], words[MATCHED]
        if _all(as_is, ("lambda_max", *INVARIANT), direction) and _all(matched, INVARIANT, OPEN):
            return Verdict("logits", f"λ_max {direction}, and so did the measures that rescaling "
                           "cannot move, but not once the logits have one scale. A change of the "
                           "logits' scale can do this, and changes no answer.")
        if _all(as_is, MOVED_BY_RESCALING, direction) and _all(as_is, INVARIANT, OPEN):
            return Verdict("rescaled", f"λ_max, the trace and SAM {direction}; of no measure that "
                           "rescaling a layer cannot move a change is resolved. Rescaling a layer "
                           "can do this, and changes no answer.")
    resolved = [name for name, said in words[MATCHED].items() if said != OPEN]
    if not resolved:
        return Verdict("not resolved", f"Not resolved: over {len(pairs)} models the interval of "
                       "every measure contains no change.")
    went = {direction: "; ".join(_title(pairs, name) for name in resolved
                                 if words[MATCHED][name] == direction)
            for direction in (FELL, ROSE)}
    told = [f"At matched logits these {direction}: {names}." if names else f"None {direction}."
            for direction, names in sorted(went.items(), key=lambda item: not item[1])]
    return Verdict("mixed", f"Mixed, so neither flatter nor sharper. {' '.join(told)} The others "
                   "are not resolved.")


def word(found: Estimate, pairs: int) -> str:
    """`FELL`, `ROSE` or `OPEN`, which it also is where not all of the `pairs` have a ratio."""
    return {-1: FELL, 0: OPEN, 1: ROSE}[found.sign] if found.n == pairs else OPEN


def _unrepeated(pairs: Sequence[Mapping[str, Any]], direction: str) -> list[str]:
    """On which further draws of images which measures did not go the same way."""
    draws = further(pairs)
    if not draws:
        return ["No further images were measured on all pairs, so the choice of images is in no "
                "interval. Measure at least one further set."]
    said = []
    for number, found in enumerate(draws, 1):
        missing = [_title(pairs, name) for name, one in found.items()
                   if word(one, len(pairs)) != direction]
        if missing:
            said.append(f"Other images, set {number}, not resolved as {direction}: "
                        f"{'; '.join(missing)}.")
    return said


def same_function(findings: Mapping[str, Any]) -> bool:
    """Whether the two models of a pair give the same logits on its images, up to their scale."""
    return _number(findings["same_function"]["difference"]) < SAME_FUNCTION


def _refusals(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    because = [f"{unit_name(pair)}: measured by an older version, whose further images had other "
               "settings. Compute the audit again." for pair in pairs
               if pair.get("format") != FORMAT]
    seeds = {unit(pair)[1] for pair in pairs}
    if len(seeds) < FEWEST_SEEDS:
        because.append(
            f"{len(seeds)} training seed{'s' * (len(seeds) > 1)}: other models of the same kind "
            f"may do otherwise. A verdict needs at least {FEWEST_SEEDS}.")
    for pair in pairs:
        name = unit_name(pair)
        if same_function(pair):
            because.append(
                f"{name}: both models give the same answers up to the scale of their logits (they "
                f"differ by {pair['same_function']['difference']:.1e}), so any change of a "
                "sharpness measure here is one of how the weights are written.")
        because += [f"{name}: {sentence}" for sentence in _open_values(pair)]
        for model, found in pair["evidence"].items():
            because += [f"{name}, {model}: {sentence}" for sentence in _unconverged(found)]
    return because


def _open_values(pair: Mapping[str, Any]) -> list[str]:
    """Eigenvalues other than λ_max as it is whose own error is too large."""
    said = []
    for measure in ("lambda_max", "adaptive_lambda_max"):
        for model in ("before", "after", "matched"):
            of = pair["measures"][measure][model]
            if of["error"] is not None and not of["error"] <= MOST_RESIDUAL * abs(of["value"]):
                said.append(f"{pair['measures'][measure]['title']} ({model}) has not converged "
                            f"(residual {of['error']:.2g}).")
    return said


def _unconverged(found: Mapping[str, Any]) -> list[str]:
    said, value = [], abs(found["lambda_max"])
    if not found["residual"] <= MOST_RESIDUAL * value:
        said.append(f"λ_max {found['lambda_max']:.3g} has not converged (residual "
                    f"{found['residual']:.2g}).")
    if not _number(found["slopes_off_by"]) <= MOST_OFF:
        said.append(f"λ_max {found['lambda_max']:.3g} differs from finite differences in float64.")
    if _number(found["pyhessian"]["value"]) > (1 + MOST_OFF) * value:
        said.append(f"PyHessian found a larger eigenvalue, {found['pyhessian']['value']:.3g}, than "
                    f"λ_max {found['lambda_max']:.3g}.")
    return said


def _all(words: Mapping[str, str], names: Sequence[str], wanted: str) -> bool:
    return all(words[name] == wanted for name in names)


def _title(pairs: Sequence[Mapping[str, Any]], name: str) -> str:
    return str(pairs[0]["measures"][name]["title"])


def _number(value: float | None) -> float:
    """NaN where a run's results hold null, as JSON knows no other."""
    return math.nan if value is None else float(value)
