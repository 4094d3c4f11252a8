"""λ_max and trace of each model as tiles, with the error that another draw of images would show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.figures.sharpness import Measures, number, verdict, whole_error
from app.figures.spectrum import TOLERANCE, unconverged, with_error
from app.theme import style


@dataclass(frozen=True)
class Tile:
    """One number of one model: `text` is the value with its error, `note` what is to be known."""

    model: str
    measure: str
    value: float
    error: float
    text: str
    note: str
    flagged: bool = False


def tiles(models: Mapping[str, Mapping[str, np.ndarray]],
          measured: Mapping[str, Measures] | None = None) -> list[Tile]:
    """λ_max and trace of each model with their errors.

    `measured` holds the sharpness measures of a model (see `app.figures.sharpness`), if they were
    taken: the tile then has their value, so that a quantity has one value on a page, with the error
    over images and of the computation together, and its note is the paired change. Else the error
    is that of the computation alone, and the note says so: another draw of images may move the
    value by half. A model's mapping has `eigenvalues` (k,), `residuals` (k,) and `trace` (value,
    standard error, probes).
    """
    made = []
    for name, data in models.items():
        label = style(name).label
        values = np.asarray(data["eigenvalues"], float)
        residuals = np.asarray(data["residuals"], float)
        top = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
        value = float(values[top]) if len(values) else float("nan")
        error = float(residuals[top]) if len(residuals) else float("nan")
        flagged = bool(unconverged([value], [error])[0])
        trace, trace_error, probes = (float(v) for v in data["trace"])
        alone = (("λ_max", "lambda_max", value, error, "Ritz residual"),
                 ("trace", "trace", trace, trace_error, f"standard error over {probes:.0f} probes"))
        for measure, key, own, own_error, what in alone:
            wrong = measure == "λ_max" and flagged
            entry = (measured or {}).get(name, {}).get(key)
            if wrong:
                note = f"{what} above {TOLERANCE:.0%} of λ: not converged"
            elif entry is None:
                note = f"{what}; over images: not measured"
            else:
                own, own_error = number(entry["value"]), whole_error(entry)
                note = verdict(entry) if entry.get("minus_before") else "as received"
            made.append(Tile(label, measure, own, own_error, with_error(own, own_error), note,
                             wrong))
    return made
