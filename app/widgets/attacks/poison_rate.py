"""The poison rate as a share and as a count."""

import streamlit as st

from app.text import define
from app.text.outside import unlinked
from app.widgets.controls.address import share
from ngf_core.attacks import PAINTED
from ngf_core.config import TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.evaluate.rates import Rate

LOW, HIGH, STEP = 0.005, 0.5, 0.005
NO_BREAK = "\u00a0"


def poison_rate(config: TrainConfig) -> float:
    """A slider for ?poison_rate=, which opens at the rate of `config`, with the count of images
    below it; the rate.

    Before a trigger is painted there is no count, for there is nothing to poison with.
    """
    rate = share("poison_rate", "Poison rate", config.poison_rate, LOW, HIGH, step=STEP,
                 help=define("Poison rate"))
    # The count depends on no number of a trigger: a slider that moves must not miss the cache.
    picture = next((part for part in config.parameters.split(",") if part.startswith("picture=")),
                   "")
    if config.attack == PAINTED and not picture:
        return rate
    try:
        poisoned, images = _count(config.dataset, config.attack, picture, config.target,
                                  config.limit, config.root, config.size, rate)
    except ConfigError as error:
        st.error(unlinked(f"{error.why[:1].upper()}{error.why[1:]}. {error.fix}"),
                 icon=":material/error:")
    else:
        st.markdown(poisoned_text(poisoned, images))
    return rate


def poisoned_text(poisoned: int, images: int) -> str:
    """The share that is poisoned, with its counts. Some attacks poison a share other than the one
    set."""
    return (f"**{poisoned:,} of {images:,}** training images are poisoned "
            f"({Rate(poisoned, images).percent().replace(' ', NO_BREAK)}).")


@st.cache_data(max_entries=256, show_spinner=False)
def _count(dataset: str, attack: str, parameters: str, target: int, limit: int, root: str,
           size: int, rate: float) -> tuple[int, int]:
    from ngf_core.trained.poison_preview import poison_preview

    preview = poison_preview(TrainConfig(
        dataset=dataset, attack=attack, parameters=parameters, target=target, limit=limit,
        root=root, size=size, poison_rate=rate), 1)
    return preview["poisoned"], preview["train_images"]
