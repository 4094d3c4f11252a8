"""Sweep: where each cell stands, in folders that others' jobs write, and in damaged ones."""

import json
import os
import tomllib
from pathlib import Path

import pytest
import streamlit as st

from app import state
from app.figures.sweep import SIGNS
from app.read.sweep import look
from app.widgets.sweep.failed_cells import failed_table
from ngf_core.execute.cost import Cost
from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs.events import append_event
from ngf_core.runs.manifest import change_manifest
from ngf_core.sweep import plan
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING, QUEUED, RUNNING, STATES
from ngf_core.sweep.grid import Grid, grid_of
from ngf_core.sweep.place import sweep_file
from tests.support.fabricated_sweep import (
    DIVERGED,
    IMAGES,
    SECONDS,
    VICTIMS,
    fabricated,
    rates,
    write_run,
)
from tests.support.faked import faked
from tests.support.pages import address, select, text_of

ROOT = Path(__file__).parents[2]
GRID = Grid(("badnets", "blend"), ("ngf", "sgd"), networks=("mini_preact_resnet",), seeds=(0, 1))
CELLS = [cell for stage in GRID.stages() for cell in stage]
# All states, in the order of the cells: six models, then eight purified ones.
WORDS = dict(zip(CELLS, [DONE] * 5 + [RUNNING, DONE, FAILED, DONE, QUEUED, QUEUED, MISSING, FAILED,
                         RUNNING], strict=True))


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Each cell that is left takes an hour."""
    def estimate(config, store, trained, cores, runs):
        return Cost(3600, 5, "From the pace of run x.", 900, cores)

    faked(monkeypatch, plan, "estimate", estimate)


@pytest.fixture
def made(runs, fake_slurm):
    """The sweep of the benchmark's folder, whose jobs Slurm knows."""
    sweep = fabricated(runs.root / "benchmark", GRID, WORDS.__getitem__)
    fake_slurm.answers("squeue", sweep.squeue)
    return sweep


@pytest.fixture
def no_slurm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def of(*words):
    """The cells that were made in one of these states."""
    return [cell for cell in CELLS if WORDS[cell] in words]


def progress(app):
    (bar,) = app.get("progress")
    return bar.proto


def commands(app):
    return [code.value for code in app.code]


def texts(app):
    """What the heat map has in its cells, counted."""
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    found = [text for trace in figure["data"] if trace.get("mode") == "text"
             for text in trace["text"]]
    return {text: found.count(text) for text in found}


def failed_rows(app):
    (table,) = [frame.value for frame in app.dataframe if "why" in frame.value]
    return table


def test_a_newcomer_is_told_what_a_sweep_is_and_how_to_start_one(runs, open_page):
    app = open_page("sweep")
    assert not app.exception and not app.error
    assert "A sweep computes every combination" in app.info[0].value
    example, start = commands(app)
    assert grid_of(tomllib.loads(example)).seeds == (0, 1, 2)
    cluster = (ROOT / "docs" / "cluster.md").read_text()
    assert all(f"echo '{line}'" in cluster for line in example.splitlines())
    assert start.splitlines() == ["ngf sweep grid.toml --dry-run", "ngf sweep grid.toml"]


def test_all_states_are_counted_and_drawn(made, open_page):
    app = open_page("sweep")
    assert not app.exception and not app.error and not app.warning
    told = ", ".join(f"{SIGNS[state]} {len(of(state))} {state}" for state in STATES[1:])
    assert progress(app).text == f"**{SIGNS[DONE]} {len(of(DONE))} done** of 14 cells, {told}"
    assert progress(app).value == 100 * len(of(DONE)) // 14
    assert texts(app) == {SIGNS[state]: len(of(state)) for state in STATES}
    spent, left = len(of(DONE)) * SECONDS / 3600, 14 - len(of(DONE))
    said = text_of(app)
    assert f"{spent:.2f} core hours spent, about {left}.0 left. {left} cells: from the pace" in said
    assert said.count("Epoch 3 of 20") == len(of(RUNNING))
    assert "ngf sweep status --resubmit" in commands(app)


