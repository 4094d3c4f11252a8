"""Where runs are kept: one folder of your own and a read-only one that ships with NGF Lab."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ngf_core import paths
from ngf_core.config import Config, ModelConfig, config_sha, validate
from ngf_core.errors import ConfigError, RunError
from ngf_core.options import either
from ngf_core.runs.disk import draft_of, sweep, sync_folder, telling_full
from ngf_core.runs.files import MODEL_KINDS
from ngf_core.runs.manifest import CORRUPT, new_manifest, write_manifest
from ngf_core.runs.run import Run
from ngf_core.runs.server_settings import refuse_readonly

SOURCES = {"purify": MODEL_KINDS, "spectrum": (*MODEL_KINDS, "purify"),
           "landscape": (*MODEL_KINDS, "purify"), "layers": MODEL_KINDS,
           "audit": (*MODEL_KINDS, "purify")}
_ID = re.compile(r"[a-z0-9_-]{1,120}")
# The folder of the benchmark's runs: hundreds, found by their ids but not listed.
BENCHMARK, ATTACK_CHECKS = "benchmark", "check"


class RunStore:
    """The runs below `root`, and the shipped ones, which cannot be changed.

    The benchmark's hundreds of runs are in their own folder, root/benchmark: they are found by
    their id and not listed.
    """

    def __init__(self, root: Path, shipped: Path | None = None) -> None:
        self.root, self.shipped = Path(root), None if shipped is None else Path(shipped)

    def create(self, config: Config, run_id: str | None = None, askers: Sequence[str] = (),
               ranks: int = 1, nodes: int = 1) -> Run:
        """A new queued run of `config`, under a new id or the one given; nothing is started.

        `askers` are the browsers that asked for it, none for the command line. It is to be computed
        by that many processes, `ranks`, on that many `nodes`.

        Raises ConfigError for a bad value or a source that does not fit, RunError for a missing
        source, for a root that cannot be written and on a server that only shows, DiskFull.
        """
        refuse_readonly()
        validate(config)
        self.check_source(config)
        run_id = run_id or _new_id(config)
        draft = draft_of(self.root / run_id)
        self.prepare()
        sweep(self.root)
        with telling_full(draft):
            try:
                draft.mkdir()
                write_manifest(draft, new_manifest(run_id, config, askers, ranks, nodes))
                draft.rename(self.root / run_id)
                sync_folder(self.root)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        return Run(self.root / run_id)

    def prepare(self) -> None:
        """Create the root if need be. Raises RunError where no run can be kept there, DiskFull."""
        try:
            with telling_full(self.root):
                self.root.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self.root).close()
        except OSError as error:
            raise RunError(f"Runs cannot be kept in {self.root} ({error.strerror}). Point NGF_RUNS "
                           "(or --out, where it is given) at a folder that can be written."
                           ) from error

    def find(self, run_id: str) -> Run:
        """The run of that id, whole or corrupt. Raises RunError where there is none."""
        if _ID.fullmatch(run_id):
            for path, shipped in self._places(run_id):
                if path.is_dir():
                    return self._run(path, shipped)
        raise RunError(f"There is no run {run_id[:120]} here. It may have been deleted or made "
                       "on another machine; the Runs page and `python -m ngf_core runs` list "
                       "the runs that exist here.")

    def get(self, run_id: str) -> Run:
        """The run of that id. Raises RunError where there is none or it is corrupt."""
        run = self.find(run_id)
        manifest = run.manifest
        if manifest["state"] == CORRUPT:
            raise RunError(manifest["message"])
        return run

    def list(self, kind: str | None = None) -> list[Run]:
        """All runs, newest first; corrupt ones too, unless a kind is given."""
        runs: dict[str, Run] = {}
        for folder, shipped in ((self.shipped, True), (self.root, False)):
            if folder is not None and folder.is_dir():
                runs |= {p.name: self._run(p, shipped) for p in folder.iterdir()
                         if p.is_dir() and _ID.fullmatch(p.name)
                         and p.name not in (BENCHMARK, ATTACK_CHECKS)}
        made = {run: run.manifest for run in runs.values()}
        wanted = [run for run in made if kind is None or made[run]["kind"] == kind]
        return sorted(wanted, reverse=True,
                      key=lambda run: (made[run]["created"] or _folder_time(run.path), run.id))

    def latest(self, *kinds: str) -> Run:
        """The newest finished run of one of these kinds. Raises RunError where there is none."""
        for run in self.list():
            if run.kind in kinds and run.state == "done":
                return run
        raise RunError(f"There is no finished {either(kinds)} run here yet. "
                       f"Start one with `python -m ngf_core {kinds[0]}`.")

    def finished(self, config: Config) -> Run | None:
        """The newest finished run of these very settings, shipped or computed here; None where
        there is none. A run that was brought from elsewhere is not taken for it."""
        sha = config_sha(config)
        return next((run for run in self.list(config.kind) if run.state == "done"
                     and run.manifest["config_sha"] == sha
                     and run.manifest["foreign"] is None), None)

    def _run(self, path: Path, shipped: bool) -> Run:
        return Run(path, shipped)

    def _places(self, run_id: str) -> Iterable[tuple[Path, bool]]:
        """The paths the run may have, and whether it is then a shipped one."""
        places = [(self.root / run_id, False), (self.root / BENCHMARK / run_id, False)]
        return places if self.shipped is None else [*places, (self.shipped / run_id, True)]

    def check_source(self, config: Config) -> None:
        """Raise RunError where the run that `config` starts from is missing or corrupt, ConfigError
        where it does not fit or is not done."""
        if isinstance(config, ModelConfig):
            return
        source, fitting = self.get(config.source), SOURCES[config.kind]
        if source.kind not in fitting:
            raise ConfigError("source", f"run {source.id} is a {source.kind} run",
                              f"Name a {either(fitting)} run.")
        if source.state != "done":
            raise ConfigError("source", f"run {source.id} is {source.state}",
                              "Wait until it is done, or name another run.")


def default_store() -> RunStore:
    """The store in the folder NGF_RUNS names, else ./runs; shipped runs from assets/zoo."""
    root = Path(os.environ.get("NGF_RUNS") or "runs").absolute()
    return RunStore(root, paths.shipped("assets", "zoo"))


def _new_id(config: Config) -> str:
    """<utc>-<slug>-<8 hex>: the slug is the kind with what it is about (data set and attack)."""
    if isinstance(config, ModelConfig):
        subject = f"{config.dataset}-{config.attack}"
    else:
        words = re.sub(r"^\d{8}-\d{6}-|-[0-9a-f]{8}$", "", config.source).split("-")
        subject = "-".join(w for w in words if w not in (*MODEL_KINDS, "purify"))[:40]
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{config.kind}-{subject}-{secrets.token_hex(4)}"


def _folder_time(path: Path) -> str:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    except OSError:
        return ""
