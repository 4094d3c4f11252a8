"""What the first screen plays: one purification as plain values, ready for the browser."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.figures.landscape.picture import picture
from app.figures.samples import png
from app.read.recording import Recording
from app.theme import DARK, LIGHT, label_color, style
from app.widgets.race.rate_tiles import interval_text

# The attacker's label in reddish purple, apart from every method's hue; a mistake is hatched grey.
ATTACKER, TRUE, MISTAKE = "#AA3377", "#4477AA", "#8A8A8A"
LARGE = 96  # pixels; of larger images fewer are sent
NOTE = ("The ways of {ways} through weight space, projected onto the plane that holds "
        "{variance:.0f} % of their variance. The ground is the loss on triggered images with the "
        "attacker's label in that plane, from {low:.2g} (dark: the backdoor works there) to "
        "{high:.2g} (bright). The models lie up to {off:.2g} off the plane, so the colour under a "
        "point is not its own loss.{without}")


def touch_record(recording: Recording, names: Sequence[str],
                 landscape: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
    """The images, and each model's answers, rates and place in the landscape at each step.

    `names` are those of the classes; `landscape` holds the arrays of the race's landscape run, if
    there is one. Answers are [label, confidence, kind] as the race recorded them, kind being
    "true", "attacker" (the label that the trigger is to bring about) or "mistake". `clearest` is
    the image of the greatest contrast.
    """
    steps = recording.steps
    samples = recording.samples
    count = len(samples["labels"])
    if max(samples["clean"].shape[-2:]) > LARGE:
        count = min(count, 4)
    models = [_model("before", recording, names, [0], count)]
    models += [_model(method, recording, names, steps, count) for method in recording.methods]
    return {"models": models, "steps": steps, "triggered": "triggered" in samples,
            "signs": [_sign(samples, index, names) for index in range(count)],
            "clearest": int(np.argmax(samples["clean"][:count].std(axis=(1, 2, 3)))),
            "ground": _ground(recording, landscape, steps),
            "inks": {"attacker": ATTACKER, "true": TRUE, "mistake": MISTAKE,
                     "muted": _both(LIGHT.muted, DARK.muted)}}


def _model(name: str, recording: Recording, names: Sequence[str], steps: Sequence[int], count: int
           ) -> dict[str, Any]:
    look = style(name)
    stroke = (1, 0) if look.stroke == "solid" else look.stroke
    answers = {images: [_answers(recording, name, images, step, names, count) for step in steps]
               for images in ("clean", "triggered")}
    rates = None if name == "before" else [
        {metric: _rate(recording, name, metric, step) for metric in ("asr", "acc")}
        for step in steps]
    light, dark = (label_color(look.color, mode) for mode in (False, True))
    return {"name": name, "label": "As received" if name == "before" else look.label,
            "color": look.color, "ink": _both(light, dark), "dashes": " ".join(map(str, stroke)),
            "answers": answers, "rates": rates}


def _both(light: str, dark: str) -> str:
    """A colour for either mode, as CSS: the browser changes it with the page."""
    return f"light-dark({light}, {dark})"


def _answers(recording: Recording, name: str, images: str, step: int, names: Sequence[str],
             count: int) -> list[list[Any] | None]:
    given = recording.received(images) if name == "before" else \
        recording.predicted(name, images, step)
    if given is None or images not in recording.samples:
        return [None] * count
    samples = recording.samples
    found: list[list[Any] | None] = []
    for index in range(count):
        label = int(given[index][0])
        wanted = int(samples["targets"][index]) if images == "triggered" else None
        kind = "attacker" if label == wanted else \
            "true" if label == int(samples["labels"][index]) else "mistake"
        found.append([names[label], float(given[index][1]), kind])
    return found


def _rate(recording: Recording, name: str, metric: str, step: int) -> dict[str, Any] | None:
    measured = recording.measured(name, metric, step)
    if measured is None:
        return None
    return {"value": measured.value, "interval": interval_text(measured)}


def _sign(samples: Mapping[str, np.ndarray], index: int, names: Sequence[str]) -> dict[str, Any]:
    pictures = {images: _address(samples[images][index]) if images in samples else None
                for images in ("clean", "triggered")}
    return {"name": names[int(samples["labels"][index])], **pictures}


def _address(image: np.ndarray) -> str:
    """An image, uint8 (1 or 3, H, W), as a data URL."""
    pixels = np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1)
    return _data_url(np.ascontiguousarray(pixels))


def _data_url(pixels: np.ndarray) -> str:
    return "data:image/png;base64," + b64encode(png(pixels)).decode("ascii")


def _ground(recording: Recording, landscape: Mapping[str, np.ndarray] | None, steps: Sequence[int]
            ) -> dict[str, Any] | None:
    """The plane of the paths, with each method's place at each step; None where it is missing."""
    if landscape is None or not np.isfinite(landscape.get("path.triggered", np.nan)).any():
        return None
    paths: dict[str, list] = {}
    for method in recording.methods:
        points = landscape.get(f"{method}.on_path_plane")
        if points is not None:
            at = np.searchsorted(landscape[f"{method}.path_steps"], steps, side="right") - 1
            paths[method] = points[at.clip(0)].round(6).tolist()
    if not paths:
        return None
    xs, ys = landscape["path_xs"], landscape["path_ys"]
    ends = "; ".join(f"{style(method).label} starts at the received model and ends at "
                     f"{path[-1][0]:.3g}, {path[-1][1]:.3g}" for method, path in paths.items())
    return {"picture": _data_url(picture(landscape["path.triggered"])), "paths": paths,
            "xs": [float(xs[0]), float(xs[-1])], "ys": [float(ys[0]), float(ys[-1])],
            "note": _note(recording, landscape, list(paths)),
            "alt": f"The loss on triggered images around the models' ways. {ends}."}


def _note(recording: Recording, landscape: Mapping[str, np.ndarray], drawn: Sequence[str]) -> str:
    """What the picture shows, and what it does not."""
    known = landscape["path.triggered"][np.isfinite(landscape["path.triggered"])]
    off = max(float(np.max(landscape[f"{name}.off_path_plane"])) for name in drawn)
    without = " and ".join(style(name).label for name in recording.methods if name not in drawn)
    return NOTE.format(ways=" and ".join(style(name).label for name in drawn),
                       variance=100 * float(landscape["path_variance"].sum()), low=known.min(),
                       high=known.max(), off=off,
                       without=f" No way of {without} was recorded." if without else "")
