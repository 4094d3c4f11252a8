"""What a layer map came to, in sentences made from its numbers alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.widgets.outcome import CURED
from app.widgets.result_tiles import interval, percent
from ngf_core.attacks import ATTACKS, AttackEntry

Entry = Mapping[str, Any]


def map_outcome(results: Mapping[str, Any], best: str | None, rule: str) -> str:
    """Where NGF does best, what the clean-only `rule` behind "auto" picks, and the last layer.

    `results` are those of a layers run, `best` is NGF's best layer under the attack (None where
    nothing was measured). An ASR above 10 % is said to have left the backdoor in; where the attack
    had not taken, or there is none, nothing is said to be removed.
    """
    entries = {entry["layer"]: entry for entry in results["map"] if entry["method"] == "ngf"}
    before = results["before"]
    if before["asr"] is None:
        return _benign(list(entries.values()))
    if best is None:
        return "What NGF does at each layer was not measured."
    asr = entries[best]["asr"]
    trained = results.get("train_config", {})
    aim = ATTACKS[trained["attack"]].aim if trained.get("attack") in ATTACKS else AttackEntry.aim
    if not before["asr"]["n"] or before["asr"]["hits"] / before["asr"]["n"] < aim:
        first = (f"There was little backdoor to remove (ASR as received {percent(before['asr'])}). "
                 "NGF does best at")
    elif asr["n"] and asr["hits"] / asr["n"] > CURED:
        first = "NGF removes this backdoor at no layer. It comes closest at"
    else:
        first = "NGF removes this backdoor best at"
    pick, last = results.get("auto"), results["map"][-1]["layer"]

    def at(layer: str) -> str:
        place = f"**{layer}**, the last layer" if layer == last else f"**{layer}**"
        return f"{place}: {_rates(entries[layer])}."

    said = [f"{first} {at(best)}"]
    if pick == best:
        said.append(f"The rule that sees clean data only ({rule}) picks this very layer.")
    elif pick in entries:
        said.append(f"The rule that sees clean data only ({rule}) picks {at(pick)}")
    if last in entries and last not in (best, pick):
        said.append(f"The last layer, **{last}**: {_rates(entries[last])}.")
    return " ".join(said)


def _benign(entries: Sequence[Entry]) -> str:
    said = "This model is benign: there is no backdoor to remove, only accuracy to lose."
    known = [entry for entry in entries if entry["acc"] and entry["acc"]["n"]]
    if not known:
        return said
    low, high = (end(known, key=lambda e: e["acc"]["hits"] / e["acc"]["n"]) for end in (min, max))
    return (f"{said} NGF leaves ACC between {percent(low['acc'])} (**{low['layer']}**) and "
            f"{percent(high['acc'])} (**{high['layer']}**).")


def _rates(entry: Entry) -> str:
    """ASR with its interval, and ACC."""
    asr, acc = entry["asr"], entry["acc"]
    said = "ASR not measured" if asr is None else f"ASR {percent(asr)}"
    said += f" (95 % interval {interval(asr)})" if asr and asr["n"] else ""
    early = ", stopped early" if entry.get("stopped") else ""
    return said + (f", ACC {percent(acc)}" if acc else "") + early