def test_failed_cells_have_their_sentences(made, open_page):
    table = failed_rows(open_page("sweep")).set_index("run")
    assert list(table.index) == [cell.run_id for cell in of(FAILED)]
    assert set(table["why"]) == {DIVERGED}
    ngf = next(cell for cell in of(FAILED) if cell.entrant == "ngf")
    name = {"badnets": "BadNets", "blend": "Blend"}[ngf.attack]
    assert table["cell"][ngf.run_id] == f"{name}, seed {ngf.seed}, NGF"


def test_the_file_of_failed_cells_names_all_that_a_cell_is(made, runs):
    folder = runs.root / "benchmark"
    cells = look(str(folder), state.readings(folder)).cells
    table = failed_table(cells[cells["state"] == FAILED])
    assert list(table) == ["data set", "network", "attack", "seed", "method", "why", "run"]
    assert set(zip(table["seed"], table["run"], strict=True)) == {
        (cell.seed, cell.run_id) for cell in of(FAILED)}


def test_finished_cells_hold_a_rate_where_one_asks_for_it(made, open_page):
    app = open_page("sweep", show="asr")
    wanted = [f"{100 * rates(cell)['asr'] / VICTIMS:.0f}" for cell in of(DONE)
              if cell.attack != "none"]
    shown = texts(app)
    assert {text: shown[text] for text in shown if text.isdigit()} == {
        text: wanted.count(text) for text in wanted}
    assert shown[SIGNS[DONE]] == len(of(DONE)) - len(wanted), "a benign model has no trigger"
    assert "Finished cells hold their rate" in text_of(app)


def test_a_click_shows_a_cell_with_its_rates_and_the_way_to_its_run(made, open_page, runs):
    cell = next(cell for cell in of(DONE) if cell.entrant == "ngf" and cell.attack == "badnets")
    app = select(open_page("sweep"), "plotly_chart", 0,
                 {"points": [{"customdata": ["badnets", cell.seed, "ngf"]}]})
    assert not app.exception and address(app, "grid_method") in ("ngf", None)
    hits = rates(cell)["acc"]
    said = text_of(app)
    assert "✓ Done." in said and f"ACC {100 * hits / IMAGES:.1f} %" in said
    assert f"n = {IMAGES:,}" in said and f"n = {VICTIMS}" in said
    link = next(link for link in app.get("page_link") if cell.run_id in link.proto.label)
    assert link.proto.page == "runs" and f"run={cell.run_id}" in link.proto.query_string
    there = open_page("runs", run=cell.run_id)
    assert not there.exception and f"Run {cell.run_id}" in text_of(there)


def test_a_ticked_failed_cell_is_shown_with_its_sentence(made, open_page):
    app = open_page("sweep")
    place = next(i for i, frame in enumerate(app.dataframe) if "why" in frame.value)
    app = select(app, "dataframe", place, {"rows": [1], "columns": []})
    cell = of(FAILED)[1]
    assert not app.exception and f"✕ Failed.** {DIVERGED}" in text_of(app)
    assert any(cell.run_id in link.proto.label for link in app.get("page_link"))


def test_the_benign_model_is_purified_by_nobody(made, open_page):
    app = open_page("sweep", grid_attack="none", grid_method="ngf", grid_seed="0")
    assert not app.exception and "not purified" in text_of(app)


def test_it_fills_in_as_cells_finish(made, open_page, runs):
    app = open_page("sweep")
    for cell in of(RUNNING, QUEUED):
        write_run(runs.root / "benchmark", cell, DONE, "17_0")
    st.cache_resource.clear()
    app.run()
    assert not app.exception
    assert progress(app).text.startswith(f"**✓ {len(of(DONE, RUNNING, QUEUED))} done** of 14")
    for cell in of(FAILED, MISSING):
        write_run(runs.root / "benchmark", cell, DONE, "17_0")
    st.cache_resource.clear()
    app.run()
    assert progress(app).value == 100 and "ngf sweep table" in commands(app)
    assert "Failed cells" not in text_of(app)


