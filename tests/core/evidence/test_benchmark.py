"""The benchmark from end to end on tiny models: its runs, its tables, resuming, failing."""

import errno
import json
import shutil

import pandas as pd
import pytest

from ngf_core import evidence as benchmark
from ngf_core.cli import benchmark as command
from ngf_core.cli.main import main
from ngf_core.config import PurifyConfig
from ngf_core.config.command import command_line
from ngf_core.device import device
from ngf_core.errors import NGFError, RunError
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.evidence import load, sharpness
from ngf_core.evidence.cells import Cell
from ngf_core.evidence.cells import finished as finished_run
from ngf_core.evidence.earlier import KEYS
from ngf_core.evidence.entrants import CONDITIONS, ENTRANTS
from ngf_core.evidence.table import cells_table
from ngf_core.models.build import tunable_layer_names
from ngf_core.purify import NGF, SGD
from ngf_core.purify.registry import LAYERED, PURIFIERS
from ngf_core.runs import Run, RunStore
from ngf_core.runs.manifest import read_manifest, write_manifest
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.runs.tensors import tensors_sha
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out
from tests.core.evidence.conftest import ATTACKS
from tests.core.evidence.conftest import ENTRANTS as TRIED
from tests.support.launching_here import launch_here

# Two attacks are computed once, by whichever process runs this group.
pytestmark = pytest.mark.xdist_group("benchmark")


def cell(entrant: str = "", attack: str = "badnets") -> Cell:
    return Cell("signs", ZOO_ARCH, attack, 0, entrant)


def asked(entrant: str, attack: str = "badnets") -> PurifyConfig:
    return ENTRANTS[entrant].config(f"signs-{attack}-s0-train", 0, "stem")


@pytest.fixture
def table(finished, monkeypatch) -> pd.DataFrame:
    monkeypatch.setenv("NGF_BENCHMARK", str(finished.tables))
    return load("cells").set_index(["attack", "entrant"])


def test_every_method_of_the_registry_takes_part_once():
    defenses = [e.method for e in ENTRANTS.values() if e.group == "defense"]
    assert defenses == [*PURIFIERS, "ngf"], "and NGF as released"


def test_ngf_has_one_preset_for_all_attacks():
    configs = [asked("ngf", attack) for attack in ATTACKS]
    assert configs[0].methods == (NGF(),)
    assert {**vars(configs[0]), "source": ""} == {**vars(configs[1]), "source": ""}


@pytest.mark.parametrize("name", [
    name for name in ENTRANTS if name not in ("ablate_tuning", "ngf_released")])
def test_all_entrants_have_the_same_clean_images_and_budget(name):
    config, reference = asked(name), asked("finetune")
    for field in ("steps", "batch_size", "clean_fraction", "augment", "seconds", "seed"):
        assert getattr(config, field) == getattr(reference, field)


def test_the_runs_are_ordinary_ones_and_nothing_else_is_left(finished):
    store = RunStore(finished.out)
    assert {run.id for run in store.list("purify")} == {
        f"signs-{a}-s0-{e}" for a in ATTACKS for e in TRIED}
    assert not [path.name for path in finished.out.glob(".[!.]*") if path.is_dir()
                and path.name != ".sweep"]
    run = store.get("signs-badnets-s0-finetune")
    assert run.config == asked("finetune") and run.config.steps == CONDITIONS["steps"]


def test_the_rates_are_those_of_the_models(finished, table):
    source = load_trained("signs-blend-s0-clp", RunStore(finished.out))
    test = build_test_set(source.dataset.test, source.attack)
    for entrant, model in (("before", "before"), ("clp", "clp")):
        found, row = evaluate(source.models[model], test), table.loc["blend", entrant]
        for name, rate in found.rates().items():
            assert (row[f"{name}_hits"], row[f"{name}_n"]) == (rate.hits, rate.n)


