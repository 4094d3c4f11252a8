"""The race's curves as figure cards that can be updated while they are shown.

With `clicks` a click into the curves calls it; what was clicked is in the session under the card's
`key`, for `picked_bar`. While a race is live its curves cannot be clicked, but the cards are given
`clicks` all the same: a chart with and one without are two charts to the browser.
"""

from collections.abc import Callable, Sequence

from app.figures.curves import (
    ERRORS,
    METRICS,
    SHARPNESS,
    curve_table,
    loss_options,
    race_alt,
    race_options,
    sharpness_alt,
    sharpness_options,
)
from app.figures.origin import Origin
from app.figures.picking import clickable
from app.read.recording import Recording
from app.text import sections
from app.theme import style
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card


def race_card(recording: Recording, metrics: Sequence[str], *, key: str, filename: str,
              origin: Origin, x: str = "step", x_max: float | None = None, step: int | None = None,
              clicks: Callable[[], None], height: int = 420) -> None:
    """Rates of every method, up to a step or to the newest point."""
    points, methods = recording.points, recording.methods
    shown = [name for name in metrics if name in recording.metrics]
    options = race_options(points, methods, shown, x=x, x_max=x_max, step=step,
                           before=recording.before(), dark=is_dark())
    so_far = points if step is None else points[points["step"] <= step]
    strokes = {"asr": "thick", "acc": "thin", "ra": "pale"}
    drawn = ", ".join(f"{METRICS[name].label} {strokes[name]}" for name in shown)
    figure_card(clickable(options, step is not None), key=key, on_select=clicks,
                origin=origin, filename=filename, live=True, height=height,
                caption=f"{drawn}; the grey dotted lines are the model as received, "
                        "with no defense.",
                alt=race_alt(so_far, methods, shown), table=curve_table(so_far, shown))


def sharpness_curves(recording: Recording, *, key: str, filename: str, images: int,
                   origin: Origin,
                   x: str = "step", x_max: float | None = None, step: int | None = None,
                   clicks: Callable[[], None]) -> None:
    """λ_max and Tr(F) of every method's model, up to a step or to the newest point."""
    points, methods = recording.points, recording.methods
    options = sharpness_options(points, methods, x=x, x_max=x_max, step=step, dark=is_dark(),
                                before=recording.before(*SHARPNESS))
    so_far = points if step is None else points[points["step"] <= step]
    figure_card(clickable(options, step is not None), key=key, on_select=clicks,
                origin=origin, filename=filename, live=True, height=320,
                caption=sections("race")["sharpness"].format(images=images),
                alt=sharpness_alt(so_far, methods),
                table=curve_table(so_far, [*SHARPNESS, *ERRORS.values()]))


def loss_card(recording: Recording, *, key: str, filename: str, origin: Origin,
              x: str = "step", x_max: float | None = None, step: int | None = None,
              clicks: Callable[[], None]) -> None:
    """The clean loss of each step, on a logarithmic axis."""
    points = recording.points
    options = loss_options(points, recording.methods, x=x, x_max=x_max, step=step, dark=is_dark())
    so_far = points if step is None else points[points["step"] <= step]
    who = " and ".join(style(method).label for method in recording.methods)
    figure_card(clickable(options, step is not None), key=key, on_select=clicks,
                origin=origin, filename=filename, live=True, height=260,
                caption="Mean loss on the clean images of each recorded step, as the methods "
                        "compute it.",
                alt=f"Line chart of the clean loss of {who} on a logarithmic axis.",
                table=curve_table(so_far, ["loss"]))
