"""The layer that somebody who knew the attack would take."""

from collections.abc import Mapping, Sequence
from typing import Any

COST = 0.02


def oracle(entries: Sequence[Mapping[str, Any]], before: Mapping[str, Any], method: str = "ngf"
           ) -> dict[str, str] | None:
    """The layer with the lowest ASR after `method` among those that lose at most two points of ACC.

    Where every layer loses more, among those at most two points below the layer that loses least.
    Of equal ASR the higher RA, then the earlier layer. entries: rows of a layer map, with counts
    {"hits", "n"}. None for a benign model, and where nothing was measured.
    """
    mine = [e for e in entries if e["method"] == method and e["asr"] is not None]
    if not mine or before["asr"] is None:
        return None
    bound = min(_rate(before["acc"]), max(_rate(e["acc"]) for e in mine)) - COST
    if any(_rate(e["acc"]) >= _rate(before["acc"]) - COST for e in mine):
        bound = _rate(before["acc"]) - COST
    allowed = [e for e in mine if _rate(e["acc"]) >= bound - 1e-12]
    return {"layer": min(allowed, key=lambda e: (_rate(e["asr"]), -_rate(e["ra"])))["layer"],
            "method": method}


def _rate(counts: Mapping[str, int]) -> float:
    return counts["hits"] / max(1, counts["n"])