def test_der_by_hand(table):
    for attack in ATTACKS:
        before = table.loc[attack, "before"]
        for entrant in TRIED:
            row = table.loc[attack, entrant]
            asr = before.asr_hits / before.asr_n - row.asr_hits / row.asr_n
            acc = before.acc_hits / before.acc_n - row.acc_hits / row.acc_n
            assert row.der == pytest.approx((max(0, asr) - max(0, acc) + 1) / 2)


def test_the_floor_is_the_benign_model_under_the_trigger(finished, table):
    store = RunStore(finished.out)
    benign = load_trained("signs-none-s0-train", store).models["before"]
    source = load_trained("signs-badnets-s0-train", store)
    asr = evaluate(benign, build_test_set(source.dataset.test, source.attack)).asr
    row = table.loc["badnets", "benign"]
    assert (row.asr_hits, row.asr_n, row.group) == (asr.hits, asr.n, "model")


def test_each_row_has_the_sharpness_of_its_own_model(finished, table):
    source = load_trained("signs-badnets-s0-finetune", RunStore(finished.out))
    held = held_out(source.dataset, None, sharpness.IMAGES, 0, device())["clean"]
    for entrant in ("before", "finetune"):
        row = table.loc["badnets", entrant]
        for read in sharpness.measure_sharpness_of(source.models[entrant], "", {"held_out": held}):
            if not read["measure"].startswith("adaptive"):
                assert row[read["measure"]] == pytest.approx(read["value"], rel=1e-4, abs=1e-3)
                assert row[f"{read['measure']}_error"] == pytest.approx(
                    read["computation_error"], rel=1e-3, abs=1e-3)


def test_the_leaderboard_and_the_claim_tell_of_one_measurement(finished, table):
    """With one setting, and each model measured once: one file per model."""
    told = load("claim")
    told = told[(told.images == "held_out") & (told.parameters == "all")]
    assert len(told)
    for row in told[told.measure.isin(["lambda_max", "trace"])].itertuples():
        if row.model != "benign":  # whose row on the leaderboard is that of its training
            entrant = {"backdoored": "before"}.get(row.model, row.model)
            assert table.loc[(row.attack, entrant), row.measure] == row.value
    assert table.lambda_max.notna().sum() == 1 + 2 + 4  # benign, backdoored, purified
    assert not (finished.out / "sharpness").exists()
    assert len(list((finished.out / "claim").iterdir())) == table.weights.nunique()


def test_what_was_tuned_and_what_it_cost(table):
    assert table.loc["badnets", "clp"].passes == 1
    tuned = table.loc["badnets", "finetune"]
    assert tuned.passes == 3 and tuned.tuned > 0 and tuned.cpu_seconds > 0
    assert tuned.command.startswith("python -m ngf_core purify signs-badnets-s0-train")


def test_the_path_has_the_sharpness_of_those_that_were_followed(finished, table):
    path = load("path")
    assert set(path.entrant) == {"finetune"}
    last = path[(path.attack == "badnets")].sort_values("step").iloc[-1]
    row = table.loc["badnets", "finetune"]
    assert last.step == 3 and last.asr == pytest.approx(row.asr_hits / row.asr_n)
    assert path.lambda_max.notna().any()


def test_the_protocol_is_told(finished, table):
    told = json.loads((finished.tables / "protocol.json").read_text())
    assert (told["cells"], told["finished"], told["conditions"]["steps"]) == (4, 4, 3)
    assert told["sharpness"] == {"images": sharpness.IMAGES, "probes": 3, "tolerance": 0.01}


def test_the_report_has_the_table_in_words(finished, table):
    told = (finished.tables / "report.md").read_text()
    der = 100 * table.loc[["badnets", "blend"]].xs("clp", level="entrant").der.mean()
    line = next(line for line in told.splitlines() if "| CLP |" in line)
    assert line.split(" | ")[2].startswith(f"{der:.1f}") and line.endswith("| 2 |")
    assert "NGF has no finished cell" in told and "nan" not in told


