"""What tuning another layer, or all of them, leaves and costs, in Markdown."""

import pandas as pd

from ngf_core.evidence.entrants import ENTRANTS, RULE
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import wide
from ngf_core.evidence.rank import difference, estimate
from ngf_core.evidence.verdict import UNIT

# By method: its entrant that tunes the last layer, the one chosen by rule, and all layers.
LAYERS = {"ngf": ("ngf", RULE, "ablate_full_network"),
          "sgd": ("sgd", "sgd_auto_layer", "sgd_full_network")}
_TITLES = ("last", "chosen by rule", "all")
POOR = 0.5  # an ACC that nobody would use


def by_layer(cells: pd.DataFrame) -> str:
    """One row per method and layer, on the models of which all layers of that method are there:
    mean rates, the paired difference of ASR to the last layer's, how many models end with an ACC
    under 50 %, on how many the layer is the last one, and processor seconds. Those of NGF include
    the choice of a layer; SGD is given NGF's. A method without all three has no row.
    """
    tables = {name: wide(cells, name) for name in ("acc", "asr", "ra", "cpu_seconds")}
    layers = cells.pivot_table(index=UNIT, columns="entrant", values="layer", aggfunc="first")
    rows = []
    for method, entrants in LAYERS.items():
        if not set(entrants) <= set(tables["asr"]):
            continue
        shared = tables["asr"][list(entrants)].dropna().index
        of = {name: table.loc[shared] for name, table in tables.items()}
        for entrant, title in zip(entrants, _TITLES, strict=True) if len(shared) else ():
            picked = layers.loc[shared, entrant] == layers.loc[shared, method]
            gap = "" if entrant == method else difference(
                of["asr"], entrant, method).in_percent(signed=True)
            rows.append([ENTRANTS[method].title, title, *(
                estimate(of[name][entrant], (0, 1)).in_percent() for name in ("acc", "asr", "ra")),
                gap, str((of["acc"][entrant] < POOR).sum()), str(picked.sum()),
                f"{of['cpu_seconds'][entrant].mean():.1f}", str(len(shared))])
    return markdown(["method", "layer", "ACC %", "ASR %", "RA %", "ASR minus the last layer's",
                     "ACC under 50 %", "on the last layer", "Seconds", "n"], rows) if rows else ""
