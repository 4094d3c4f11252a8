"""Workers as processes: how many at a time, on how many threads, and what a stop leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ngf_core.errors import ConfigError
from ngf_core.launch import local
from ngf_core.launch.batches import batches
from ngf_core.launch.launcher import Command, Task
from ngf_core.launch.local import LocalLauncher
from ngf_core.launch.opened import opened
from ngf_core.launch.settings import LaunchSettings, available_cores
from ngf_core.launch.submitted import submitted
from tests.support.waiting import until

# Writes that it began, waits, writes that it ended.
WORK = ("import os, sys, time; log = open(sys.argv[1], 'a'); say = lambda what: (log.write("
        "f'{what} {sys.argv[2]} {os.environ[\"OMP_NUM_THREADS\"]}\\n'), log.flush()); "
        "say('begin'); time.sleep(0.15); say('end')")


def task(folder: Path, name: str, code: str = WORK) -> Task:
    return Task(name, Command((sys.executable, "-c", code, str(folder / "said"), name),
                              folder / f"{name}.log"))


def said(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "said").read_text().splitlines()]


def test_so_many_at_a_time_on_so_many_threads_stage_by_stage(tmp_path, capsys):
    stages = [[task(tmp_path, name) for name in "abcd"], [task(tmp_path, "e")]]
    assert LocalLauncher(cores=3, workers=2).submit(stages, tmp_path / "kept") == (
        "5 tasks were computed here, 2 at a time.")
    at_work, most = set(), 0
    for what, name, threads in said(tmp_path):
        (at_work.add if what == "begin" else at_work.remove)(name)
        most = max(most, len(at_work))
        assert threads == "3"
        assert name != "e" or at_work <= {"e"}, "its stage comes after the others"
    assert most == 2 and len(said(tmp_path)) == 10
    assert "4/4 " in capsys.readouterr().out
    assert {one.active for one in submitted(tmp_path / "kept").values()} == {False}
    assert batches(tmp_path / "kept")[0].runs == tuple("abcde")


def test_a_worker_that_fails_stops_no_other(tmp_path):
    fails = task(tmp_path, "fails", "import os; print('what happened', flush=True); os.abort()")
    LocalLauncher(workers=1).submit([[fails, task(tmp_path, "b")]], tmp_path / "kept")
    assert [line[1] for line in said(tmp_path)] == ["b", "b"]
    assert "what happened" in (tmp_path / "fails.log").read_text()


def test_a_stop_ends_the_workers_too(tmp_path):
    (tmp_path / "sweep.py").write_text(f"""
import signal, sys
from pathlib import Path
from ngf_core.launch.launcher import Command, Task
from ngf_core.launch.local import LocalLauncher
signal.signal(signal.SIGTERM, signal.default_int_handler)
words = (sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
LocalLauncher(workers=1).submit([[Task("a", Command(words, Path({str(tmp_path / 'log')!r})))]],
                                Path({str(tmp_path / 'kept')!r}))
""")
    sweep = subprocess.Popen((sys.executable, tmp_path / "sweep.py"), stderr=subprocess.DEVNULL,
                             env=os.environ | {"PYTHONPATH": os.getcwd()})
    log = tmp_path / "log"
    until(lambda: log.exists() and log.read_text().endswith("\n"))
    assert submitted(tmp_path / "kept")["a"].active
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(30) != 0
    assert not Path(f"/proc/{int(log.read_text())}").exists()
    assert not submitted(tmp_path / "kept")["a"].active


def test_the_cores_are_shared_out(monkeypatch):
    assert LocalLauncher().workers == available_cores()
    assert LocalLauncher(cores=available_cores()).workers == 1
    assert LocalLauncher(cores=10**4).workers == 1
    LocalLauncher(cores=available_cores()).refuse(0)
    with pytest.raises(ConfigError, match="cores: 10000 are more than the .* Use fewer."):
        LocalLauncher(cores=10**4).refuse(0)
    monkeypatch.setattr(local, "available_cores", lambda: 1)
    with pytest.raises(ConfigError, match="2 are more than the 1 core that may be used here"):
        LocalLauncher(cores=2).refuse(0)


@pytest.mark.parametrize(("entries", "said"), [
    ({"launcher": "lsf"}, "launcher: 'lsf' is unknown. Choose one of local, slurm."),
    ({"cores": 0}, "cores: 0 is out of range."), ({"minutes": "ten"}, "minutes: 'ten' is not a"),
    ({"launcher": "slurm", "sbatch": "mem=8G,,x"},
     "sbatch: 'mem=8G,,x' has a part without a name.")])
def test_settings_that_cannot_be_used(entries, said):
    with pytest.raises(ConfigError) as caught:
        opened(LaunchSettings(**entries))
    assert str(caught.value).startswith(said)
