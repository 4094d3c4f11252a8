"""What lies between the first and the last step: whether an end depends on where one stops."""

import pandas as pd

from ngf_core.evidence.entrants import ENTRANTS, PURIFIED
from ngf_core.evidence.markdown import markdown

LATE = 3  # readings, each a tenth of the way: the last fifth
FAR = 0.10  # of ASR


def along(path: pd.DataFrame) -> pd.DataFrame:
    """One row per entrant, attack and seed, from the rates along each tuning; all are fractions.

    return: the highest ASR above the lowest that was read earlier, 0 where it only falls.
    late: the highest minus the lowest ASR of the last `LATE` readings. dip: the ACC of the received
    model minus the lowest along the way.
    """
    rows = []
    for names, one in path.groupby(["entrant", "attack", "seed"]):
        one = one.sort_values("step").dropna(subset=["asr", "acc"])
        late = one["asr"].tail(LATE)
        rows.append(dict(zip(["entrant", "attack", "seed"], names, strict=True)) | {
            "return": (one["asr"] - one["asr"].cummin()).max(), "late": late.max() - late.min(),
            "dip": one["acc"].iloc[0] - one["acc"].min()})
    return pd.DataFrame(rows, columns=["entrant", "attack", "seed", "return", "late", "dip"])


def along_the_tuning(path: pd.DataFrame) -> str:
    """One row per method: median and largest of these over models, and in how many ASR moves by
    more than `FAR`."""
    found = along(path)
    rows = []
    for name in PURIFIED:
        of = found[found["entrant"] == name]
        if len(of):
            rows.append([ENTRANTS[name].title, _points(of["return"]), _far(of["return"]),
                         _points(of["late"]), _far(of["late"]), _points(of["dip"])])
    far = f"over {100 * FAR:.0f}: models"
    return markdown(["along the tuning", "ASR above its lowest so far, points: median, most", far,
                     "change of ASR in the last fifth, points: median, most", far,
                     "ACC lost on the way, points: median, most"], rows) if rows else ""


def _points(values: pd.Series) -> str:
    return f"{100 * values.median():.1f}, {100 * values.max():.1f}"


def _far(values: pd.Series) -> str:
    return f"{(values > FAR).sum()} of {len(values)}"
