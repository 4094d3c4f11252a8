"""The findings on the sharpness claim, in three sentences with their evidence."""

from dataclasses import dataclass

import pandas as pd

from ngf_core.evidence.verdict import FAILS, HOLDS, OPEN, PARAMETERS

_WHERE = {"all": "Over all parameters", "layer": "In the tuned layer"}
_NAMES = {"ngf": "NGF", "sgd": "one-layer SGD", "finetune": "full fine-tuning"}
# The comparisons in each finding: SGD and fine-tuning share one.
_GROUPS = (("backdoored",), ("ngf",), ("sgd", "finetune"))


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
    holds, fails, unresolved = (int((rows["verdict"] == word).sum())
                                for word in (HOLDS, FAILS, OPEN))
    if comparison == "backdoored":
        than = "than benign ones"
        if not holds and not fails:
            return f"Whether backdoored models are sharper {than} is not resolved."
        if holds and fails:
            return (f"Backdoored models are sharper {than} in {holds} of {len(rows)} readings and "
                    f"flatter in {fails}.")
        word = "sharper" if holds else "flatter, not sharper,"
        return f"Backdoored models are {word} {than}{_scope(rows) if unresolved else ''}."
    name = _at_the_start(_NAMES[comparison])
    if not holds and not fails:
        return f"Whether {_NAMES[comparison]} flattens the model is not resolved."
    if holds and fails:
        return (f"{name} flattens the model in {holds} of {len(rows)} readings and sharpens it in "
                f"{fails}.")
    verb = "flattens the model" if holds else "leaves the model sharper, not flatter"
    comma = "," if fails and unresolved else ""
    return f"{name} {verb}{comma}{_scope(rows) if unresolved else ''}."


def _scope(rows: pd.DataFrame) -> str:
    """Where the resolved readings of a comparison lie; all of them have the same sign."""
    resolved = rows[rows["verdict"] != OPEN]
    where = [name for name in PARAMETERS if (resolved["parameters"] == name).any()]
    if where == ["layer"] and (rows["parameters"] == "all").any():
        return " in the tuned layer; over all parameters that is not resolved"
    if where == ["all"] and (rows["parameters"] == "layer").any():
        return " over all parameters; in the tuned layer that is not resolved"
    return f" in {len(resolved)} of {len(rows)} readings"


def _evidence(comparison: str, rows: pd.DataFrame, named: bool) -> str:
    parts = []
    for parameters in PARAMETERS:
        here = rows[rows["parameters"] == parameters]
        if here.empty:
            continue
        low, high = here["ratio"].min(), here["ratio"].max()
        parts.append(f"{_WHERE[parameters]}: {_counts(here)}; mean ratio {low:.2f} to {high:.2f}.")
    pairs = sorted({int(n) for n in rows["n"]})
    n = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    return " ".join([*([f"{_at_the_start(_NAMES[comparison])}."] if named else []), *parts,
                     f"n = {n} pairs of models."])


def _counts(rows: pd.DataFrame) -> str:
    """"sharper in 6 of 8 readings, not resolved in 2"."""
    resolved = rows["verdict"] != OPEN
    counts = {"sharper": int((resolved & (rows["ratio"] > 1)).sum()),
              "flatter": int((resolved & (rows["ratio"] < 1)).sum()),
              "not resolved": int((~resolved).sum())}
    parts = [f"{word} in {count}" for word, count in counts.items() if count]
    parts[0] += f" of {len(rows)} readings" if len(rows) > 1 else " of 1 reading"
    return ", ".join(parts)


def _at_the_start(name: str) -> str:
    return name[0].upper() + name[1:]