def test_tables_outlive_their_runs(finished, patched, tmp_path):
    """With a training and a defense left, the other cells, the claim and the paths stay as they
    were told, and so does why one of them stopped, which neither of the two did."""
    tables, out = (shutil.copytree(finished.tables, tmp_path / "tables"), tmp_path / "out")
    told = load("cells", tables)
    early = (told["entrant"] == "finetune") & (told["attack"] == "blend")
    told.assign(stopped=told["stopped"].mask(early, "It diverged.")).to_parquet(
        tables / "cells.parquet")
    was = {name: load(name, tables) for name in ("cells", "path", "claim")}
    for left in ("signs-badnets-s0-train", "signs-badnets-s0-clp"):
        shutil.copytree(finished.out / left, out / left)
    arguments = type(finished)(**vars(finished) | {"out": out, "tables": tables,
                                                   "stages": ["tables"]})
    assert command.run(arguments) == 0
    for name, before in was.items():
        pd.testing.assert_frame_equal(*(part.sort_values(KEYS[name], ignore_index=True)
                                        for part in (load(name, tables), before)))
    assert (tables / "report.md").read_text() == (finished.tables / "report.md").read_text()


def test_rows_tell_their_weights_and_where_these_come_from(finished, table):
    store = RunStore(finished.out)
    for entrant, run, file in (("before", "train", "model"), ("clp", "clp", "after_clp"),
                               ("finetune", "finetune", "after_finetune")):
        sha = tensors_sha(store.get(f"signs-blend-s0-{run}").tensors(file))
        assert table.loc[("blend", entrant), "weights"] == sha[:16]
    received, benign = (table.loc[key, "weights"] for key in (("blend", "before"),
                                                              ("none", "benign")))
    assert set(table.loc["blend"].loc[["clp", "finetune", "benign"], "received"]) == {received}
    assert table.loc[("blend", "benign"), "weights"] == benign != received


@pytest.mark.parametrize("arch", ["mini_vgg", "mini_vit"])
def test_every_entrant_names_layers_that_its_network_has(arch):
    names = set(tunable_layer_names(arch))
    for name in ENTRANTS:
        config = Cell("signs", arch, "badnets", 0, name).asked(max(names))
        layered = ENTRANTS[name].method in LAYERED
        assert len(config.layers) == command_line(config).count("--layer") == layered
        assert set(config.layers.values()) <= names | {"last", "auto", "all"}, name


def test_finished_cells_are_used_again(finished, patched, monkeypatch, capsys):
    here = launch_here(monkeypatch, command)
    assert command.run(finished) == 0
    assert here.names == []
    assert "7 cells: 7 are there, 0 are queued or running, 0 to comp" in capsys.readouterr().out


def test_what_a_measurement_says_when_it_fails(finished, patched, monkeypatch, tmp_path, capsys):
    """It stops no other, and is made by the next call, alone."""
    out, failing = tmp_path / "out", "signs-blend-s0-clp"
    shutil.copytree(finished.out, out, ignore=shutil.ignore_patterns("claim"))
    arguments = type(finished)(**vars(finished) | {"out": out, "stages": ["sharpness"]})
    measured = sharpness.measured

    def fails(run_id, *others):
        if run_id == failing:
            raise NGFError("No number here.")
        measured(run_id, *others)

    here = launch_here(monkeypatch, command)
    with monkeypatch.context() as patch:
        patch.setattr(sharpness, "measured", fails)
        assert command.run(arguments) == 1
    assert len(here.names) == 7
    assert capsys.readouterr().err.endswith(": No number here.\n")
    assert command.run(arguments) == 0
    assert len(here.names) == 8 and here.names[-1].startswith(f"{failing}.clp.")


def test_a_cell_of_other_settings_is_made_again(finished, monkeypatch):
    monkeypatch.setitem(CONDITIONS, "steps", 4)
    assert finished_run(cell("finetune"), RunStore(finished.out)) is None


