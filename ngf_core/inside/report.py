"""A look inside the models of a run as text and as JSON."""

import math
from typing import Any

from ngf_core.inside.models import CLEAN, ORIGINALS, TRIGGERED, Inside, Saliency
from ngf_core.inside.saliency import COPIES, NOISE
from ngf_core.inside.settings import Look
from ngf_core.text_table import aligned

TOP = 10
SHOWN = 5


def told(inside: Inside, found: Saliency | None, look: Look, run_id: str) -> dict[str, Any]:
    """Everything but the images and the features, with numbers that JSON has.

    Each model has its points in the received model's principal plane, its confusion matrices, its
    `TOP` most shifted channels and the share of saliency on the trigger.
    """
    plane = inside.plane()
    return {"run": run_id, "command": look.command(run_id), "seed": look.seed,
            "layer": inside.layer, "classes": list(inside.class_names),
            "images": {part: len(x) for part, x in inside.images.items() if part != ORIGINALS},
            "plane": {"explained": list(plane.explained)},
            "models": {model: {
                "same_features": inside.same_features(model),
                "plane_holds": _known(plane.holds(inside.features(model))),
                "points": plane.project(inside.features(model)).round(5).tolist(),
                "answers": {part: of.answers.tolist() for part, of in inside.seen[model].items()
                            if part != ORIGINALS},
                "confusion": {part: of.tolist() for part in (CLEAN, TRIGGERED)
                              if (of := inside.confusion(model, part)) is not None},
                "attackers_label": inside.obeying(model) if inside.has_trigger else None,
                "channels": _channels(inside, model),
                "saliency": _share(found, model)} for model in inside.models}}


def _channels(inside: Inside, model: str) -> list[dict[str, Any]] | None:
    moved = inside.shift(model)
    if moved is None:
        return None
    return [{"channel": c, "shift": float(moved.value[c]),
                       "error": float(moved.error[c])} for c in moved.on(TOP)]


def _share(found: Saliency | None, model: str) -> dict[str, Any] | None:
    share = found.shares.get(model) if found else None
    if share is None:
        return None
    return {"share": _known(share.value), "error": _known(share.error),
                      "uniform": share.uniform, "n": share.n}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text(inside: Inside, found: Saliency | None, look: Look) -> str:
    """One row per model, then what the columns are."""
    n, m = len(inside.images[CLEAN]), len(inside.images.get(TRIGGERED, ()))
    plane = inside.plane()
    rows = [["", "right, clean", *(["right, triggered", "attacker's label", "saliency on trigger",
                                    "channels switched on"] if m else []), "plane holds"]]
    for model in inside.models:
        held = f"{100 * plane.holds(inside.features(model)):.0f} %"
        triggered = [_right(inside, model, TRIGGERED), f"{inside.obeying(model)}/{m}",
                     _saliency(found, model), _switched(inside, model)]
        rows.append([model, _right(inside, model, CLEAN), *(triggered if m else []), held])
    return "\n".join([aligned(rows), "", *_sentences(inside, found, look, n, m)])


def _right(inside: Inside, model: str, part: str) -> str:
    counts = inside.confusion(model, part)
    return "not measured" if counts is None else f"{counts.trace()}/{counts.sum()}"


def _saliency(found: Saliency | None, model: str) -> str:
    share = found.shares.get(model) if found else None
    return f"{100 * share.value:.1f} % ± {100 * share.error:.1f}" if share else "not measured"


def _switched(inside: Inside, model: str) -> str:
    moved = inside.shift(model)
    if moved is None:
        return "not measured"
    return ", ".join(f"{c} {moved.value[c]:+.1f}" for c in moved.on(SHOWN)) or "none"


def _sentences(inside: Inside, found: Saliency | None, look: Look, n: int, m: int) -> list[str]:
    said = [f"n = {n} clean{f' and {m} triggered' if m else ''} test images, seed {look.seed}. "
            "The plane is that of the two principal components of the received model's features "
            f"({100 * sum(inside.plane().explained):.0f} % of their variance); plane holds: the "
            "share of each model's own variance in it."]
    if m:
        said.append(f"Channels of {inside.layer}: mean output with the trigger minus without, in "
                    "standard deviations of the clean images.")
    if found and found.shares:
        share = next(iter(found.shares.values()))
        said.append(f"Saliency: SmoothGrad ({COPIES} copies, noise {NOISE}) of the attacker's "
                    f"logit on {share.n} triggered images, ± standard error; an even map has "
                    f"{100 * share.uniform:.1f} % on the trigger.")
    same = [model for model in inside.models[1:] if inside.same_features(model)]
    if same:
        said.append(f"{', '.join(same)}: the features of the received model, unchanged.")
    if not m:
        said.append("Triggered images: not measured, since no trigger of this model is known.")
    return said
