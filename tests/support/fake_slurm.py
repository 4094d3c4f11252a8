"""Commands of Slurm that answer what a test wants, as programs on the PATH."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class FakeSlurm:
    """`answers` puts a command in place; `asked` are the calls so far, one line each."""

    folder: Path

    def answers(self, command: str, text: str = "", error: str = "", code: int = 0,
                seconds: float = 0) -> None:
        """Let a command print that, and end with that exit code."""
        (self.folder / f"{command}.out").write_text(text)
        (self.folder / f"{command}.err").write_text(error)
        program = self.folder / command
        program.write_text(f"""#!/bin/sh
echo {command} "$@" >>{self.folder}/asked
cat "$1" >>{self.folder}/given 2>/dev/null
sleep {seconds}
cat {self.folder}/{command}.out
cat {self.folder}/{command}.err >&2
exit {code}
""")
        program.chmod(0o755)

    def asked(self, command: str) -> list[str]:
        """The calls of a command so far."""
        path = self.folder / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[0] == command]

    def given(self) -> str:
        """The files that commands were given, such as the scripts of sbatch."""
        return (self.folder / "given").read_text()


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """No jobs, no accounts, and one partition."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    slurm = FakeSlurm(folder)
    slurm.answers("squeue")
    slurm.answers("sacct", error="Slurm accounting storage is disabled\n", code=1)
    slurm.answers("sinfo", "cpu*|1-00:00:00|16|(null)\nbig|infinite|64+|gpu:a100:4\n")
    slurm.answers("sbatch", "Submitted batch job 17\n")
    slurm.answers("srun")
    return slurm