def test_a_failing_cell_says_why_and_the_others_go_on(finished, patched, monkeypatch, tmp_path,
                                                      capsys):
    arguments = type(finished)(**vars(finished) | {"methods": ["clp", "neural_cleanse"],
                                                  "attacks": ["badnets"], "stages": ["cells"]})
    monkeypatch.setitem(CONDITIONS, "steps", 1)  # too few for Neural Cleanse
    monkeypatch.setattr(command, "ENTRANTS", {n: ENTRANTS[n] for n in arguments.methods})
    arguments.out = tmp_path / "out"
    for attack in ("none", "badnets"):
        name = f"signs-{attack}-s0-train"
        shutil.copytree(finished.out / name, arguments.out / name)
    assert command.run(arguments) == 1
    said = capsys.readouterr()
    assert "signs-badnets-s0-neural_cleanse" in said.err and "steps" in said.err
    assert finished_run(cell("clp"), RunStore(arguments.out)) is not None


def test_a_missing_table_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    with pytest.raises(NGFError, match="has not been computed yet.*ngf_core benchmark"):
        benchmark.load("cells")


@pytest.mark.parametrize("there", [False, True])
def test_the_layer_maps_have_a_command_of_their_own(monkeypatch, tmp_path, there):
    if there:
        (tmp_path / "layers.parquet").write_bytes(b"PAR1 and then nothing")
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    with pytest.raises(NGFError, match="benchmarks.auto_layer"):
        benchmark.load("layers")


def test_a_damaged_table_is_told(monkeypatch, tmp_path):
    (tmp_path / "cells.parquet").write_bytes(b"PAR1 and then nothing")
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    with pytest.raises(NGFError, match="cells.parquet is damaged"):
        benchmark.load("cells")


def test_a_control_tunes_the_layer_that_ngf_chose(finished, tmp_path):
    store = RunStore(finished.out)
    with pytest.raises(RunError, match="no run signs-badnets-s0-ablate_auto_layer"):
        cell("sgd_auto_layer").config(store)
    other, mine = (root / f"signs-badnets-s0-{name}" for root, name in (
        (finished.out, "finetune"), (tmp_path, "ablate_auto_layer")))
    shutil.copytree(other, mine)
    write_manifest(mine, read_manifest(other) | {"id": mine.name, "results": {"layer": "stem"}})
    config = cell("sgd_auto_layer").config(RunStore(tmp_path))
    assert config.methods == (SGD(layer="stem"),)
    assert cell("sgd").config(store).methods == (SGD(),)


def test_an_unknown_defense_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "--defenses", "prayer"])
    assert stop.value.code == 2 and "'prayer'" in capsys.readouterr().err


def test_choosing_the_layer_is_part_of_what_a_method_costs(finished, monkeypatch):
    store = RunStore(finished.out)
    run = store.get("signs-badnets-s0-finetune")
    results = run.results | {"choice": {"passes": 70, "cpu_seconds": 4.0}}
    monkeypatch.setattr(type(run), "results", property(lambda _: results))
    row = cells_table([cell("finetune")], {}, store).iloc[0]
    mine = results["finetune"]
    assert row.passes == mine["steps"] + 70
    assert row.cpu_seconds == pytest.approx(mine["cpu_seconds"] + 4)


def test_a_run_that_the_disk_does_not_give_is_not_taken_for_missing(finished, monkeypatch):
    store = RunStore(finished.out)
    monkeypatch.setattr(Run, "missing", _stale_handle)
    with pytest.raises(RunError, match="cannot be read now .*Stale file handle.* Try again once"):
        finished_run(cell("finetune"), store)


def _stale_handle(run):
    raise OSError(errno.ESTALE, "Stale file handle")


def test_the_protocol_has_the_command_of_its_tables(finished):
    told = json.loads((finished.tables / "protocol.json").read_text())
    assert f"--attacks {' '.join(ATTACKS)} --methods" in told["command"]
    assert told["cells"] == len(ATTACKS) * len(TRIED) and told["seeds"] == [0]
