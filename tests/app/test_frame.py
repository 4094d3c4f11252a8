"""The frame: navigation, the job banner, and pages that never show a stack trace."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import plotly.graph_objects as go
import pytest

from app.figures.origin import Origin
from app.read import recording
from app.text import define, sections
from app.widgets.controls.figure_card import figure_card
from ngf_core.runs import RunStore
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked

ROOT = Path(__file__).parents[2]


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=False)


def test_the_door_is_short():
    assert len((ROOT / "streamlit_app.py").read_text().splitlines()) <= 40


def test_threads_that_wait_sleep_unless_the_environment_says_otherwise():
    show = "import os, app; print(os.environ['OMP_WAIT_POLICY'])"
    bare = {name: text for name, text in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        told = subprocess.run([sys.executable, "-c", show], cwd=ROOT, env=bare | given, check=True,
                              capture_output=True, text=True)
        assert told.stdout.strip() == expected


@pytest.mark.parametrize("view", sorted((ROOT / "app" / "views").glob("[a-z]*.py")),
                         ids=lambda path: path.stem)
def test_a_page_is_short(view):
    assert len(view.read_text().splitlines()) <= 150


def test_importing_the_face_does_not_import_torch():
    code = ("import sys, app.state, app.widgets.runs.job_banner; "
            "from app.widgets.layers import layer_map; "
            "from app.widgets.race import race_card, race_form; "
            "from app.widgets.start import first_touch, scenario, touch_record, verdict; "
            "assert 'torch' not in sys.modules")
    done = run_python(code)
    assert done.returncode == 0, done.stderr[-500:]


def test_figures_do_not_know_streamlit():
    code = ("import sys; "
            "from app.figures import ablation, claim, curves, landscape, layers; "
            "from app.figures import samples, spectrum; "
            "assert 'streamlit' not in sys.modules and 'torch' not in sys.modules")
    done = run_python(code)
    assert done.returncode == 0, done.stderr[-500:]


def test_the_banner_is_there_only_while_a_job_lives(runs, open_page):
    make_run(runs, "purify")
    assert not any("running" in c.value for c in open_page("start").caption)
    make_run(runs, "purify", state="running")
    assert any("Purify running, " in c.value for c in open_page("start").caption)


def test_a_sweep_at_work_takes_few_lines_of_the_banner(runs, open_page):
    for seed in range(6):
        make_run(runs, "train", state="running", seed=seed)
    told = [c.value for c in open_page("start").caption]
    assert sum("Train running, " in line for line in told) == 3
    assert any(line.endswith("3 more run or wait.") for line in told)


def test_a_shipped_run_that_is_being_built_is_no_job(runs, open_page, tmp_path):
    make_run(RunStore(tmp_path / "shipped"), "purify", state="running")
    assert any(run.shipped and run.live for run in runs.list())
    assert not any("running" in c.value for c in open_page("start").caption)


def test_a_broken_page_is_a_short_card(runs, open_page, monkeypatch, caplog):
    run = make_run(runs, "purify")
    faked(monkeypatch, recording, "record", lambda run: 1 / 0)
    with caplog.at_level(logging.ERROR, "ngf_lab"):
        app = open_page("race", run=run.id)
    assert not app.exception
    assert "ZeroDivisionError" in app.error[0].value and run.id in app.error[0].value
    assert "Traceback" not in app.error[0].value
    assert "ZeroDivisionError" in caplog.text


def test_a_damaged_file_is_a_sentence(runs, open_page):
    run = make_run(runs, "purify")
    (run.path / "samples.npz").write_bytes(b"not an archive")
    app = open_page("race", run=run.id)
    assert not app.exception
    assert "samples.npz" in app.error[0].value


def test_a_live_card_refuses_plotly():
    with pytest.raises(TypeError, match="remount"):
        figure_card(go.Figure(), key="k", caption="c", alt="a", table=None, filename="f", live=True,
                    origin=Origin({}, "ngf"))


def test_the_glossary_defines_what_tiles_ask_for():
    for word in ("ACC", "ASR", "RA", "Interval"):
        assert len(define(word)) > 40
    assert set(sections("start")) >= {"title", "promise", "conditions", "verdict"}
