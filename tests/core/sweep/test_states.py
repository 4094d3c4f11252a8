"""Where each cell stands, on fabricated runs and a fake Slurm."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ngf_core.config import to_json
from ngf_core.errors import NGFError
from ngf_core.evidence.cells import Cell
from ngf_core.launch.batches import LOCAL, SLURM, keep_batch, new_batch
from ngf_core.launch.logs import log_of
from ngf_core.runs import ManifestReadings, Run, RunStore, RunWriter, StoreSnapshot
from ngf_core.runs.job import note_job
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.process import start_time
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.states import Ask, CellState, counted, states, strike
from ngf_core.sweep.unasked import unasked
from tests.support.fabricated_sweep import fabricated
from tests.support.fake_slurm import FakeSlurm

GRID = Grid(("badnets",), ("sgd",), networks=("mini_preact_resnet",))
ELSEWHERE = {"pid": 2**22 + 1, "pid_started": 1.0}
NONE, BADNETS, SGD = (cell for stage in GRID.stages() for cell in stage)


class Submitted:
    """The three cells, submitted as the jobs 17_0 to 17_2."""

    def __init__(self, root: Path, slurm: FakeSlurm) -> None:
        self.store, self.folder, self.slurm = RunStore(root), root / ".sweep", slurm
        self.batch = replace(new_batch(SLURM, [NONE.run_id, BADNETS.run_id, SGD.run_id]), job="17")
        keep_batch(self.folder, self.batch)

    def jobs(self, *words: str) -> None:
        """Slurm's words for the three jobs; "" for one that it no longer has."""
        self.slurm.answers("squeue", "".join(
            f"{self.batch.name}|17|{place}|{word}|Priority\n" for place, word in enumerate(words)
            if word))

    def run(self, cell: Cell, job: str | None = None, **entries: object) -> Run:
        run = self.store.create(cell.asked(), cell.run_id)
        note_job(run, job)
        change_manifest(run.path, **entries)
        return run

    def of(self, cell: Cell) -> CellState:
        (found,) = (one for one in self.all() if one.cell == cell)
        return found

    def all(self, ask: Ask | None = None) -> list[CellState]:
        return states(GRID, StoreSnapshot(self.store, ManifestReadings()), self.folder, ask)


@pytest.fixture
def submitted(tmp_path, fake_slurm: FakeSlurm) -> Submitted:
    return Submitted(tmp_path / "runs", fake_slurm)


def test_nothing_submitted(tmp_path):
    now = StoreSnapshot(RunStore(tmp_path / "runs"), ManifestReadings())
    found = states(GRID, now, tmp_path / "runs" / ".sweep")
    assert [one.state for one in found] == ["missing"] * 3
    assert counted(found) == "0 done, 0 running, 0 queued, 0 failed, 3 missing"


def test_a_job_that_waits_and_one_that_starts(submitted):
    submitted.jobs("PENDING", "RUNNING", "PENDING")
    assert submitted.of(NONE) == CellState(NONE, "queued", "Job 17_0 is PENDING (Priority).")
    assert submitted.of(BADNETS).state == "running"


def test_one_that_computes_tells_how_far_it_is(submitted):
    submitted.jobs("RUNNING", "RUNNING", "PENDING")
    run = submitted.run(NONE, "17_0", state="running", **ELSEWHERE)
    assert submitted.of(NONE) == CellState(NONE, "running", "Job 17_0 of the cluster.")
    RunWriter(run).progress(3, 20, "Epoch 3 of 20")
    assert submitted.of(NONE).said == "3/20 Epoch 3 of 20"


def test_one_whose_job_was_put_back_is_queued(submitted):
    submitted.jobs("PENDING", "", "")
    submitted.run(NONE, "17_0", state="running", **ELSEWHERE)
    assert submitted.of(NONE) == CellState(NONE, "queued", "Job 17_0 is PENDING (Priority).")


def test_one_that_somebody_else_computes_is_running(submitted):
    submitted.jobs("COMPLETED", "", "")
    here = os.getpid()
    submitted.run(NONE, state="running", pid=here, pid_started=start_time(here))
    submitted.run(BADNETS, "99", state="running", **ELSEWHERE)
    assert submitted.of(NONE).state == submitted.of(BADNETS).state == "running"


@pytest.mark.parametrize(("word", "said"), [
    ("CANCELLED", "Job 17_0 ended as CANCELLED."),
    ("OUT_OF_MEMORY", "Job 17_0 ended as OUT_OF_MEMORY."),
    ("", "Job 17_0 is no longer in Slurm's queue.")])
def test_one_whose_job_is_gone_has_failed_and_is_lost_to_everybody_once_it_is_struck(
        submitted, word, said):
    submitted.jobs(word, "PENDING", "PENDING")
    run = submitted.run(NONE, "17_0", state="running", **ELSEWHERE)
    found = submitted.of(NONE)
    assert found.state == "failed" and found.said.startswith("The worker died before its first")
    assert found.said.endswith(said) and found.gone == "17_0"
    assert run.state == "running", "looking writes nothing"
    strike([found], submitted.store)
    assert run.state == "lost" and submitted.of(NONE) == replace(found, gone="")


def test_looking_writes_nothing(submitted):
    submitted.jobs("CANCELLED", "", "PENDING")
    for cell, job in ((NONE, "17_0"), (BADNETS, "17_1")):
        submitted.run(cell, job, state="running", **ELSEWHERE)

    def files() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes())
                for path in submitted.store.root.rglob("*") if path.is_file()}

    before = files()
    assert [one.state for one in submitted.all()] == ["failed", "failed", "queued"]
    assert files() == before


