"""reproduce.sh: the commands in order, on their sources' new ids, and its exit code."""

import argparse
import os
import shlex
import subprocess
import sys

import pytest

from ngf_core.bundle.contents import contents
from ngf_core.bundle.reproduce import script
from ngf_core.cli.job import _config, add_job
from ngf_core.config import CONFIGS
from ngf_core.runs import RunStore
from ngf_core.runs.lineage import with_sources
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run

# In place of Python: notes what it is asked, and says an id, of an audit as it does.
PRETENDS = """#!/bin/sh
[ "$1" = -c ] && exec {python} "$@"
echo "threads=${{OMP_NUM_THREADS:-none}} $*" >> {log}
[ "$3" = bundle ] && exit {code}
[ "$3" = landscape ] && exit 1
[ "$3" = audit ] && echo '{{"verdict": 0, "pairs": [{{"id": "new-audit"}}]}}' && exit
echo "{{\\"id\\": \\"new-$3\\"}}"
"""


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def played(folder, store, run, code=0, **environment):
    """The exit code, what the script said, and what it asked of Python."""
    for name, content in contents([run], store).items():
        (folder / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "bundle" / name).write_bytes(content)
    (folder / "source").mkdir(exist_ok=True)
    python, log = folder / "python", folder / "log"
    python.write_text(PRETENDS.format(python=sys.executable, log=log, code=code))
    python.chmod(0o755)
    given = {"NGF_SOURCE": str(folder / "source"), "PYTHON": str(python)} | environment
    done = subprocess.run(["sh", str(folder / "bundle/reproduce.sh")], capture_output=True,
                          text=True, env={"PATH": os.environ["PATH"]} | given)
    return done.returncode, done.stderr, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("code", [0, 1])
def test_commands_run_in_order_and_the_comparison_decides(tmp_path, store, code):
    audit = make_run(store, "audit")
    race = store.get(audit.config.source)
    change_manifest(race.path, threads=3)
    ended, _, asked = played(tmp_path, store, audit, code)
    assert ended == code
    kinds = [line.split()[3] for line in asked]
    assert kinds == ["train", "purify", "audit", "bundle"]
    assert asked[1].startswith("threads=3 -m ngf_core purify new-train --methods ngf sgd")
    assert asked[2].startswith("threads=2 -m ngf_core audit new-purify --against")
    here = f"{tmp_path}/bundle"
    assert asked[3].endswith(f"bundle check {here} --against {here}/work/runs")


def test_a_run_that_fails_ends_it(tmp_path, store):
    ended, said, asked = played(tmp_path, store, make_run(store, "landscape"))
    assert ended == 2 and "This run did not finish: landscape new-purify" in said
    assert len(asked) == 3


@pytest.mark.parametrize(("environment", "says"), [
    ({"NGF_SOURCE": ""}, "Name the source of NGF Lab"),
    ({"NGF_SOURCE": "/nowhere/at/all"}, "cannot be cloned"),
    ({"NGF_WORK": "/tmp"}, "/tmp exists")])
def test_what_keeps_it_from_starting_is_said(tmp_path, store, environment, says):
    ended, said, asked = played(tmp_path, store, make_run(store, "train"), **environment)
    assert ended == 2 and says in said and not asked


def test_a_changed_file_is_found_before_anything_runs(tmp_path, store):
    run = make_run(store, "train")
    (tmp_path / "bundle").mkdir()
    played(tmp_path, store, run, NGF_SOURCE="")
    (tmp_path / "bundle/report.html").write_text("other")
    done = subprocess.run(["sh", str(tmp_path / "bundle/reproduce.sh")], capture_output=True,
                          text=True, env=os.environ | {"NGF_SOURCE": str(tmp_path)})
    assert done.returncode == 2 and "differ from SHA256SUMS" in done.stderr


@pytest.mark.parametrize(("kind", "fields"), [
    ("train", {"attack": "blend", "strength": "published", "lr": 0.03}),
    ("purify", {"methods": ("finetune", "ngf"), "own": {"ngf": {"kl_bound": 0.3}}, "steps": 7}),
    ("spectrum", {"k": 7}), ("landscape", {"planes": ("random", "path")}), ("layers", {})])
def test_the_command_makes_the_same_settings(store, kind, fields):
    run = make_run(store, kind, **fields)
    family = with_sources([run], store)
    line = next(line for line in script(family, None).decode().splitlines()
                if line.startswith(f"run_{len(family)}=$(compute "))
    words = shlex.split(line.partition("compute ")[2].removesuffix(")"))
    if kind != "train":
        assert words[1] == f"$run_{len(family) - 1}"
        words[1] = run.config.source
    assert "--seed" in words, "settings at their default are named"
    parser = argparse.ArgumentParser()
    add_job(parser.add_subparsers(), kind, CONFIGS[kind])
    assert _config(parser.parse_args(words), store) == run.config


@pytest.mark.parametrize(("ranks", "nodes", "words"), [(1, 1, ""), (4, 1, " --devices 4"),
                                                       (8, 2, "")])
def test_it_computes_on_as_many_devices_of_this_machine(store, ranks, nodes, words):
    run = make_run(store, "train")
    change_manifest(run.path, ranks=ranks, nodes=nodes)
    (line,) = (line for line in script([run], None).decode().splitlines()
               if "$(compute train" in line)
    assert ("--devices" in line, line.endswith(f"{words})")) == (bool(words), True)


def test_words_of_data_stay_words(store):
    run = make_run(store, "import", file="$(touch evil)`id`';x.pt", file_sha="0" * 64,
                   arch="'; touch evil; '")
    change_manifest(run.path, git={"sha": "$(touch evil)", "dirty": False})
    text = script([run], {"sha": "; touch evil"}).decode()
    assert subprocess.run(["sh", "-n"], input=text, text=True).returncode == 0
    (line,) = (line for line in text.splitlines() if "compute import" in line)
    words = shlex.split(line.partition("compute ")[2].removesuffix(")"))
    assert words[:2] == ["import", "$NGF_FILES/$(touch evil)`id`';x.pt"]
    assert "'; touch evil; '" in words
    assert text.count("on_commit HEAD") == 2
