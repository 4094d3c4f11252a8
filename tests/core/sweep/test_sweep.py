"""What a folder says of the sweep that was started in it, whatever lies there."""

import json

import pytest

from ngf_core.errors import RunError
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.place import sweep_file
from ngf_core.sweep.sweep import sweep_in
from tests.support.fabricated_sweep import fabricated
from tests.support.fake_slurm import FakeSlurm

GRID = Grid(("badnets",), ("sgd",), networks=("mini_preact_resnet",))
KEPT = {"grid": GRID.to_json(), "launch": {}}


def test_it_is_found_as_it_was_kept(tmp_path):
    made = fabricated(tmp_path, GRID, lambda cell: "missing")
    assert sweep_in(tmp_path).grid == GRID and sweep_in(tmp_path).launch == made.sweep.launch
    with pytest.raises(RunError, match="No sweep was started in "):
        sweep_in(tmp_path / "elsewhere")


@pytest.mark.parametrize("content", [
    "", "{", "[]", "7", json.dumps(KEPT)[:40], "[" * 100_000, '{"grid": {}, "launch": {}}',
    json.dumps(KEPT | {"grid": ["attacks", "methods"]}), json.dumps(KEPT | {"grid": None}),
    json.dumps(KEPT | {"launch": {"cores": "many"}}), json.dumps(KEPT | {"launch": {"rm": 1}}),
    json.dumps({"launch": {}, "grid": KEPT["grid"] | {"seeds": [[0]]}}),
    json.dumps({"launch": {}, "grid": KEPT["grid"] | {"attacks": [{"a": 1}]}}),
    json.dumps({"launch": {}, "grid": KEPT["grid"] | {"seeds": list(range(60_000))}})])
def test_a_file_that_cannot_be_used_is_a_sentence(tmp_path, content):
    path = sweep_file(tmp_path)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(RunError, match="cannot be used .* Start the sweep again from its GRID"):
        sweep_in(tmp_path)


def test_a_job_that_is_gone_is_struck_out_before_its_run_is_submitted_again(tmp_path,
                                                                            fake_slurm: FakeSlurm):
    made = fabricated(tmp_path, GRID, lambda cell: "running")
    fake_slurm.answers("squeue", made.squeue.replace("RUNNING", "CANCELLED"))
    seen = {}

    class Noting:
        def refuse(self, seconds: float) -> None:
            raise AssertionError("nobody asks that here")

        def submit(self, stages, folder) -> str:
            seen.update({task.name: made.sweep.store.get(task.name).state
                         for stage in stages for task in stage})
            return "Submitted."

    assert made.sweep.submit(Noting()) == "Submitted."
    assert seen == {cell.run_id: "lost" for cell in made.states}
