"""The findings on the sharpness claim, in three groups of sentences with their evidence."""

from dataclasses import dataclass

import pandas as pd

from ngf_core.evidence.entrants import BY_RULE
from ngf_core.evidence.verdict import FAILS, HOLDS, OPEN, PARAMETERS

_WHERE = {"all": "over all parameters", "layer": "in the tuned layer"}
# The comparisons in each finding.
_GROUPS = (("backdoored",), ("ngf", BY_RULE), ("sgd", "finetune"))


@dataclass(frozen=True)
class _Claim:
    """What is claimed of whom, and the words where it fails; `and_fails` where it holds in other
    readings."""

    subject: str
    holds: str
    fails: str
    and_fails: str


def _flattens(method: str) -> _Claim:
    return _Claim(method, "flattens the model", "leaves the model sharper, not flatter,",
                  "sharpens it")


_CLAIMS = {"backdoored": _Claim("backdoored models", "are sharper than benign ones",
                                "are flatter, not sharper, than benign ones", "flatter"),
           "ngf": _flattens("NGF"),
           BY_RULE: _flattens("NGF on a layer chosen by rule"), "sgd": _flattens("one-layer SGD"),
           "finetune": _flattens("full fine-tuning")}


@dataclass(frozen=True)
class Finding:
    """One sentence for the top of the page, and the counts and ratios that it rests on."""

    sentence: str
    evidence: str


def findings(verdicts: pd.DataFrame) -> list[Finding]:
    """At most three findings from the table of `ngf_core.evidence.verdict.verdicts`.

    A sentence follows from the verdicts of a comparison's readings alone (a reading is one measure
    on one set of images over one set of parameters); missing comparisons are left out.
    """
    found = []
    for names in _GROUPS:
        parts = [(name, verdicts[verdicts["comparison"] == name]) for name in names]
        parts = [(name, rows) for name, rows in parts if len(rows)]
        if parts:
            found.append(Finding(" ".join(_sentence(name, rows) for name, rows in parts),
                                 " ".join(_evidence(name, rows, len(parts) > 1)
                                          for name, rows in parts)))
    return found


def _sentence(comparison: str, rows: pd.DataFrame) -> str:
    claim, name = _CLAIMS[comparison], _name(comparison)
    holds, fails, unresolved = (int((rows["verdict"] == word).sum())
                                for word in (HOLDS, FAILS, OPEN))
    alone = " over all parameters" * bool((rows["parameters"] == "all").all())
    if not holds and not fails:
        return f"Whether {claim.subject} {claim.holds}{alone} is not resolved."
    if holds and fails:
        return (f"{name} {claim.holds} in {holds} of {len(rows)} readings{alone} and "
                f"{claim.and_fails} in {fails}.")
    said = f"{name} {claim.holds if holds else claim.fails}"
    return f"{said}{_scope(rows)}{alone}." if unresolved else f"{said.removesuffix(',')}{alone}."


def _scope(rows: pd.DataFrame) -> str:
    """Where the resolved readings of a comparison lie; all of them have the same sign."""
    resolved = rows[rows["verdict"] != OPEN]
    for here, there in (PARAMETERS, reversed(PARAMETERS)):
        of = int((rows["parameters"] == here).sum())
        if (resolved["parameters"] == here).all() and of < len(rows):
            count = "" if len(resolved) == of else f" in {len(resolved)} of {of} readings"
            return f"{count} {_WHERE[here]}; {_WHERE[there]} that is not resolved"
    return f" in {len(resolved)} of {len(rows)} readings"


def _evidence(comparison: str, rows: pd.DataFrame, named: bool) -> str:
    parts = []
    for parameters in PARAMETERS:
        here = rows[rows["parameters"] == parameters]
        if here.empty:
            continue
        low, high = here["ratio"].min(), here["ratio"].max()
        parts.append(f"{_capital(_WHERE[parameters])}: {_counts(here)}; mean ratio {low:.2f} to "
                     f"{high:.2f}.")
    pairs = sorted({int(n) for n in rows["n"]})
    n = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    models = f"pair{'s' * (pairs != [1])} of models"
    return " ".join([*([f"{_name(comparison)}."] if named else []), *parts,
                     f"n = {n} {models}."])


def _counts(rows: pd.DataFrame) -> str:
    """"sharper in 6 of 8 readings, not resolved in 2"."""
    resolved = rows["verdict"] != OPEN
    counts = {"sharper": int((resolved & (rows["ratio"] > 1)).sum()),
              "flatter": int((resolved & (rows["ratio"] < 1)).sum()),
              "not resolved": int((~resolved).sum())}
    parts = [f"{word} in {count}" for word, count in counts.items() if count]
    parts[0] += f" of {len(rows)} readings" if len(rows) > 1 else " of 1 reading"
    return ", ".join(parts)


def _name(comparison: str) -> str:
    """The subject of its claim, at the start of a sentence."""
    return _capital(_CLAIMS[comparison].subject)


def _capital(words: str) -> str:
    """The rest stays as it is, unlike with `str.capitalize`."""
    return words[0].upper() + words[1:]
