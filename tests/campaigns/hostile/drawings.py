"""Pictures of painted triggers that no canvas drew: as text in settings, addresses and commands,
and as what a browser sends in a canvas's place."""

import base64
import struct
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec, patch

import numpy as np
import torch
from hypothesis import strategies as st
from streamlit.components.v2.bidi_component.state import ComponentResult

from app.widgets.attacks import painter
from ngf_core.attacks import PAINTED
from ngf_core.attacks.attack import build_attack, changes_from
from ngf_core.attacks.drawing import LONGEST_RUN, MOST_SIDE, MOST_TEXT, from_text, to_text
from ngf_core.attacks.painted import laid
from ngf_core.config import TrainConfig, from_json
from ngf_core.errors import ConfigError
from ngf_core.trained.load import check_images
from tests.campaigns.hostile.addresses import open_page, pages, sound
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.commands import given
from tests.campaigns.hostile.values import anything, holding, refused


def word(packed: bytes) -> str:
    """Bytes in the letters of a drawing's text."""
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _head(width: int, height: int, *colours: int) -> bytes:
    return struct.pack(">HHB", width, height, len(colours) // 3) + bytes(colours)


def _runs(*of: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">HB", *run) for run in of)


RED = (255, 0, 0)
WHOLE = _head(2, 2, *RED) + _runs((4, 1))
LETTERS = "not text of the letters"
# What stands behind picture=, and what has to be said of it.
ODD: dict[str, tuple[str, str]] = {
    "no text": ("", "the picture is no text"),
    "a path": ("../../etc/passwd", LETTERS), "an address": ("file:///etc/passwd", LETTERS),
    "HTML": ("<script>alert(1)</script>", LETTERS), "a NUL": ("a\0b", LETTERS),
    "a link": ("[x](http://evil.example)", LETTERS), "accents": ("\u00e9\u00e9", LETTERS),
    "digits of another script": ("\u0663\u0663\u0663\u0663", LETTERS),
    "a lone surrogate": ("\ud800", LETTERS),
    "code": ("__import__('os').system('touch$IFS'EXECUTED)", LETTERS),
    "a pickle": (word(b"cos\nsystem\n(S'touch EXECUTED'\ntR."), "the picture"),
    "a PNG": (word(b"\x89PNG\r\n\x1a\n" + bytes(40)), "the picture has 35,152 x 20,039"),
    "a letter too few": (word(WHOLE)[:-1], "the picture|letters"),
    "one letter": ("A", "cut off"), "no size": (word(b"\0\2"), "ends before its size"),
    "10,000 letters": ("A" * 10_000, "has 10,000 characters"),
    "a megabyte": ("A" * 10**6, "has 1,000,000 characters"),
    "no width": (word(_head(0, 2, *RED)), "has 0 x 2 pixels"),
    "65,535 x 65,535": (word(_head(65535, 65535, *RED) + _runs((LONGEST_RUN, 1))),
                        "has 65,535 x 65,535 pixels"),
    "one row too many": (word(_head(1, MOST_SIDE + 1, *RED)), "has 1 x 1,025 pixels"),
    "colours that are not there": (word(_head(2, 2)[:4] + b"\xff"), "cut off"),
    "a run cut off": (word(WHOLE[:-1]), "cut off"),
    "no runs": (word(_head(2, 2, *RED)), "tells 0 of its 4"),
    "a pixel too few": (word(_head(2, 2, *RED) + _runs((3, 1))), "tells 3 of its 4"),
    "runs for 124 million pixels": (
        word(_head(2, 2, *RED) + _runs((LONGEST_RUN, 1)) * 1900), "tells 124,516,500 of its 4"),
    "a colour too high": (word(_head(2, 2, *RED) + _runs((4, 255))), "names colour 255 of 1"),
    "no paint": (word(_head(2, 2, *RED) + _runs((4, 0))), "nothing is painted"),
    "an empty run": (word(_head(2, 2, *RED) + _runs((0, 0), (4, 1))), "not in the one form"),
    "one run as two": (word(_head(2, 2, *RED) + _runs((2, 1), (2, 1))), "not in the one form"),
    "a colour twice": (word(_head(2, 2, *RED, *RED) + _runs((2, 1), (2, 2))),
                       "not in the one form"),
}
# No address can hold a surrogate, and Streamlit reads none of more than half a megabyte.
NO_ADDRESS = ("a lone surrogate", "a megabyte")
# Other parameters of the same attack.
BESIDE: dict[str, tuple[str, str]] = {
    "the picture twice": (f"picture={word(WHOLE)},picture={word(WHOLE)}", "is given twice"),
    "an opacity of 2": (f"picture={word(WHOLE)},alpha=2", "alpha"),
    "an opacity that is none": (f"picture={word(WHOLE)},alpha=nan", "alpha"),
    "an opacity without end": (f"picture={word(WHOLE)},alpha=1e999", "alpha"),
    "a parameter that there is not": (f"picture={word(WHOLE)},__class__=1", "__class__"),
    "the picture as a number": ("picture=1e999", LETTERS),
    "a picture for another attack": (f"picture={word(WHOLE)}", "picture"),
}
ANSWERS: dict[str, Any] = {
    "a text": "x", "a number": 1, "a list": [1], "no paint's name": {},
    "a name that is a list": {"of": [], "pixels": ""}, "nothing": {"of": ..., "pixels": ""},
    "no pixels": {"of": ...}, "pixels that are none": {"of": ..., "pixels": None},
    "pixels as a list": {"of": ..., "pixels": [255] * 4}, "no base64": {"of": ..., "pixels": "!"},
    "a pixel too few": {"of": ..., "pixels": base64.b64encode(bytes(4 * 63)).decode()},
    "ten megabytes": {"of": ..., "pixels": "A" * 10**7},
    "accents": {"of": ..., "pixels": "\u00e9" * 8},
    "a lone surrogate": {"of": ..., "pixels": "\ud800"},
    "HTML": {"of": ..., "pixels": "<script>alert(1)</script>"},
}


