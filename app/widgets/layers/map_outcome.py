"""The result of a layer map, in sentences that follow from its numbers alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.widgets.race.outcome import CURED
from app.widgets.runs.result_tiles import interval
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.runs.attack_check import aim_in

Entry = Mapping[str, Any]
# The ACC that the oracle may lose (ngf_core.layers.oracle.COST, whose package needs torch).
COST = 0.02


def map_outcome(results: Mapping[str, Any], best: str | None, rule: str) -> str:
    """Where NGF does best, what the clean-only `rule` behind "auto" picks, and the last layer.

    `results` are those of a layers run, `best` is NGF's best layer under the attack (None where
    nothing was measured). An ASR above 10 % counts as a backdoor left in; where the attack had not
    taken, or there is none, no removal is claimed.
    """
    entries = {entry["layer"]: entry for entry in results["map"] if entry["method"] == "ngf"}
    before = Evaluation.from_json(results["before"])
    if before.asr is None:
        return _benign(list(entries.values()))
    if best is None:
        return "What NGF does at each layer was not measured."
    if not before.asr.value >= aim_in(results):
        first = (f"There was little backdoor to remove (ASR as received {before.asr.percent()}). "
                 "NGF does best at")
    elif any(_cured(entry) for entry in entries.values()):
        first = "NGF removes this backdoor"
        first += " best at" if _cured(entries[best]) else ", but not cheaply. It does best at"
    else:
        first = "NGF removes this backdoor at no layer. It comes closest at"
    pick, last = results.get("auto"), results["map"][-1]["layer"]

    def at(layer: str) -> str:
        place = f"**{layer}**, the last layer" if layer == last else f"**{layer}**"
        return f"{place}: {_rates(entries[layer])}."

    sentences = [f"{first} {at(best)} {_bound(entries.values(), before)}"]
    if pick == best:
        sentences.append(f"The rule that sees clean data only ({rule}) picks this very layer.")
    elif pick is not None and pick in entries:
        sentences.append(f"The rule that sees clean data only ({rule}) picks {at(pick)}")
    if last in entries and last not in (best, pick):
        sentences.append(f"The last layer, **{last}**: {_rates(entries[last])}.")
    return " ".join(sentences)


def _benign(entries: Sequence[Entry]) -> str:
    first = "This model is benign: there is no backdoor to remove, only accuracy to lose."
    accs = {entry["layer"]: Rate.from_json(entry["acc"]) for entry in entries}
    known = {layer: acc for layer, acc in accs.items() if acc and acc.n}
    if not known:
        return first
    low, high = (end(known, key=lambda layer: known[layer].value) for end in (min, max))
    return (f"{first} NGF leaves ACC between {known[low].percent()} (**{low}**) and "
            f"{known[high].percent()} (**{high}**).")


def _cured(entry: Entry) -> bool:
    asr = Rate.from_json(entry["asr"])
    return asr is not None and asr.value <= CURED


def _bound(entries: Iterable[Entry], before: Evaluation) -> str:
    """The layers among which "best" is meant, since one that costs more ACC may leave less of the
    backdoor."""
    limit = before.acc.value - COST
    highest = max(Evaluation.from_json(entry).acc.value for entry in entries)
    points, received = f"{100 * COST:.0f} points of ACC", f"{before.acc.percent()} as received"
    if highest >= limit:
        return f"That is among the layers that lose at most {points} ({received})."
    return (f"Every layer loses more than {points} ({received}); that is among those within "
            f"{100 * COST:.0f} points of the layer that loses least.")


def _rates(entry: Entry) -> str:
    """ASR with its interval, and ACC."""
    asr, acc = Rate.from_json(entry["asr"]), Rate.from_json(entry["acc"])
    text = "ASR not measured" if asr is None else f"ASR {asr.percent()}"
    text += f" (95 % interval {interval(asr)})" if asr and asr.n else ""
    early = ", stopped early" if entry.get("stopped") else ""
    return text + (f", ACC {acc.percent()}" if acc else "") + early
