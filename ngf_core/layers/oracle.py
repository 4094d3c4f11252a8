"""The layer that a defender who knew the attack would take."""

from collections.abc import Mapping, Sequence
from typing import Any

from ngf_core.evaluate.rates import Evaluation

COST = 0.02


def oracle(entries: Sequence[Mapping[str, Any]], before: Mapping[str, Any], method: str = "ngf"
           ) -> dict[str, str] | None:
    """The layer with the lowest ASR after `method` among those that lose at most two points of ACC.

    Where every layer loses more, among those at most two points below the layer that loses least.
    At equal ASR the higher RA decides, then the earlier layer. entries: rows of a layer map, with
    counts {"hits", "n"}. None for a benign model, and where nothing was measured.
    """
    measured = {entry["layer"]: Evaluation.from_json(entry) for entry in entries
                if entry["method"] == method and entry["asr"] is not None}
    mine = {layer: (rates.acc, *rates.of_attack()) for layer, rates in measured.items()
            if rates.acc.n and rates.of_attack()[0].n}
    received = Evaluation.from_json(before)
    if not mine or received.asr is None:
        return None
    highest = max(acc.value for acc, _, _ in mine.values())
    bound = received.acc.value - COST
    if highest < bound:
        bound = highest - COST
    allowed = [layer for layer, (acc, _, _) in mine.items() if acc.value >= bound - 1e-12]
    return {"layer": min(allowed, key=lambda layer: (mine[layer][1].value,
                                                     -mine[layer][2].value)),
            "method": method}
