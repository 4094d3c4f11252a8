"""The pictures that a scene may name. A new one is a function and a line here."""

from collections.abc import Callable, Mapping

from app.widgets.lesson.dot_pictures import (
    accuracy_picture,
    doubt_picture,
    fails_picture,
    flatter_picture,
)
from app.widgets.lesson.layer_picture import layer_picture
from app.widgets.lesson.poison_picture import poison_picture
from app.widgets.lesson.race_picture import race_picture
from app.widgets.lesson.rescale_picture import rescale_picture
from app.widgets.lesson.stage import Stage
from app.widgets.lesson.trigger_picture import trigger_picture
from app.widgets.lesson.valley_picture import valley_picture
from ngf_core.errors import NGFError

PICTURES: Mapping[str, Callable[[Stage], None]] = {
    "trigger": trigger_picture, "poison": poison_picture, "accuracy": accuracy_picture,
    "layer": layer_picture, "valley": valley_picture, "race": race_picture,
    "flatter": flatter_picture, "rescale": rescale_picture, "fails": fails_picture,
    "doubt": doubt_picture,
}
# Their parameters in the address, which go when another scene comes.
CONTROLS = ("trigger", "sign", "share", "layer", "narrow", "length", "damping", "at", "weights",
            "left")


def picture(name: str, stage: Stage) -> None:
    """Draw the picture of that name. Raises NGFError where there is none."""
    if name not in PICTURES:
        raise NGFError(f"The lesson has no picture called {name}. There are {', '.join(PICTURES)}.")
    PICTURES[name](stage)
