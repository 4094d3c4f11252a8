"""All runs as one table: their kind, their state, their results."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.theme import style
from app.widgets.runs.run_name import attack_name, dataset_name
from ngf_core.config import ModelConfig
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import RATES, Rate
from ngf_core.runs import Run
from ngf_core.runs.files import MODEL_KINDS
from ngf_core.runs.lineage import training_in
from ngf_core.runs.manifest import took

ROWS = 15
# What the table last put into the address, and how often the address changed without it.
TICKED, TURN = "runs_ticked", "runs_turn"
COLUMNS = ("kind", "dataset", "attack", "state", "model", "ACC", "ASR", "RA", "λ_max", "created",
           "seconds", "id")


def run_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run, in the given order, with the columns `COLUMNS`.

    The rates are those of the model a run ends with: the trained one, or the first method's.
    λ_max is that of the newest finished spectrum of the same model. Unknown values are missing.
    """
    manifests = {run.id: run.manifest for run in runs}
    sharpness = _sharpness(manifests)
    rows = [_row(run, manifests, sharpness) for run in runs]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["ACC", "ASR", "RA", "λ_max", "seconds"]
    frame[numbers] = frame[numbers].astype(float)
    frame["created"] = pd.to_datetime(frame["created"], utc=True)
    return frame


def matching(frame: pd.DataFrame, search: str, kinds: Sequence[str],
             states: Sequence[str]) -> pd.DataFrame:
    """The rows whose text has every word of `search` and whose kind and state are selected."""
    text = frame[["kind", "dataset", "attack", "state", "model", "id"]].astype(str)
    text = text.agg(" ".join, axis=1).str.lower() if len(frame) else pd.Series(dtype=str)
    keep = pd.Series(True, index=frame.index)
    for word in search.lower().split():
        keep &= text.str.contains(word, regex=False)
    if kinds:
        keep &= frame["kind"].isin(kinds)
    if states:
        keep &= frame["state"].isin(states)
    return frame[keep]


def results_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """The rates of each model with their counts and Wilson 95 % intervals, in percent."""
    rows = []
    for model, entry in results.items():
        for rate in RATES if isinstance(entry, dict) and "acc" in entry else ():
            known = Rate.from_json(entry.get(rate))
            if known is None:
                continue
            percents = [100 * value for value in (known.value, *known.interval)] \
                if known.n else [None] * 3
            rows.append((_model_name(model), rate.upper(), *percents, known.hits, known.n))
    return pd.DataFrame(rows, columns=["model", "rate", "percent", "low", "high", "hits", "n"])


def run_table(frame: pd.DataFrame, *, key: str, chosen: Sequence[str]) -> None:
    """Draw the table; a ticked row puts its id into ?run=, several put theirs into ?runs=."""
    ids = frame["id"].tolist()
    key = f"{key}_{_turn(chosen)}"
    rows = [ids.index(run_id) for run_id in chosen if run_id in ids]
    percent = st.column_config.NumberColumn(format="%.1f %%", width="small")
    shown = frame.assign(**{name: 100 * frame[name] for name in ("ACC", "ASR", "RA")})
    st.dataframe(
        shown, key=key, height=min(len(shown) + 1, ROWS) * 35 + 2, hide_index=True,
        selection_mode="multi-row",
        on_select=lambda: select(state.remembered(key), ids),
        selection_default={"selection": {"rows": rows, "columns": []}}, placeholder="–",
        alt=f"Table of {len(frame)} runs.", column_config={
            "kind": st.column_config.TextColumn(width=92), "dataset": "data set",
            "model": "rates of", "ACC": percent, "ASR": percent, "RA": percent,
            "λ_max": st.column_config.NumberColumn(format="%.4g", width="small"),
            "created": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "seconds": st.column_config.NumberColumn(format="%.0f", width="small")})


def table_key(name: str, ids: Sequence[str]) -> str:
    """A key of its own for each list of rows: a selection by row number must not outlive it."""
    return f"{name}_{hash(tuple(ids)) & 0xFFFFFFFF:08x}"


def select(event: Mapping[str, Any] | None, ids: Sequence[str]) -> None:
    """Put the ticked row's run into the address, or all runs where several are ticked."""
    rows = (event or {}).get("selection", {}).get("rows", [])
    ticked = [ids[row] for row in rows if row < len(ids)]
    state.remember(TICKED, ticked)
    state.write_url("run", ticked[0] if len(ticked) == 1 else None)
    state.write_url("runs", ",".join(ticked) if len(ticked) > 1 else None)


def _turn(chosen: Sequence[str]) -> int:
    """Counts up whenever the address changed by itself (a link, the browser's Back): a table of
    the same key would keep its old ticks."""
    turn = state.remembered(TURN, 0)
    if list(chosen) != state.remembered(TICKED, []):
        turn += 1
        state.remember(TURN, turn)
        state.remember(TICKED, list(chosen))
    return turn


def _sharpness(manifests: Mapping[str, dict]) -> dict[str, dict[str, Any]]:
    """Spectrum results by the run whose models they measure; a race's spectrum measures the
    received model too, so it also serves the training run."""
    known: dict[str, dict[str, Any]] = {}
    spectra = [m for m in manifests.values() if m["kind"] == "spectrum" and m["state"] == "done"]
    for manifest in spectra:
        known.setdefault(manifest["source"], manifest["results"])
    for manifest in spectra:
        received = manifests.get(manifests.get(manifest["source"], {}).get("source") or "")
        if received:
            known.setdefault(received["id"], manifest["results"])
    return known


def _row(run: Run, manifests: Mapping[str, dict], sharpness: Mapping[str, dict]) -> tuple:
    manifest, results = manifests[run.id], manifests[run.id]["results"]
    kind = manifest["kind"] or "corrupt"
    trained = _training(manifest, manifests)
    model = _shown_model(kind, manifest, results)
    entry = results.get(model) or {}
    spectra = results if kind == "spectrum" else sharpness.get(run.id, {})
    curvature = spectra.get("before" if kind in MODEL_KINDS else model) or {}
    return (kind, dataset_name(trained.dataset if trained else "unknown"),
            attack_name(trained.attack if trained else "unknown"), run.state,
            _model_name(model) if model else "", *(_value(entry.get(rate)) for rate in RATES),
            curvature.get("lambda_max"), manifest["created"], took(manifest), run.id)


def _shown_model(kind: str, manifest: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    if kind in MODEL_KINDS:
        return kind
    if kind == "purify":
        return next(iter(manifest["config"]["methods"]))
    if kind != "spectrum" or not results:
        return ""
    methods = [name for name in results if isinstance(results[name], dict) and name != "before"]
    return methods[0] if methods else "before"


def _training(manifest: Mapping[str, Any], manifests: Mapping[str, dict]) -> ModelConfig | None:
    try:
        return training_in(manifest, manifests.__getitem__)
    except (NGFError, KeyError):  # a source that is not among the runs
        return None


def _model_name(model: str) -> str:
    received = {"train": "As trained", "import": "As imported", "before": "As received"}
    return received.get(model, style(model).label)


def _value(rate: Mapping[str, int] | None) -> float | None:
    known = Rate.from_json(rate)
    return known.value if known and known.n else None
