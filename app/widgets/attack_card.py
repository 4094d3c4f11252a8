"""What an attack is: its idea, formula, paper, what becomes of labels, what it learns."""

import inspect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.text import sections
from ngf_core.config import TrainConfig

if TYPE_CHECKING:
    from ngf_core.attacks.attack import Attack

TEXT = sections("attacks")


def attack_card(attack: "type[Attack]", config: TrainConfig, names: Sequence[str]) -> None:
    """Describe an attack with the words its own class carries."""
    st.subheader(attack.title, anchor=False)
    st.markdown(idea(attack))
    st.latex(attack.formula)
    st.markdown(label_rule(attack.label_mode, config.target, names))
    if attack.learns:
        st.markdown(TEXT["learns"].format(learns=attack.learns))
    st.caption(reference(attack.reference))


def idea(attack: "type[Attack]") -> str:
    """The first paragraph of the class's documentation."""
    words = inspect.getdoc(attack) or ""
    return " ".join(words.split("\n\n")[0].split())


def label_rule(mode: str, target: int, names: Sequence[str]) -> str:
    """What becomes of the labels, in words; a mode without words of its own is named."""
    return TEXT.get(mode, f"Labels: {mode}.").format(
        target=names[target] if target < len(names) else target, classes=len(names),
        first=names[0], second=names[1 % len(names)])


def reference(words: str) -> str:
    """The paper, with its arXiv number as a link."""
    return re.sub(r"arXiv:? ?(\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", words)
