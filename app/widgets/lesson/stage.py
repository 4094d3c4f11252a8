"""What a picture of the lesson is drawn for, and how each of its figures is placed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from app.figures.origin import Origin
from app.read.lesson.facts import Fact
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card

# Pixels of a figure's letters, and of a sign: on a screen, and in a lecture hall.
LETTERS, SIGN = (15, 26), (320, 576)


@dataclass(frozen=True)
class Stage:
    """Whether the answer is shown, whether a hall looks on, and the numbers of the scene."""

    shown: bool
    present: bool
    facts: Mapping[str, Fact]

    @property
    def size(self) -> int:
        """The pixels of a figure's letters."""
        return LETTERS[self.present]

    @property
    def sign(self) -> int:
        """The pixels of a sign's side."""
        return SIGN[self.present]

    def figure(self, options: Mapping[str, Any], *, key: str, caption: str, alt: str, height: int,
               table: pd.DataFrame, origin: Origin) -> None:
        """Draw a figure: as a card with its table and its files, in a hall without them."""
        if self.present:
            st.echarts_chart(dict(options), key=f"lesson_{key}", theme=None, alt=alt,
                             height=height)
            st.caption(caption)
        else:
            figure_card(options, key=f"lesson_{key}", caption=caption, alt=alt, table=table,
                        height=height, filename=f"lesson-{key}", origin=origin)

    @property
    def dark(self) -> bool:
        """Whether the page is dark."""
        return is_dark()
