"""One run in detail: summary, results, curves, files and actions."""

import functools
import json

import pandas as pd
import streamlit as st

from app import state
from app.figures.curves import curve_table, race_alt, race_options
from app.figures.origin import of_run
from app.text import sections
from app.text.outside import plain, unlinked
from app.theme import style
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.notice import model_notice, versions_notice
from app.widgets.runs.bundle_button import bundle_button
from app.widgets.runs.delete_runs import confirm_delete
from app.widgets.runs.follow import follow
from app.widgets.runs.live_map import live_map
from app.widgets.runs.run_name import run_name
from app.widgets.runs.run_table import results_table
from app.widgets.runs.training import training_curve
from ngf_core.config import flat
from ngf_core.config.command import command_again
from ngf_core.runs import Run, RunStore
from ngf_core.runs.access import why_not
from ngf_core.runs.archive import packed
from ngf_core.runs.files import FORMATS, MODEL_KINDS, RECEIVED
from ngf_core.runs.lineage import model_files
from ngf_core.runs.manifest import took

MODEL_PAGES = (("Race NGF against SGD", "race", "source"), ("Landscape", "landscape", "run"),
               ("Spectrum", "spectrum", "run"), ("Inside", "inside", "run"),
               ("Layers", "layers", "run"))
PAGES = {"train": MODEL_PAGES, "import": MODEL_PAGES,
         "purify": (("Race", "race", "run"), ("Landscape", "landscape", "run"),
                    ("Spectrum", "spectrum", "run"), ("Inside", "inside", "run"),
                    ("Audit", "audit", "run")),
         "spectrum": (("Spectrum", "spectrum", "run"),),
         "landscape": (("Landscape", "landscape", "run"),),
         "layers": (("Layer map", "layers", "run"),),
         "audit": (("Audit", "audit", "run"),)}


def run_detail(run: Run) -> None:
    """Draw everything known about a run."""
    if run.state == "corrupt":
        st.error(unlinked(run.message), title="This run cannot be read",
                 icon=":material/broken_image:")
        _delete_button(run)
        return
    manifest, config = run.manifest, run.config
    st.header(plain(run_name(run, state.store())), anchor=False)
    st.caption(unlinked(_summary(manifest)))
    if config.kind in (*MODEL_KINDS, "purify"):
        model_notice(run)
    versions_notice(run)
    follow(run)
    with st.container(horizontal=True, key="run_links"):
        for label, page, parameter in PAGES[config.kind] if run.state == "done" else ():
            st.page_link(f"app/views/{page}.py", label=label, query_params={parameter: run.id})
        if manifest["source"]:
            st.page_link("app/views/runs.py", label="Open its source",
                         query_params={"run": manifest["source"]})
    left, right = st.columns([3, 2], gap="large")
    with left:
        _results(run)
        _curves(run)
    with right:
        st.markdown("**Settings**")
        values = flat(config)
        st.dataframe(pd.DataFrame({"setting": [name.replace("_", " ") for name in values],
                                   "value": [_text(value) for value in values.values()]}),
                     hide_index=True, key="run_settings", height="content")
    st.markdown("**The command that computes it again**")
    st.code(command_again(config, manifest), language="bash",
            wrap_lines=True)
    _files(run, manifest)