def test_what_cannot_be_written_is_no_obstacle_to_striking(submitted, monkeypatch):
    submitted.jobs("CANCELLED", "", "")
    submitted.run(NONE, "17_0", state="running", **ELSEWHERE)
    found = submitted.all()
    from ngf_core.sweep import states as module

    def refused(run: Run, job: str) -> None:
        raise PermissionError(run.path)

    monkeypatch.setattr(module, "strike_job", refused)
    strike(found, submitted.store)


def test_where_slurm_cannot_be_asked_the_run_directories_tell(submitted):
    submitted.slurm.answers("squeue", error="Unable to contact slurm controller\n", code=1)
    submitted.run(NONE, "17_0", state="running", **ELSEWHERE)
    submitted.run(BADNETS, "17_1", state="failed", message="It diverged.",
                  finished="2099-01-01T00:00:00.000Z")
    with pytest.raises(NGFError, match="Slurm refused squeue"):
        submitted.all()
    none, badnets, sgd = submitted.all(lambda folder: unasked(folder, submitted.store))
    assert none == CellState(NONE, "running", "Job 17_0 of the cluster.")
    assert badnets == CellState(BADNETS, "failed", "It diverged.")
    assert sgd.state == "queued" and sgd.said.startswith("Submitted at 20")


def test_what_a_process_of_this_machine_was_to_compute_ends_with_it(submitted):
    keep_batch(submitted.folder, replace(new_batch(LOCAL, [SGD.run_id]), pid=2**22 + 1,
                                         pid_started=1.0))
    found = submitted.all(lambda folder: unasked(folder, submitted.store))
    assert [one.state for one in found] == ["queued", "queued", "failed"]


def test_one_that_takes_over_a_layer_that_nobody_chose_is_not_done(tmp_path):
    grid = replace(GRID, methods=("sgd_auto_layer",))
    made = fabricated(tmp_path, grid, lambda cell: "done")
    (chooser,) = (cell for cell in made.states if cell.entrant == "ablate_auto_layer")
    change_manifest(tmp_path / chooser.run_id, results={})
    now = StoreSnapshot(made.sweep.store, ManifestReadings())
    (taker,) = (one for one in states(grid, now, made.sweep.folder, lambda folder: {})
                if one.cell.entrant == "sgd_auto_layer")
    assert taker.state == "missing"


def test_a_failed_one_that_was_submitted_since_counts_as_waiting(submitted):
    submitted.run(BADNETS, "3_0", state="failed", message="It diverged.",
                  finished="2001-01-01T00:00:00.000Z")
    found = submitted.all(lambda folder: unasked(folder, submitted.store))
    assert found[1].state == "queued"


def test_a_job_that_ended_before_its_worker_began(submitted):
    submitted.jobs("CANCELLED", "FAILED", "CANCELLED")
    submitted.run(NONE, "17_0")
    assert submitted.of(NONE).said == "Its worker ended before it began. Job 17_0 ended as " \
        "CANCELLED."
    assert submitted.of(SGD) == CellState(SGD, "failed", "Job 17_2 ended as CANCELLED.")
    log = log_of(submitted.folder, BADNETS.run_id)
    log.parent.mkdir()
    log.write_text("Traceback\nNo space left.\n\n")
    assert submitted.of(BADNETS) == CellState(BADNETS, "failed", "No space left.")


def test_a_failed_one_has_its_own_sentence_alone(submitted):
    submitted.jobs("FAILED", "", "")
    submitted.run(NONE, "17_0", state="failed", message="It diverged. Use a smaller rate.")
    assert submitted.of(NONE) == CellState(NONE, "failed", "It diverged. Use a smaller rate.")


def test_a_failed_one_that_was_submitted_again_waits(submitted):
    submitted.jobs("PENDING", "", "")
    submitted.run(NONE, "3_0", state="failed", message="It diverged.")
    assert submitted.of(NONE).state == "queued"


def test_done_with_these_settings_or_with_others(submitted):
    submitted.jobs()
    submitted.run(NONE, "17_0", state="done")
    change_manifest(submitted.run(BADNETS, "17_1", state="done").path,
                    config=to_json(replace(BADNETS, epochs=5).asked()))
    assert submitted.of(NONE) == CellState(NONE, "done")
    assert submitted.of(BADNETS) == CellState(
        BADNETS, "missing", "The run that is there has other settings, or is stale.")


def test_one_whose_file_was_deleted_is_not_done(submitted):
    submitted.jobs()
    run = submitted.run(NONE, "17_0", state="done", files={"model.safetensors": "0", "log": "1"})
    (run.path / "log").touch()
    assert submitted.of(NONE) == CellState(NONE, "missing", "It no longer has model.safetensors.")
    (run.path / "model.safetensors").touch()
    assert submitted.of(NONE) == CellState(NONE, "done")


def test_one_that_is_finished_while_slurm_is_asked_is_done(submitted, monkeypatch):
    run = submitted.run(NONE, "17_0", state="running", **ELSEWHERE)
    from ngf_core.sweep import states as module

    def answer(folder: Path) -> dict:
        change_manifest(run.path, state="done")
        return {}

    monkeypatch.setattr(module, "submitted", answer)
    assert submitted.of(NONE) == CellState(NONE, "done")
