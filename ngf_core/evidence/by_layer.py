"""What tuning another layer, or all of them, leaves and costs, in Markdown."""

import pandas as pd

from ngf_core.evidence.entrants import BY_RULE, ENTRANTS
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import wide
from ngf_core.evidence.rank import difference, estimate
from ngf_core.evidence.verdict import UNIT

# By method: its entrant that tunes the last layer, the one chosen by rule, and all layers.
LAYERS = {"ngf": ("ngf", BY_RULE, "ablate_full_network"),
          "sgd": ("sgd", "sgd_auto_layer", "sgd_full_network")}
_TITLES = ("last", "chosen by rule", "all")
POOR = 0.5  # an ACC that nobody would use


def by_layer(cells: pd.DataFrame) -> str:
    """One row per method and layer, on the models that have been tuned on each of them: mean rates,
    the paired difference of ASR to the last layer's, how many models end with an ACC under 50 %,
    and processor seconds. Those of NGF include the choice of a layer; SGD is given NGF's. A method
    that tuned the last layer alone has no row. Below it, how often the rule picks the last layer.
    """
    tables = {name: wide(cells, name) for name in ("acc", "asr", "ra", "cpu_seconds")}
    rows = []
    for method, entrants in LAYERS.items():
        titles = {entrant: title for entrant, title in zip(entrants, _TITLES, strict=True)
                  if entrant in tables["asr"]}
        if method not in titles or len(titles) == 1:
            continue
        shared = tables["asr"][list(titles)].dropna().index
        of = {name: table.loc[shared] for name, table in tables.items()}
        for entrant, title in titles.items() if len(shared) else ():
            gap = "" if entrant == method else difference(
                of["asr"], entrant, method).in_percent(signed=True)
            rows.append([ENTRANTS[method].title, title, *(
                estimate(of[name][entrant], (0, 1)).in_percent() for name in ("acc", "asr", "ra")),
                gap, str((of["acc"][entrant] < POOR).sum()),
                f"{of['cpu_seconds'][entrant].mean():.1f}", str(len(shared))])
    if not rows:
        return ""
    table = markdown(["method", "layer", "ACC %", "ASR %", "RA %", "ASR minus the last layer's",
                      f"ACC under {100 * POOR:.0f} %", "Seconds", "n"], rows)
    return table + _picks(cells)


def _picks(cells: pd.DataFrame) -> str:
    layers = cells.pivot_table(index=UNIT, columns="entrant", values="layer", aggfunc="first")
    if BY_RULE not in layers:
        return ""
    both = layers[["ngf", BY_RULE]].dropna()
    same = (both["ngf"] == both[BY_RULE]).sum()
    models = f"model{'s' * (len(both) > 1)}"
    return f"\n\nThe rule picks the last layer on {same} of {len(both)} {models}."