def _summary(manifest: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    git = manifest.get("git") or {}
    changed = " with changes" if git.get("dirty") else ""
    commit = f"commit {git['sha'][:8]}{changed}" if git else "no commit"
    device = manifest.get("device") or "an unknown device"
    ranks = manifest.get("ranks") or 1
    threads = f"{manifest.get('threads') or 'unknown'}" + (
        f" in each of {ranks} processes" if ranks > 1 else "")
    parts = [f"Run {manifest['id']}", f"created {manifest['created'][:19].replace('T', ' ')} UTC",
             f"on {device}, threads: {threads}", versions, commit,
             f"settings {manifest['config_sha'][:8]}"]
    if manifest["started"] and manifest["finished"] and took(manifest) is None:
        parts.append(sections("runs")["clock"])
    if manifest["foreign"]:
        parts.append("came in a bundle and was not computed here")
    if manifest["resumed"]:
        times = [entry["at"][:16].replace("T", " ") for entry in manifest["resumed"]]
        parts.append(f"went on after a stop at {', '.join(times)} UTC")
    return " · ".join(parts)


def _results(run: Run) -> None:
    results = run.results
    if not results:
        return
    st.markdown("**Results** (Wilson 95 % intervals)")
    rates = results_table(results)
    if len(rates):
        number = st.column_config.NumberColumn(format="%.1f", width="small")
        st.dataframe(rates, hide_index=True, key="run_rates", height="content",
                     column_config={name: number for name in ("percent", "low", "high")})
    rest = {name: {k: v for k, v in value.items() if k not in ("acc", "asr", "ra")}
            if isinstance(value, dict) else value for name, value in results.items()
            if name != "came_as"}
    rows = [((name if not isinstance(value, dict) else f"{name}: {key}").replace("_", " "),
             _text(entry)) for name, value in rest.items()
            for key, entry in (value.items() if isinstance(value, dict) else [("", value)])]
    st.dataframe(pd.DataFrame(rows, columns=["result", "value"]), hide_index=True,
                 key="run_numbers", height="content")


def _curves(run: Run) -> None:
    if run.kind == "train":
        training_curve(run)
        return
    if run.kind == "layers":
        live_map(run)
        return
    points = run.points()
    methods = list(dict.fromkeys(points["method"]))
    shown = [m for m in ("asr", "acc") if m in set(points.dropna(subset="value")["metric"])]
    if not methods or not shown:
        return
    figure_card(race_options(points, methods, shown, dark=is_dark()), key="run_curves", height=320,
                caption=f"{' (thick) and '.join(map(str.upper, shown))} on test images.",
                origin=of_run(run), filename=f"curves-{run.id}",
                alt=race_alt(points, methods, shown), table=curve_table(points, shown))


def _files(run: Run, manifest: dict) -> None:
    # Who asked for it is a browser's key, and nobody else's business.
    told = {name: value for name, value in manifest.items() if name != "askers"}
    with st.container(horizontal=True, key="run_actions"):
        st.download_button("Manifest (JSON)", lambda: json.dumps(told, indent=1).encode(),
                           f"{run.id}.json", "application/json", key="run_manifest",
                           on_click="ignore")
        if len(run.points()):
            st.download_button("Curves (CSV)", lambda: of_run(run).csv(run.points()),
                               f"{run.id}.csv", "text/csv", key="run_csv", on_click="ignore")
        _take_away(run)
        bundle_button(run)
        _delete_button(run)


def _take_away(run: Run) -> None:
    """One of the run's models as a zip of its weights and its card."""
    if run.kind not in (*MODEL_KINDS, "purify") or run.state != "done":
        return
    with st.popover("Take a model away", icon=":material/download:", key="take_away"):
        models = model_files(run)
        model = st.selectbox("Model", list(models), index=len(models) - 1, key="export_model",
                             format_func=lambda name: "as received" if name == RECEIVED
                             else style(name).label)
        for form, suffix in FORMATS.items():
            st.download_button(f"Weights as {form} ({suffix}) and model card", key=f"export_{form}",
                               data=functools.partial(_zipped, run, state.store(), model, form),
                               file_name=f"{run.id}-{model}-{form}.zip", mime="application/zip",
                               on_click="ignore")


def _zipped(run: Run, store: RunStore, model: str, form: str) -> bytes:
    from ngf_core.imports.export import export

    return packed(export(run, store, model, form))


def _delete_button(run: Run) -> None:
    reason = why_not(run, state.browser()) or (
        "Cancel it first." if run.live else "It is kept: let it go first." if run.kept else None)
    if st.button("Delete", icon=":material/delete:", key="run_delete", disabled=bool(reason),
                 help=reason):
        confirm_delete([run])


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} entries"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
