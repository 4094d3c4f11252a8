"""A real Slurm on this machine, for tests: munge, slurmctld and a slurmd per node, no systemd.

There is no slurmdbd unless a test asks for it, as on many clusters, so that sacct fails.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.waiting import until

PACKAGES = "munge slurmctld slurmd slurm-client slurmdbd mariadb-server"
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "slurmdbd", "mariadbd")
CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
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
MinJobAge=300
StateSaveLocation={folder}/state
SlurmdSpoolDir={spool}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1
PartitionName=cpu Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cores} " \
    "RealMemory=2000 State=UNKNOWN\n"
NO_ACCOUNTS = "AccountingStorageType=accounting_storage/none"
ACCOUNTS = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}"""
SLURMDBD = """\
AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=x
StorageLoc=slurm_acct_db
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""
DATABASE = ("create database slurm_acct_db; create user slurm@localhost identified by 'x'; "
            "grant all on slurm_acct_db.* to slurm@localhost")


HOST = socket.gethostname().split(".")[0]


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

    def node(self) -> str:
        """The state of the nodes: idle, mix, drng while jobs end on a drained one, drain."""
        return self.ask("sinfo", "--noheader", "--format=%t")

    def drain(self) -> None:
        """Let the node take no more jobs, and wait until its last one has ended."""
        self.ask("scontrol", "update", "nodename=ALL", "state=drain", "reason=test")
        until(lambda: self.node() == "drain", 60)

    def resume(self) -> None:
        """Let it take jobs again."""
        self.ask("scontrol", "update", "nodename=ALL", "state=resume")


def why_none() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    missing = [name for name in DAEMONS
               if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"there is no {missing[0]} here: apt-get install {PACKAGES}"
    return None if os.geteuid() == 0 else "only root can start Slurm"


@contextlib.contextmanager
def running_cluster(folder: Path, accounts: bool = False, nodes: int = 1) -> Iterator[Cluster]:
    """A Slurm in an empty folder, whose `nodes` share two cores, with `accounts` or without; squeue
    tells of ended jobs for five minutes.

    Skips the test where none can be started; in CI that is a failure.
    """
    reason = why_none()
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    names = [f"node{number}" for number in range(nodes)]
    with contextlib.ExitStack() as running:
        (folder / "state").mkdir()
        conf = folder / "slurm.conf"
        port = _free_port()
        # The path of a socket, which slurmd makes there, has at most 108 letters.
        spool = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="slurm")))
        for name in names:
            (spool / name).mkdir()
        conf.write_text(CONF.format(
            host=HOST, port=_free_port(), folder=folder, spool=spool,
            accounting=ACCOUNTS.format(port=port) if accounts else NO_ACCOUNTS) + "".join(
                NODE.format(name=name, host=HOST, port=_free_port(), cores=2 // nodes)
                for name in names))
        patch = running.enter_context(pytest.MonkeyPatch.context())
        running.enter_context(_munge())
        patch.setenv("SLURM_CONF", str(conf))
        if accounts:
            running.enter_context(_accounts(folder, port))
        cluster = Cluster(folder)
        try:
            _start("slurmctld")
            for name in names:
                _start("slurmd", "-N", name)
            until(lambda: _is_idle(cluster), 60)
            yield cluster
        finally:
            for daemon in (*(f"slurmd-{name}" for name in names), "slurmctld"):
                _stop(folder / f"{daemon}.pid")


def _is_idle(cluster: Cluster) -> bool:
    try:
        return cluster.node() == "idle"
    except subprocess.SubprocessError:
        return False


def _start(daemon: str, *options: str, **environment: str) -> None:
    """Start a daemon that goes into the background by itself."""
    subprocess.run([shutil.which(daemon, path="/usr/sbin:/usr/bin") or daemon, *options],
                   check=True, timeout=60, env=os.environ | environment)


@contextlib.contextmanager
def _accounts(folder: Path, port: int) -> Iterator[None]:
    """A slurmdbd at that port, on a MariaDB that listens on a socket in the folder alone."""
    data = folder / "mysql"
    data.mkdir()  # of root, as the folders above it, into which MariaDB's own user may not look
    at = f"--socket={data}/s.sock"
    subprocess.run(["mariadb-install-db", "--user=root", f"--datadir={data}", "--skip-test-db",
                    "--auth-root-authentication-method=normal"], check=True, timeout=60,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    database = subprocess.Popen(
        ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", at, "--skip-networking",
         "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: subprocess.run(["mariadb-admin", at, "ping"], capture_output=True
                                     ).returncode == 0, 60)
        subprocess.run(["mariadb", at, "-e", DATABASE], check=True, timeout=60)
        conf = folder / "slurmdbd.conf"
        conf.write_text(SLURMDBD.format(port=port, folder=folder))
        conf.chmod(0o600)
        _start("slurmdbd", MYSQL_UNIX_PORT=f"{data}/s.sock")
        until(lambda: _answers(port), 60)
        yield
    finally:
        _stop(folder / "slurmdbd.pid")
        database.terminate()
        database.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


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