def drawings(examples: int, number: int) -> list[Case]:
    """Odd texts through settings and addresses, some as commands; odd answers of the canvas; and
    what Hypothesis makes of each."""
    parameters = {name: (f"picture={text}", says) for name, (text, says) in ODD.items()} | BESIDE
    texts = [Case("drawings", name, _set(text, _attack_of(name)), says,
                  also=None if name in NO_ADDRESS else _shown(text, _attack_of(name)))
             for name, (text, says) in parameters.items()]
    typed = [Case("drawings", f"{name}, typed", given((
        "train", "--attack", _attack_of(name), "--parameters", text)), says, quick=False)
        for name, (text, says) in parameters.items() if len(text) < 10**5]
    answers = [Case("drawings", f"the canvas sends {name}", _answered(answer), TAKEN, quick=False)
               for name, answer in ANSWERS.items()]
    return [*texts, *typed, *answers,
            Case("drawings", "bytes, drawn", holding(_bytes(), _read, examples, number), TAKEN,
                 examples=examples),
            Case("drawings", "answers of the canvas, drawn", _answering(examples, number), TAKEN,
                 examples=examples, quick=False)]


def _attack_of(name: str) -> str:
    return "badnets" if name == "a picture for another attack" else PAINTED


def _set(parameters: str, attack: str) -> Give:
    def give(folder: Path) -> str:
        try:
            config = from_json({"kind": "train", "dataset": "digits", "attack": attack,
                                "parameters": parameters})
            assert isinstance(config, TrainConfig)
            check_images(config)
        except ConfigError as error:
            return str(error)
        return TAKEN
    return give


def _shown(parameters: str, attack: str) -> Give:
    """The same in the address of Attacks, whose sentences are returned."""
    def give(folder: Path) -> str:
        with pages(folder):
            app = open_page("attacks", {"attack": attack, "parameters": parameters})
            sound(app, (parameters,))
        return " ".join(str(item.value) for item in (*app.error, *app.warning, *app.toast))
    return give


def _answered(answer: Any) -> Give:
    def give(folder: Path) -> str:
        with pages(folder):
            _sent(answer)
        return TAKEN
    return give


def _answering(examples: int, number: int) -> Give:
    def give(folder: Path) -> str:
        painted = st.fixed_dictionaries({"of": st.just(...) | anything, "pixels": anything})
        with pages(folder):
            return holding(painted | anything, _sent, examples, number)(folder)
    return give


def _sent(answer: Any) -> None:
    """Attacks where the canvas sends `answer`; an ellipsis in it is the name of the true paint."""
    def draw(*, key: str, data: dict[str, Any], default: Any, on_painted_change: Any):
        named = isinstance(answer, dict) and answer.get("of") is ...
        return ComponentResult({"painted": answer | {"of": data["layer"]} if named else answer})

    with patch.object(painter, "_canvas", create_autospec(painter._canvas, side_effect=draw)):
        sound(open_page("attacks", {"dataset": "digits"}), ("<script>alert(1)</script>",))


def _bytes() -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and whole drawings with bytes changed, left out or put in."""
    def changed(parts: tuple[bytes, int, bytes, int]) -> bytes:
        whole, at, other, left_out = parts
        at %= len(whole)
        return whole[:at] + other + whole[at + left_out :]

    size = st.integers(1, 6)
    whole = st.tuples(size, size, st.integers(1, 3)).map(lambda of: _head(*of[:2], *range(
        3 * of[2])) + _runs((of[0] * of[1], of[2])))
    return st.binary(max_size=60) | whole | st.tuples(
        whole, st.integers(0, 60), st.binary(max_size=3), st.integers(0, 3)).map(changed)


def _read(packed: bytes) -> None:
    """A refusal in words, or a drawing of that very text that can be laid over images."""
    text = word(packed)
    with refused(ConfigError):
        drawing = from_text(text)
        assert drawing.dtype == np.uint8 and to_text(drawing) == text and len(text) <= MOST_TEXT
        for shape in ((3, 32, 32), (1, 8, 8)):
            grey = torch.full((2, *shape), 128, dtype=torch.uint8)
            attack = build_attack(PAINTED, target=0, poison_rate=0.1, seed=0, shape=shape,
                                  classes=10, changes=changes_from(f"picture={text}"))
            x = attack.trigger(grey)
            assert x.shape == (2, *shape) and x.equal(laid(drawing, grey))
