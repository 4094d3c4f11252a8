"""What the same purification left on models of other seeds, from the benchmark's table."""

from dataclasses import fields

import pandas as pd

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.config.command import command_line
from ngf_core.config.defender import Defender
from ngf_core.evaluate.rates import Rate
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.measures import BEFORE, rate_in
from ngf_core.purify.settings import MethodSettings


def repeats(race: PurifyConfig, trained: TrainConfig, cells: pd.DataFrame
            ) -> dict[str, dict[int, Rate]]:
    """ASR by method and seed, that of the race itself among them, where another seed is known.

    A seed is that of training, clean images and purification together; all other settings are those
    of the race and of the training behind it. A method that the table does not have with these very
    settings is left out, and so is every method where the table has another training.
    """
    of_attack = cells[(cells["dataset"] == trained.dataset) & (cells["arch"] == trained.arch)
                      & (cells["attack"] == trained.attack)]
    own = of_attack[(of_attack["entrant"] == BEFORE) & (of_attack["seed"] == trained.seed)]
    if race.seed != trained.seed or command_line(trained) not in set(own["command"]):
        return {}
    found = {}
    for settings in race.methods:
        rows = of_attack[of_attack["entrant"] == _entrant(race, settings)]
        rates = {int(row["seed"]): rate for _, row in rows.iterrows()
                 if (rate := rate_in(row, "asr")) is not None and rate.n}
        if len(rates) > 1 and trained.seed in rates:
            found[settings.method] = dict(sorted(rates.items()))
    return found


def _entrant(race: PurifyConfig, settings: MethodSettings) -> str:
    """The entrant with these settings under the race's conditions; "" for none."""
    return next((name for name, entrant in ENTRANTS.items() if entrant.settings == settings
                 and _conditions(entrant.config("", race.seed)) == _conditions(race)), "")


def _conditions(config: PurifyConfig) -> tuple[object, ...]:
    """What decides how a purification ends, but for its methods and its source."""
    return tuple(getattr(config, field.name) for field in fields(Defender))
