"""The description of an attack: its idea, formula, paper, effect on labels, what it learns."""

import inspect
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.text import sections
from ngf_core.config import TrainConfig

if TYPE_CHECKING:
    from ngf_core.attacks.attack import Attack

TEXT = sections("attacks")


def attack_card(attack: "type[Attack]", config: TrainConfig, names: Sequence[str]) -> None:
    """Describe an attack by the docstrings of its module and class."""
    words, formula = st.columns([5, 4], gap="large", vertical_alignment="center")
    with words:
        st.header(attack.title, anchor=False)
        st.markdown(idea(attack))
        st.markdown(label_rule(attack.label_mode, config.target, names))
        if attack.learns:
            st.markdown(TEXT["learns"].format(learns=attack.learns))
    with formula:
        for line in lines(attack.formula):
            st.latex(line)
        st.markdown(f":small[{reference(attack.reference)}]", text_alignment="center")


def idea(attack: "type[Attack]") -> str:
    """The module docstring's first line after its colon, and the class's first paragraph."""
    brief = (sys.modules[attack.__module__].__doc__ or "").strip().partition("\n")[0]
    brief = brief.rpartition(": ")[2].rstrip(".")
    words = " ".join((inspect.getdoc(attack) or "").split("\n\n")[0].split())
    return f"**{brief[:1].upper()}{brief[1:]}.** {words}" if brief else words


def lines(formula: str) -> list[str]:
    """The side-by-side parts of a formula, one per line."""
    return re.split(r"[,;] \\; ?", formula)


def label_rule(mode: str, target: int, names: Sequence[str]) -> str:
    """The effect on the labels, in words; a mode without its own text is named."""
    return TEXT.get(mode, f"Labels: {mode}.").format(
        target=names[target] if target < len(names) else target, classes=len(names),
        first=names[0], second=names[1 % len(names)])


def reference(words: str) -> str:
    """The paper, with its arXiv number as a link."""
    return re.sub(r"arXiv:? ?(\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", words)
