"""`make serve` and the container have limits, which the environment may change."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ngf_core.runs.server_settings import server_settings

ROOT = Path(__file__).parents[2]
LIMITS = {"NGF_SHARED": "1", "NGF_STORE_GB": "20", "NGF_JOB_MEMORY_GB": "4"}


@pytest.fixture
def serve(tmp_path):
    """`make serve` with an environment that prints its own variables and how it was called."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "python"
    fake.write_text('#!/bin/sh\nenv\necho "called $*"\n')
    fake.chmod(0o755)

    def run(*words: str, **variables: str) -> list[str]:
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("NGF_", "MAKE"))}
        done = subprocess.run(["make", "-s", "serve", f"BIN={tmp_path / 'bin'}",
                               "-o", ".venv/installed", *words], cwd=ROOT, env=clean | variables,
                              capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return run


def test_it_limits_store_and_memory(serve, monkeypatch):
    printed = serve()
    assert {f"{name}={value}" for name, value in LIMITS.items()} <= set(printed)
    for name, value in LIMITS.items():
        monkeypatch.setenv(name, value)
    settings = server_settings()
    assert settings.shared and settings.store_gb == 20 and settings.job_memory_gb == 4


def test_the_environment_and_the_command_line_go_first(serve):
    assert {"NGF_STORE_GB=7", "NGF_JOB_MEMORY_GB=0"} <= set(
        serve("NGF_JOB_MEMORY_GB=0", NGF_STORE_GB="7"))


def test_it_starts_what_prints_the_names_of_hosts(serve):
    """`ngf app`: tests/core/cli/test_app.py has the note."""
    assert "called -m ngf_core app --server.headless true --server.port 1" in serve(
        "OPTIONS=--server.port 1")


def test_the_container_and_the_document_have_the_same_limits():
    (line,) = re.findall(r"^ENV NGF_RUNS=.*$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    document = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    for name, value in LIMITS.items():
        assert f"{name}={value}" in line.split() and f"`{name}={value}`" in document
