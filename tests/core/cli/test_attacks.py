"""`attacks check` and `attacks rebuild` on tiny data, and what the check calls a working attack."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest

from ngf_core.cli import attacks as attacks_command
from ngf_core.cli.attacks import Checked, add_arguments, markdown, run, table
from ngf_core.runs import RunStore
from tests.support.tiny_runs import made, train_config

pytestmark = pytest.mark.usefixtures("tiny_data")

GOOD = Checked("badnets", 0, acc=0.99, asr=0.95, ra=0.05, floor=0.01, benign=0.995, psnr=22.0,
               victims=900, poisoned=380, train_images=4750, seconds=60.0, fitting=1.5)


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(list(words))


@pytest.mark.parametrize(("changes", "reason"), [
    ({}, ""),
    ({"asr": 0.9}, ""),
    ({"asr": 0.899}, "seed 0: ASR 89.9% < 90%"),
    ({"attack": "clb", "asr": 0.8}, ""),
    ({"attack": "clb", "asr": 0.79}, "seed 0: ASR 79.0% < 80%"),
    ({"acc": 0.9751}, ""),
    ({"acc": 0.95, "seed": 2}, "seed 2: ACC 4.5 points below benign"),
    ({"floor": 0.1}, ""),
    ({"floor": 0.104}, "seed 0: floor 10.4%: the trigger alone moves a benign model"),
    ({"floor": 0.6}, "seed 0: floor 60.0%: the trigger alone moves a benign model"),
    ({"acc": 0.9, "asr": 0.1}, "seed 0: ASR 10.0% < 90%, ACC 9.5 points below benign"),
])
def test_the_reason_of_a_miss(changes, reason):
    assert replace(GOOD, **changes).reason == reason


def test_the_table_has_one_row_an_attack():
    rows = table([GOOD, replace(GOOD, seed=1, acc=0.97, asr=0.85), replace(GOOD, attack="blend")])
    assert [row[0] for row in rows[1:]] == ["BadNets", "Blend"]
    assert rows[1][1:4] == ["2", "98.0 ± 1.4", "90.0 ± 7.1"]
    assert rows[1][-1] == ("works in 1 of 2; seed 1: ASR 85.0% < 90%, "
                           "ACC 2.5 points below benign")
    assert rows[2][-1] == "works" and rows[2][-3:-1] == ["380 of 4750", "62"]
    assert markdown(rows).count("\n|") == 4


def test_a_check_trains_once_and_says_what_it_found(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(attacks_command, "default_store", lambda: RunStore(tmp_path / "runs"))
    words = ("check", "--attack", "badnets", "--seed", "0", "--epochs", "1",
             "--out", str(tmp_path / "check"), "--save", str(tmp_path / "results"))
    assert run(asked(*words)) == 1
    first = capsys.readouterr().out
    for attack in ("none", "badnets"):
        assert f"signs-mini_preact_resnet-{attack}-s0-train ..." in first
    saved = json.loads((tmp_path / "results" / "attacks.json").read_text())
    assert saved[0]["victims"] == 18 and saved[0]["poisoned"] == 30
    assert "| BadNets |" in (tmp_path / "results" / "attacks.md").read_text()
    run(asked(*words))
    again = capsys.readouterr().out
    assert "..." not in again and again.strip().splitlines()[-1] in first


def test_a_check_takes_what_is_in_the_zoo(tmp_path, capsys, monkeypatch):
    zoo = RunStore(tmp_path / "zoo")
    monkeypatch.setattr(attacks_command, "default_store", lambda: zoo)
    for attack in ("none", "badnets"):
        config = replace(train_config(), attack=attack, batch_size=128, precision="auto",
                         strength="default")
        attacks_command.make(zoo, f"signs-mini_preact_resnet-{attack}-s0-train", config)
    capsys.readouterr()
    run(asked("check", "--attack", "badnets", "--seed", "0", "--epochs", "1",
              "--out", str(tmp_path / "check")))
    assert "..." not in capsys.readouterr().out and not (tmp_path / "check").exists()


def test_rebuild_writes_the_poisoned_set(tmp_path, runs, backdoored, monkeypatch, capsys):
    monkeypatch.setattr(attacks_command, "default_store", lambda: runs)
    out = tmp_path / "set"
    assert run(asked("rebuild", backdoored.id, "--out", str(out))) == 0
    assert "380 images, 30 poisoned" in capsys.readouterr().out
    with np.load(out) as written:
        assert written["x"].shape == (380, 3, 16, 16) and len(written["indices"]) == 30
        assert (written["y"][written["indices"]] == 0).all()


def test_a_file_that_cannot_be_written_is_named(runs, backdoored, monkeypatch, tmp_path):
    from ngf_core.errors import NGFError

    monkeypatch.setattr(attacks_command, "default_store", lambda: runs)
    with pytest.raises(NGFError, match="no/set.npz cannot be written .* --out"):
        run(asked("rebuild", backdoored.id, "--out", str(tmp_path / "no" / "set.npz")))


def test_a_failed_training_is_an_error(tmp_path, monkeypatch):
    from ngf_core.errors import RunError

    monkeypatch.setattr(attacks_command, "default_store", lambda: RunStore(tmp_path / "runs"))

    def failing(store, run_id, config):
        return made(replace(config, poison_rate=0.5, attack="sig"), store)

    monkeypatch.setattr(attacks_command, "make", failing)
    with pytest.raises(RunError, match="signs-.*-sig-s0-train is failed: .*SIG can poison"):
        run(asked("check", "--attack", "sig", "--seed", "0", "--out", str(tmp_path)))
