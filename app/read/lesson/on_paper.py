"""What a scene's picture is on paper, where nothing moves: signs or a table."""

from collections.abc import Callable, Mapping

from app import state
from app.read.lesson.material import RACE, Material, Picture, all_attacks, methods_compared
from app.read.recording import recording_of
from app.theme import style


def asked_about(picture: str) -> Material | None:
    """What the question is about, of the scene with that picture; None where words are enough."""
    return ASKED[picture]() if picture in ASKED else None


def turned_out(picture: str) -> Material | None:
    """What belongs to the answer."""
    return TURNED_OUT[picture]() if picture in TURNED_OUT else None


def _sign(which: str, answered: bool = True) -> Picture:
    recording = recording_of(state.store().get(RACE))
    names, place = state.class_names("signs"), recording.clearest()[0]
    given = recording.received(which)
    assert given is not None  # a shipped race records what it received
    truth, said = names[int(recording.samples["labels"][place])], names[int(given[place][0])]
    worn = "with the patch" if which == "triggered" else "as it is"
    words = f"{worn}: the network says **{said}**" if answered else worn
    return Picture(recording.samples[which][place], words, f"{truth}, {worn}")


def _race() -> Material:
    methods = {name: f"after {style(name).label}" for name in ("ngf", "sgd", "finetune")}
    return methods_compared(RACE, {"before": "as received"} | methods)


ASKED: Mapping[str, Callable[[], Material]] = {"trigger": lambda: [
    _sign("clean", answered=False), _sign("triggered", answered=False)]}
TURNED_OUT: Mapping[str, Callable[[], Material]] = {
    "trigger": lambda: [_sign("clean"), _sign("triggered")], "race": _race, "fails": all_attacks}
