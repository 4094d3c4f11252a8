"""The benchmark's tables in words and Markdown, for the documents: no result is typed by hand."""

import json
from pathlib import Path

import pandas as pd

from ngf_core.data import DATASETS
from ngf_core.evidence import load
from ngf_core.evidence.ablation import VARIANTS, carried, effects
from ngf_core.evidence.aims import aims, defenses_only
from ngf_core.evidence.along import along_the_tuning
from ngf_core.evidence.by_attack import attack_by_attack, short_of_aims
from ngf_core.evidence.by_layer import by_layer
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import BEFORE, BENIGN, MEASURES, wide
from ngf_core.evidence.rank import Estimate, estimate, rank_text, ranking
from ngf_core.evidence.sizes_words import training_text
from ngf_core.evidence.verdict import COMPARISONS, FAILS, HOLDS, OPEN, measure_title, verdicts
from ngf_core.evidence.verdict import MEASURES as MEASURED

COLUMNS = ("der", "acc", "asr", "ra", "cpu_seconds")
_IMAGES = {"held_out": "held-out", "defender": "defender's"}
_SIGNS = {HOLDS: "✓", FAILS: "✗", OPEN: "○"}


def report(folder: Path, *, whole: bool) -> str:
    """What ships in report.md: protocol, aims, leaderboard, layers, each attack, what happens along
    the tuning, ablation and the claim.

    whole: every defense and attack is planned there, so that it can be told how much is missing.
    """
    cells, claim, path = (load(name, folder) for name in ("cells", "claim", "path"))
    protocol = json.loads((folder / "protocol.json").read_text())
    parts = [_progress(protocol, whole), _aims(cells), leaderboard(cells), by_layer(cells),
             *(attack_by_attack(cells, rate) for rate in ("asr", "acc", "ra")),
             short_of_aims(cells), along_the_tuning(path), ablation(cells), sharpness_claim(claim)]
    return "\n\n".join(part for part in parts if part) + "\n"


def leaderboard(cells: pd.DataFrame) -> str:
    """One row per defense, the best mean DER first, with the models it started from above."""
    tables = {name: wide(cells, name) for name in COLUMNS}
    names = [name for name in tables["der"] if name in set(defenses_only(cells)["entrant"])]
    ranks = ranking(tables["der"][names], higher_is_better=True)
    head = ["rank", "defense", *(_head(name) for name in COLUMNS), "n"]
    rows = [["", title, *(_mean(tables[name], entrant, name) for name in COLUMNS), ""]
            for entrant, title in ((BENIGN, "benign model, with trigger"), (BEFORE, "backdoored"))]
    rows += [[rank_text(row.first, row.last).strip(), ENTRANTS[row.Index].title,
              *(_mean(tables[name], row.Index, name) for name in COLUMNS), str(row.n)]
             for row in ranks.itertuples()]
    return markdown(head, rows)


def ablation(cells: pd.DataFrame) -> str:
    """One row per variant of NGF that has any cell: its own rates and the paired difference to full
    NGF in ASR, then the sentences that follow from the intervals."""
    found = {name: effects(cells, name) for name in ("asr", "acc", "ra")}
    if not any(effect.minus_full.n for effect in found["asr"][1:]):
        return ""
    rows = []
    for asr, acc, ra in zip(*found.values(), strict=True):
        if not asr.own.n:
            continue
        gap = "" if asr.variant == "ngf" else _interval(asr.minus_full, "asr", signed=True)
        rows.append([VARIANTS[asr.variant].title,
                     *(_interval(e.own, name) for e, name in ((acc, "acc"), (asr, "asr"),
                                                              (ra, "ra"))), gap,
                     str(asr.own.n)])
    table = markdown(["variant", "ACC %", "ASR %", "RA %", "ASR minus full NGF's", "n"], rows)
    return table + "\n\n" + "\n".join(f"- {sentence}" for sentence in carried(found["asr"], "ASR"))


def sharpness_claim(claim: pd.DataFrame) -> str:
    """One row per pair of models, images and parameters, one column per measure: the mean ratio
    with its interval, the verdict as a sign, and in how many attacks the sign is the claimed one.
    """
    found = verdicts(claim)
    if found.empty:
        return ""
    rows = []
    for (pair, images, parameters), part in found.groupby(["comparison", "images", "parameters"],
                                                          sort=False):
        of = part.set_index("measure")
        rows.append([f"{_name(COMPARISONS[pair].model)} / {_name(COMPARISONS[pair].other)}",
                     _IMAGES[images], parameters,
                     *(_ratio(of.loc[name]) if name in of.index else "" for name in MEASURED),
                     str(part.n.max())])
    table = markdown(["ratio of", "images", "parameters",
                       *map(measure_title, MEASURED), "n"], rows)
    seeds = claim[claim.model == "benign"].seed.nunique()
    return (f"{table}\n\n{_SIGNS[HOLDS]} the claim holds, {_SIGNS[FAILS]} it does not, "
            f"{_SIGNS[OPEN]} not resolved; then the attacks with the claimed sign. n: pairs of "
            f"models, with {seeds} benign one{'s' * (seeds != 1)}, one per seed.")


def _ratio(row: pd.Series) -> str:
    if not row.n:
        return ""
    interval = "" if pd.isna(row.low) else f" [{row.low:.2f}, {row.high:.2f}]"
    return f"{_SIGNS[row.verdict]} {row.ratio:.2f}{interval} {row.agree}/{row.attacks}"


def _name(model: str) -> str:
    return ENTRANTS[model].title if model in ENTRANTS else model


def _progress(protocol: dict, whole: bool) -> str:
    """What the models are, and how many cells there are; of how many, where the plan is known."""
    of = f" of {protocol['cells']}" * whole
    seeds = f"seed{'s' * (len(protocol['seeds']) > 1)} {', '.join(map(str, protocol['seeds']))}"
    return (f"{DATASETS[protocol['dataset']].title}, {protocol['arch']}, "
            f"{training_text(protocol['train'])}: {protocol['finished']}{of} cells (attacks x "
            f"entrants x {seeds}).")


def _aims(cells: pd.DataFrame) -> str:
    word = {True: "met", False: "missed", None: "open"}
    return "\n".join(f"- {aim.what}: **{word[aim.met]}**. {aim.found}" for aim in aims(cells))


def _head(name: str) -> str:
    measure = MEASURES[name]
    return f"{measure.title} %" if measure.unit == "%" else measure.title


def _mean(table: pd.DataFrame, entrant: str, name: str) -> str:
    if entrant not in table:
        return ""
    return _interval(estimate(table[entrant], MEASURES[name].limits), name)


def _interval(found: Estimate, name: str, signed: bool = False) -> str:
    if not found.n:
        return ""
    if MEASURES[name].unit != "%":
        return f"{found.mean:.1f}"  # seconds: an interval over attacks says nothing of their cost
    return found.in_percent(signed=signed)
