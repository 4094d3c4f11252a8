"""The protocol of the benchmark: models, clean images, budget, settings, and the command."""

import shlex
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.read.once import once
from app.text import sections
from app.theme import style
from app.widgets.benchmark.tables_choice import Tables, command_of
from app.widgets.runs.run_name import attack_name, dataset_name
from ngf_core.attacks import ATTACKS
from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.evidence.folders import FRESH, MAIN
from ngf_core.evidence.measures import BEFORE, wide
from ngf_core.evidence.published import NOTES, SECONDS
from ngf_core.evidence.sizes_words import training_text

TEXT = sections("leaderboard")
CONDITIONS = ("steps", "batch_size", "clean_fraction", "augment", "batchnorm")


def benchmark_protocol(cells: pd.DataFrame, of: Tables) -> None:
    """The protocol in words, the settings from the cells' own commands, the published notes."""
    with st.expander("The protocol", icon=":material/gavel:", key="protocol"):
        st.markdown(TEXT["protocol"])
        if of.name in (MAIN, FRESH):
            st.markdown(TEXT["protocol choices"])
        left, right = st.columns(2, gap="large")
        with left:
            st.dataframe(once(conditions, cells), key="protocol_conditions", hide_index=True,
                         height="content")
        with right:
            st.dataframe(once(received, cells), key="protocol_models", hide_index=True,
                         height="content", placeholder="–")
        st.dataframe(once(own_settings, cells), key="protocol_own", hide_index=True,
                     height="content", placeholder="–")
        st.markdown("**To compute it all again**")
        command_of(of)
        st.markdown("**About the published figures**")
        seconds = ", ".join(f"{style(name).label} {value:g}" for name, value in SECONDS.items())
        st.markdown("\n".join(f"- {note}" for note in (
            *NOTES, f"FIP's Fig. 4 gives seconds, mean of 14 attacks on an RTX 3090: {seconds}.")))


def conditions(cells: pd.DataFrame) -> pd.DataFrame:
    """The conditions shared by all defenses, from the table itself."""
    commands = cells.loc[cells["group"] == "defense", "command"]
    given = [settings(command) for command in commands]
    # The floors are a model's, without a command of their own.
    trained = cells.loc[(cells["group"] == "model") & (cells["command"] != ""), "command"]
    rows = {
        "data set": ", ".join(dataset_name(name) for name in cells["dataset"].unique()),
        "architecture": ", ".join(cells["arch"].unique()),
        "training": "; ".join(dict.fromkeys(map(_training, trained))),
        "attacks": str(cells.loc[cells["attack"] != "none", "attack"].nunique()),
        "seeds": ", ".join(map(str, sorted(cells["seed"].unique()))),
        "clean test images": _spread(cells["acc_n"]),
        "triggered test images": _spread(cells["asr_n"])}
    for name in CONDITIONS:
        default = str(PurifyConfig.__dataclass_fields__[name].default)
        values = dict.fromkeys(one.get(name, default) for one in given)
        rows[name.replace("_", " ")] = ", ".join(values)
    return pd.DataFrame({"condition": list(rows), "value": list(rows.values())})


def own_settings(cells: pd.DataFrame) -> pd.DataFrame:
    """Where a defense departs from the conditions, and the layers that were tuned."""
    rows = []
    for name, mine in cells[cells["group"] == "defense"].groupby("entrant", sort=False):
        given = [settings(command) for command in mine["command"]]
        layers = mine.loc[mine["layer"] != "", "layer"].value_counts()
        shared = {*CONDITIONS, "methods", "seed", "evaluations", "sharpness"}
        own = dict.fromkeys(f"{key.rpartition('.')[2]} {value}".strip() for one in given
                            for key, value in one.items() if key not in shared)
        rows.append({"defense": style(str(name)).label, "own settings": ", ".join(own) or None,
                     "tuned": ", ".join(f"{layer} ({count})" for layer, count in layers.items())
                     or None, "stopped early": int((mine["stopped"].fillna("") != "").sum())})
    return pd.DataFrame(rows)


def received(cells: pd.DataFrame) -> pd.DataFrame:
    """The backdoored models as received: mean ACC and ASR, and in how many seeds the attack took.
    """
    asr, acc = wide(cells, "asr"), wide(cells, "acc")
    if BEFORE not in asr:
        return pd.DataFrame(columns=["attack", "ACC", "ASR", "implanted"])
    rows = []
    for attack in (name for name in ATTACKS if name in asr.index):
        mine, aim = asr.loc[attack, BEFORE], ATTACKS[attack].aim
        rows.append({"attack": attack_name(attack),
                     "ACC, %": round(100 * acc.loc[attack, BEFORE].mean(), 1),
                     "ASR, %": round(100 * mine.mean(), 1),
                     f"implanted (seeds of {len(mine)})": int((mine >= aim).sum())})
    return pd.DataFrame(rows)


def settings(command: str) -> dict[str, str]:
    """The settings that a command line names: {"batch_size": "128"} of "--batch-size 128"."""
    found: dict[str, str] = {}
    name = ""
    for word in shlex.split(command):
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            found[name] = ""
        elif name:
            found[name] = f"{found[name]} {word}".strip()
    return found


def _training(command: str) -> str:
    given = settings(command)
    return training_text({name: int(given.get(name, getattr(TrainConfig, name)))
                          for name in ("limit", "epochs")})


def _spread(counts: pd.Series) -> str:
    known: Sequence[int] = counts.dropna().astype(int)
    if not len(known):
        return "none"
    low, high = min(known), max(known)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