def test_the_heat_map_stays_while_cells_only_get_further(made, open_page, runs):
    app = open_page("sweep")
    before = app.get("plotly_chart")[0].proto.spec
    folder = runs.root / "benchmark" / of(RUNNING)[0].run_id
    append_event(folder, "progress", done=9, total=20, eta=1.0, text="Epoch 9 of 20")
    st.cache_resource.clear()
    app.run()
    assert "Epoch 9 of 20" in text_of(app)
    assert app.get("plotly_chart")[0].proto.spec == before


def test_nothing_is_written_where_somebody_elses_jobs_are_gone(made, open_page, runs, fake_slurm):
    fake_slurm.answers("squeue", made.squeue.replace("RUNNING", "CANCELLED"))

    def files():
        return {path: (path.stat().st_mtime_ns, path.read_bytes())
                for path in (runs.root / "benchmark").rglob("*") if path.is_file()}

    before = files()
    app = open_page("sweep")
    assert len(failed_rows(app)) == len(of(FAILED, RUNNING))
    assert failed_rows(app)["why"].str.contains("ended as CANCELLED").sum() == len(of(RUNNING))
    assert files() == before


def test_without_slurm_the_run_directories_tell_and_the_page_says_so(made, open_page, no_slurm):
    app = open_page("sweep")
    assert not app.exception and not app.error
    assert "There is no command squeue here" in app.warning[0].value
    assert "What the run directories say is shown" in app.warning[0].value
    assert texts(app) == {SIGNS[state]: len(of(state)) for state in STATES}
    assert set(failed_rows(app)["why"]) == {DIVERGED}


def test_a_sweep_of_this_machine_asks_no_slurm(runs, open_page, no_slurm):
    fabricated(runs.root / "benchmark", GRID, lambda cell: FAILED if cell.entrant else DONE,
               LaunchSettings(launcher="local"))
    app = open_page("sweep")
    assert not app.warning and set(failed_rows(app)["why"]) == {DIVERGED}


def test_files_that_are_half_written(made, open_page, runs):
    folder = runs.root / "benchmark"
    broken, running = of(DONE)[-1], of(RUNNING)[0]
    manifest = folder / broken.run_id / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    with (folder / running.run_id / "events.jsonl").open("a") as file:
        file.write('{"t": 1, "type": "progr')
    app = open_page("sweep")
    assert not app.exception and not app.error
    why = failed_rows(app).set_index("run")["why"]
    assert why[broken.run_id].startswith(f"manifest.json of run {broken.run_id} is not JSON")
    assert progress(app).text.startswith(f"**✓ {len(of(DONE)) - 1} done**")
    assert "Epoch 3 of 20" in text_of(app)


def test_a_batch_that_is_half_written(made, open_page):
    path = made.sweep.folder / f"{made.batch.name}.json"
    path.write_text(path.read_text()[:50])
    app = open_page("sweep")
    assert not app.exception and not app.error
    assert "cannot be read: it tells which runs were submitted" in app.warning[0].value
    assert texts(app)[SIGNS[DONE]] == len(of(DONE))


def test_a_finished_run_without_results(made, open_page, runs):
    cell = of(DONE)[-1]
    change_manifest(runs.root / "benchmark" / cell.run_id, results={"layer": 7, "ngf": [1]})
    app = open_page("sweep", show="ra")
    assert not app.exception and not app.error


@pytest.mark.parametrize("content", ["", "{", '{"grid": [], "launch": {}}', "[" * 100_000,
                                     '{"grid": {"attacks": ["[x](http://evil.example)"]}}'])
def test_a_hostile_sweep_is_a_sentence(runs, open_page, content):
    path = sweep_file(runs.root / "benchmark")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    app = open_page("sweep")
    assert not app.exception
    assert "cannot be used" in app.error[0].value
    assert "](http://evil" not in app.error[0].value or "\\[" in app.error[0].value


