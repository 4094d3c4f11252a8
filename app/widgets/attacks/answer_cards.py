"""Pictures side by side with each model's answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.figures.samples import strip
from app.figures.triggers import data_url, enlargement

Answer = tuple[int, float]


@dataclass(frozen=True)
class Card:
    """Versions of one picture (uint8 (C, H, W)) by name, e.g. clean and triggered, and each model's
    (label, confidence) for them in that order. Labels where they are known."""

    pictures: Mapping[str, np.ndarray]
    answers: Mapping[str, Sequence[Answer]]
    truth: int | None = None
    wanted: int | None = None


def answer_cards(cards: Sequence[Card], names: Sequence[str], *, columns: int, key: str) -> None:
    """One card per picture: its versions side by side, below them each model's answers."""
    with st.grid(columns=columns, min_column_width=150, key=key):
        for card in cards:
            with st.container(border=True, height="stretch"):
                _card(card, names)


def _card(card: Card, names: Sequence[str]) -> None:
    images = np.stack(list(card.pictures.values()))
    about = names[card.truth] if card.truth is not None else "your picture"
    scale = enlargement(images.shape[-1], 128)
    st.image(data_url(strip(images, scale)), width="content",
             alt=f"{about}: {' and '.join(card.pictures)}")
    if card.truth is not None:
        st.markdown(f"**{about}**")
    st.markdown("  \n".join(
        f"{model}: " + " → ".join(answer(*one, names, card.truth, card.wanted) for one in answers)
        for model, answers in card.answers.items()))


def answer(label: int, confidence: float, names: Sequence[str], truth: int | None = None,
           wanted: int | None = None) -> str:
    """One answer. Where the true label is known the right answer is a check, the attacker's label
    a flag and any other a cross, and only a wrong answer is named."""
    sure = f"{100 * confidence:.0f}\u00a0%"
    if truth is None:
        return f"{names[label]} {sure}"
    if label == truth:
        return f":material/check:\u00a0{sure}"
    mark, name = ("flag", f"**{names[label]}**") if label == wanted else ("close", names[label])
    return f":material/{mark}:\u00a0{name}\u00a0{sure}"
