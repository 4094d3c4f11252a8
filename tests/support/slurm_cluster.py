"""A real Slurm of one node on this machine, for tests: munge, slurmctld and slurmd, no systemd.

There is no slurmdbd, as on many clusters, so that sacct fails.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.waiting import until

PACKAGES = "munge slurmctld slurmd slurm-client"
CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
{accounting}
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge={remembers}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """A running Slurm; its clients find it by SLURM_CONF."""

    folder: Path

    def ask(self, *words: str) -> str:
        """What a client of Slurm prints."""
        return subprocess.run(words, check=True, capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def is_empty(self) -> bool:
        """Whether no job waits or computes."""
        return self.ask("squeue", "--noheader") == ""


def why_none() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch")
               if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"there is no {missing[0]} here: apt-get install {PACKAGES}"
    return None if os.geteuid() == 0 else "only root can start Slurm"


@contextlib.contextmanager
def running_cluster(folder: Path, remembers: int = 300) -> Iterator[Cluster]:
    """A Slurm without accounts in an empty folder, that `remembers` ended jobs for some seconds.

    Skips the test where none can be started; in CI that is a failure.
    """
    reason = why_none()
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(
        host=socket.gethostname().split(".")[0], ports=[_free_port(), _free_port()], folder=folder,
        accounting="AccountingStorageType=accounting_storage/none", remembers=remembers))
    with pytest.MonkeyPatch.context() as patch, _munge():
        patch.setenv("SLURM_CONF", str(conf))
        cluster = Cluster(folder)
        try:
            for daemon in ("slurmctld", "slurmd"):
                subprocess.run([shutil.which(daemon, path="/usr/sbin:/usr/bin") or daemon],
                               check=True, timeout=60)
            until(lambda: _is_idle(cluster), 60)
            yield cluster
        finally:
            for daemon in ("slurmd", "slurmctld"):
                _stop(folder / f"{daemon}.pid")


def _is_idle(cluster: Cluster) -> bool:
    try:
        return cluster.ask("sinfo", "--noheader", "--format=%t") == "idle"
    except subprocess.SubprocessError:
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def _munge() -> Iterator[None]:
    """The machine's munged, started and stopped again where it does not run."""
    if _munge_answers():
        yield
        return
    room = Path("/run/munge")
    room.mkdir(exist_ok=True, mode=0o755)
    shutil.chown(room, "munge", "munge")
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged", "--force"], check=True,
                   timeout=60)
    until(_munge_answers)
    try:
        yield
    finally:
        _stop(room / "munged.pid")


def _munge_answers() -> bool:
    return subprocess.run("timeout 5 munge -n | timeout 5 unmunge", shell=True,
                          capture_output=True).returncode == 0


def _stop(pid_file: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.05)