@pytest.mark.parametrize("typed", ["/nowhere/at/all", "a\0b", "~nobody/x", "x" * 5000, "/dev/null",
                                   "[x](http://evil.example)"])
def test_a_folder_without_a_sweep_is_a_sentence(made, open_page, typed):
    app = open_page("sweep", folder=typed)
    assert not app.exception
    assert app.error[0].value.startswith("There is no sweep in ")
    assert not app.get("plotly_chart")


def test_any_folder_of_ones_own_machine(made, open_page, tmp_path, fake_slurm):
    elsewhere = fabricated(tmp_path / "disk", GRID, lambda cell: DONE)
    app = open_page("sweep", folder=str(tmp_path / "disk"))
    assert not app.exception and not app.error
    assert progress(app).text.startswith("**✓ 14 done** of 14")
    assert f"ngf sweep table --out {tmp_path / 'disk'}" in commands(app)
    assert f"NGF_RUNS={tmp_path / 'disk'} ngf app" in commands(app), "its runs are not listed here"
    assert not [link for link in app.get("page_link") if "Open its run" in link.proto.label]
    assert elsewhere.states


@pytest.mark.parametrize("setting", ["NGF_SHARED", "NGF_READONLY"])
def test_on_a_server_of_several_people_nobody_names_a_folder(made, open_page, tmp_path, monkeypatch,
                                                             setting):
    fabricated(tmp_path / "disk", GRID, lambda cell: DONE)
    monkeypatch.setenv(setting, "1")
    app = open_page("sweep", folder=str(tmp_path / "disk"))
    assert not app.exception and not app.error
    assert "shows the sweeps in its own folder of runs alone" in text_of(app)
    assert progress(app).text.startswith(f"**✓ {len(of(DONE))} done**")
    assert not [field for field in app.text_input if field.key == "folder"]
    assert not any(os.sep + "disk" in command for command in commands(app))


def test_a_sweep_that_is_not_there_gives_the_other_and_a_toast(made, open_page):
    app = open_page("sweep", sweep="[x](http://evil.example)")
    assert progress(app).text.startswith(f"**✓ {len(of(DONE))} done**")
    assert "not one of benchmark" in app.toast[0].value and "\\[x]" in app.toast[0].value


def test_a_folder_that_must_not_be_read_is_none(made, open_page, runs, monkeypatch):
    closed = runs.root / "closed"
    closed.mkdir()
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if closed in path.parents:
            raise PermissionError(path)
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    app = open_page("sweep")
    assert not app.exception and not app.error and progress(app).value > 0
    assert "no sweep in" in open_page("sweep", folder=str(closed)).error[0].value


def test_several_sweeps_below_the_runs(made, open_page, runs):
    fabricated(runs.root / "more", Grid(("wanet",), ("clp",)), lambda cell: MISSING)
    fabricated(runs.root, Grid(("blend",), ("clp",)), lambda cell: MISSING)
    assert progress(open_page("sweep")).text.startswith(f"**✓ {len(of(DONE))} done**")
    assert " of 3 cells" in progress(open_page("sweep", sweep="more")).text
    assert " of 3 cells" in progress(open_page("sweep", sweep=".")).text
    assert f"ngf sweep status --resubmit --out {runs.root / 'more'}" in commands(
        open_page("sweep", sweep="more"))


def test_one_data_set_and_network_at_a_time(runs, open_page, fake_slurm):
    grid = Grid(("badnets",), ("sgd",), datasets=("signs", "digits"),
                networks=("mini_preact_resnet", "preact_resnet18_w16"))
    fabricated(runs.root / "benchmark", grid,
               lambda cell: FAILED if cell.dataset == "digits" else DONE)
    app = open_page("sweep")
    assert texts(app) == {SIGNS[DONE]: 3} and " of 12 cells" in progress(app).text
    assert len(failed_rows(app)) == 6, "those of all data sets"
    app = open_page("sweep", grid_dataset="digits", grid_network="preact_resnet18_w16")
    assert texts(app) == {SIGNS[FAILED]: 3}
    assert not app.exception
