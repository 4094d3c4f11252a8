"""The command line: help, options made from the configs, following a run, JSON, bad input."""

import dataclasses
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ngf_core import __version__
from ngf_core.cli import job, runs
from ngf_core.cli import main as cli
from ngf_core.cli.tables import results_table
from ngf_core.config import (
    CONFIGS,
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
    config_sha,
)
from ngf_core.config.command import POSITIONAL, command_line
from ngf_core.data import dataset
from ngf_core.purify import ANP, CLP, FIP, FTSAM, NGF, SGD, FineTuning
from ngf_core.purify.registry import PURIFIERS
from ngf_core.runs import Run, RunStore, jobs
from ngf_core.runs.manifest import change_manifest
from ngf_core.text_table import aligned
from tests.support import pretended_work
from tests.support.dataset_files import class_folders, written
from tests.support.fabricated_runs import make_run
from tests.support.small_attacks import CROSS
from tests.support.waiting import until

HOME = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def own_store(store, monkeypatch, fake_worker):
    """The command line works on the test's store, and workers only pretend."""
    monkeypatch.setenv("NGF_RUNS", str(store.root))
    use_store(store, monkeypatch)


def use_store(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (job, runs):
        monkeypatch.setattr(module, "default_store", lambda: store)


def ngf(line: str, capsys) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    capsys.readouterr()
    try:
        code = cli.main(shlex.split(line))
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def test_help_begins_with_an_example(capsys):
    for line in ("--help", ""):
        code, out, _ = ngf(line, capsys)
        example = [row.split()[3] for row in out.splitlines() if row.startswith("  python -m")]
        assert (code, example) == (0, ["train", "purify", "spectrum", "runs"])


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_setting_is_an_option_with_its_help(kind, capsys):
    code, out, _ = ngf(f"{kind} --help", capsys)
    text = " ".join(out.split())
    assert code == 0
    for field in dataclasses.fields(CONFIGS[kind]):
        name = (field.name.upper() if field.name in POSITIONAL
                else "--" + field.name.replace("_", "-"))
        assert f"{name} " in text or f"{name}, --no-" in text
        assert " ".join(field.metadata["help"].split()) in text
        if field.metadata["low"] is not None:
            assert f"{field.metadata['low']} to {field.metadata['high']}; default" in text


def test_help_and_runs_import_no_torch():
    for command in ("--help", "runs", "runs list --json"):
        code = ("import sys; from ngf_core.cli.main import main\n"
                f"try: main({command.split()!r})\n"
                "except SystemExit: pass\n"
                "assert 'torch' not in sys.modules and 'pandas' not in sys.modules")
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=HOME)


def test_train_to_the_end(capsys, store):
    code, out, err = ngf(f"train --seed {pretended_work.QUICK} --epochs 4 --attack blend", capsys)
    run = store.latest("train")
    asked = TrainConfig(seed=pretended_work.QUICK, epochs=4, attack="blend")
    assert code == 0 and run.config == asked
    assert " ".join(out.split()) == "ACC ASR RA train 99.0 % [94.6, 99.8] n=100 - -"
    assert f"Run {run.id}" in err and re.search(r"\d/4  epoch \d", err)


def test_json_is_all_of_stdout(capsys, store):
    code, out, _ = ngf(f"train --json --seed {pretended_work.QUICK} --epochs 2", capsys)
    told = json.loads(out)
    assert code == 0 and told["state"] == "done" and told["id"] == store.latest("train").id
    assert told["results"]["train"]["acc"] == {"hits": 99, "n": 100}


def test_detach_prints_the_id_and_leaves(capsys, store):
    code, out, err = ngf(f"train --detach --seed {pretended_work.SLOW} --epochs 400", capsys)
    run = store.get(out.strip())
    assert (code, err, run.live) == (0, "", True)
    code, out, _ = ngf(f"runs cancel {run.id}", capsys)
    assert code == 0 and out.startswith("Cancelled ") and run.state == "cancelled"
    code, out, err = ngf(f"runs cancel {run.id}", capsys)
    assert (code, out) == (2, "") and "it is already cancelled" in err


def test_a_failed_run_is_exit_code_1_and_a_sentence(capsys):
    code, out, err = ngf(f"train --seed {pretended_work.REFUSES}", capsys)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "The data set is empty. Choose another one."


@pytest.mark.parametrize(("line", "says"), [
    ("train --epochs 0", "epochs: 0 is out of range. Use a number from 1 to 500."),
    ("train --epochs many", "epochs: 'many' is not a whole number."),
    ("train --epochs 2.5", "epochs: '2.5' is not a whole number."),
    ("train --poison-rate nan", "poison_rate: nan is not a finite number."),
    ("train --attack badnet", "attack: 'badnet' is unknown. Choose one of none, badnets"),
    ("purify x --methods ngf ngf", "methods: ngf, ngf names something twice"),
    ("purify x --methods ngf bleach", "methods: 'bleach' is unknown. Choose one of ngf, sgd"),
    ("purify x --methods ngf --anp.eps 0.3", "anp.eps: anp is not among the methods of this run"),
    ("purify x --anp.eps 0.3", "methods of this run, ngf, sgd. Leave it out, or add anp to the"),
    ("purify x --ngf.kl-bound 0", "ngf.kl_bound: 0.0 is out of range. Use a number from 1e-06 to"),
    ("purify x --ngf.kl-bound much", "ngf.kl_bound: 'much' is not a finite number"),
    ("purify x --ngf.every 1.5", "ngf.every: '1.5' is not a whole number"),
    ("purify x --sgd.step-size guessed", "sgd.step_size: 'guessed' is unknown. Choose one of"),
    ("purify x --kl-bound 0.3", "unrecognized arguments: --kl-bound 0.3"),
    ("purify x --ngf.kl-bund 0.3", "unrecognized arguments: --ngf.kl-bund 0.3"),
    ("train --atack blend", "unrecognized arguments: --atack blend"),
    ("trian", "invalid choice: 'trian'"),
    ("purify", "the following arguments are required: SOURCE"),
    ("import model.pt", "normalisation: the pixels of the network's training are not named"),
    ("purify latest", "There is no finished train or import run here yet. Start one"),
    ("purify nowhere", "There is no run nowhere here."),
    ("spectrum ''", "source: no run is named"),
    ("runs show ../../etc", "There is no run ../../etc here."),
    ("runs delete nothing", "There is no run nothing here."),
    ("runs delete latest", "There is no run latest here."),
    ("runs show latest", "There is no finished "),
    ("runs resume latest", "There is no run here that was lost, or lacked disk, memory"),
    ("runs restart nothing", "There is no run nothing here."),
    ("runs dance", "invalid choice: 'dance'"),
])
def test_bad_input_is_one_line_and_exit_code_2(line, says, capsys, store):
    code, out, err = ngf(line, capsys)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
    assert store.list() == []


def test_latest_is_shown_and_not_deleted(capsys, store):
    make_run(store, "train")
    newest = make_run(store, "train", seed=1)
    lost = make_run(store, "train", state="lost")
    code, out, _ = ngf("runs show latest", capsys)
    assert code == 0 and out.splitlines()[0] == newest.id
    code, _, err = ngf("runs delete latest", capsys)
    assert code == 2 and "`python -m ngf_core runs` list the runs that exist here" in err
    assert len(store.list()) == 3
    code, out, err = ngf("runs resume latest --detach", capsys)
    assert (code, out) == (0, f"{lost.id}\n"), err
    jobs.cancel(lost).join() if lost.live else None


def test_latest_is_the_newest_source_that_fits(capsys, store):
    train = make_run(store, "train")
    code, out, _ = ngf("purify latest --detach --json", capsys)
    purify = store.get(json.loads(out)["id"])
    assert code == 0 and purify.config.source == train.id
    jobs.cancel(purify).join() if purify.live else None
    done = make_run(store, "purify", source=train.id)
    _, out, _ = ngf("landscape latest --detach --grid 5", capsys)
    assert store.get(out.strip()).config == LandscapeConfig(source=done.id, grid=5)


def test_command_line_makes_the_same_config(store):
    train = make_run(store, "train")
    for config in (TrainConfig(), TrainConfig(poison_rate=0.05, lr=1e-5, seed=3),
                   PurifyConfig(source=train.id, methods=(SGD(layer="linear", lr=1),)),
                   PurifyConfig(source=train.id, methods=(NGF(), SGD(layer="stem")), steps=7),
                   PurifyConfig(source=train.id, methods=(FineTuning(step_size="chosen"),
                                                          NGF(layer="linear,stem")), seconds=3.5),
                   PurifyConfig(source=train.id, methods=(FTSAM(per_neuron=True, rho=1e-05),
                                                          FIP(released=True), CLP())),
                   PurifyConfig(source=train.id, methods=tuple(
                       entry.settings() for entry in PURIFIERS.values())),
                   LayersConfig(source=train.id, methods=(SGD(lr=0.5),), reference="none"),
                   SpectrumConfig(source=train.id, k=2), LandscapeConfig(source=train.id)):
        words = shlex.split(command_line(config))
        assert words[:3] == ["python", "-m", "ngf_core"]
        assert job._config(cli._parser(words[3:]).parse_args(words[3:]), store) == config
    assert command_line(TrainConfig()) == "python -m ngf_core train"


def test_runs_lists_what_is_there(capsys, store):
    assert "There are no runs here yet. Start with" in ngf("runs", capsys)[1]
    purify, lost = make_run(store, "purify"), make_run(store, "train", state="lost")
    corrupt = make_run(store, "train", state="corrupt")
    _, out, _ = ngf("runs", capsys)
    rows = {row.split()[0]: row for row in out.splitlines()[1:]}
    assert len(rows) == 4
    assert "before: ACC 99.0, ASR 96.0, RA 3.0; ngf: ACC 98.5" in rows[purify.id]
    assert "lost" in rows[lost.id] and "The worker died at step 8" in rows[lost.id]
    assert "corrupt" in rows[corrupt.id] and "is not JSON" in rows[corrupt.id]
    _, out, _ = ngf("runs list --json", capsys)
    assert {m["id"]: m["state"] for m in json.loads(out)}[lost.id] == "lost"


def test_show(capsys, store):
    run = make_run(store, "purify", methods=("sgd",))
    _, out, _ = ngf(f"runs show {run.id}", capsys)
    assert (f"\nOMP_NUM_THREADS=2 python -m ngf_core purify {run.config.source} --methods sgd "
            "--layer blocks.2.conv1\n" in out)
    unknown = make_run(store, "train", state="queued")
    assert "\npython -m ngf_core train\n" in ngf(f"runs show {unknown.id}", capsys)[1]
    change_manifest(unknown.path, ranks=2)
    assert " ngf_core train --devices 2\n" in ngf(f"runs show {unknown.id}", capsys)[1]
    change_manifest(unknown.path, ranks=6, nodes=3)
    assert " train --devices 2 --nodes 3\n" in ngf(f"runs show {unknown.id}", capsys)[1]
    assert re.search(r"^sgd +98\.8 % \[97\.9, 99\.3\] n=1000 ", out, re.M)
    assert "clean_images: 250" in out and "layer: blocks.2.conv1" in out
    _, out, _ = ngf(f"runs show {run.id} --json", capsys)
    assert json.loads(out) == run.manifest
    for state in ("failed", "lost"):
        other = make_run(store, "train", state=state)
        assert f"{state}: {other.message}" in ngf(f"runs show {other.id}", capsys)[1]
    corrupt = make_run(store, "train", state="corrupt")
    code, _, err = ngf(f"runs show {corrupt.id}", capsys)
    assert code == 2 and "Delete the run's folder" in err


def test_delete_and_restart(capsys, store):
    corrupt, old = make_run(store, "train", state="corrupt"), make_run(store, "train", seed=0)
    assert ngf(f"runs delete {corrupt.id}", capsys)[:2] == (0, f"Deleted run {corrupt.id}.\n")
    assert ngf(f"runs restart {old.id}", capsys)[0] == 0
    assert len(store.list()) == 2 and store.list()[0].config == old.config


def test_ctrl_c_cancels_the_run_and_only_it(store):
    """In a terminal of its own: one rewritten line, then Ctrl-C."""
    code = ("import signal, sys; from ngf_core.cli import main as cli; "
            "from ngf_core.runs import jobs; "
            # A test run in the background inherits that Ctrl-C is ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler); "
            "jobs.WORKER = (sys.executable, '-m', 'tests.support.pretending_worker'); "
            f"raise SystemExit(cli.main(['train', '--seed', '{pretended_work.SLOW}', "
            "'--epochs', '400']))")
    ours, theirs = pty.openpty()
    command = subprocess.Popen([sys.executable, "-c", code], cwd=HOME, stderr=theirs,
                               stdout=subprocess.PIPE, env=os.environ)
    os.close(theirs)
    until(lambda: any(run.progress() for run in store.list()))
    run = store.list()[0]
    until(lambda: b"left" in os.read(ours, 4096))
    command.send_signal(signal.SIGINT)
    assert command.wait(30) == 1 and command.stdout.read() == b""
    assert run.state == "cancelled" and run.manifest["state"] == "cancelled"


def test_a_reader_that_leaves_early_is_no_error(store):
    make_run(store, "train")
    done = subprocess.run(f"{sys.executable} -m ngf_core runs --json | head -c 1", shell=True,
                          capture_output=True, text=True, cwd=HOME, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_knows_no_greek_shows_the_rest(store, encoding):
    run = make_run(store, "spectrum")
    for words in (["runs"], ["runs", "show", run.id]):
        done = subprocess.run([sys.executable, "-m", "ngf_core", *words], capture_output=True,
                              cwd=HOME, env=os.environ | {"PYTHONIOENCODING": encoding})
        assert (done.returncode, done.stderr) == (0, b"") and b"?_max" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_output_that_cannot_be_written_is_a_sentence(store):
    make_run(store, "train")
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "ngf_core", "runs"], stdout=full, text=True,
                              stderr=subprocess.PIPE, cwd=HOME)
    assert (done.returncode, done.stderr) == (
        2, "The output cannot be read or written (No space left on device).\n")


def test_the_version(capsys):
    assert ngf("--version", capsys)[:2] == (0, f"NGF Lab {__version__}\n")


@pytest.mark.parametrize(("line", "worker", "at_work"), [
    ("zoo build --out {folder} --attacks none --kinds train --seeds {quick} {slow} --epochs 60 "
     "--workers 1", "ngf_core.sweep.zoo_worker", ".at-work-*{slow}*-train/*"),
    ("benchmark --out {folder} --tables {folder}/tables --attacks blend --methods clp --seeds "
     "{quick} {slow} --epochs 60 --stages cells --workers 1", "ngf_core.sweep.worker",
     "*s{slow}*-train")])
def test_ctrl_c_ends_what_computes_here_and_keeps_what_is_finished(line, worker, at_work, tmp_path):
    seeds = {"quick": pretended_work.QUICK, "slow": pretended_work.SLOW}
    line, made = line.format(folder=tmp_path / "made", **seeds), tmp_path / "made"
    (tmp_path / "worker.py").write_text(
        "from importlib import import_module\nfrom ngf_core.execute import worker, zoo\n"
        "worker.EXECUTES = dict.fromkeys(worker.EXECUTES, 'tests.support.pretended_work')\n"
        f"zoo.slim = lambda *_: None\nraise SystemExit(import_module({worker!r}).main())\n")
    code = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from ngf_core.cli import main as cli; from ngf_core.sweep import sweep, zoo; "
            f"sweep.WORKER = zoo.WORKER = (sys.executable, {str(tmp_path / 'worker.py')!r}); "
            f"raise SystemExit(cli.main({shlex.split(line)!r}))")
    command = subprocess.Popen([sys.executable, "-c", code], cwd=HOME, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True,
                               env=os.environ | {"PYTHONPATH": str(HOME)})
    at_work = at_work.format(**seeds) + "/events.jsonl"
    until(lambda: list(made.glob(at_work)), 150)
    command.send_signal(signal.SIGINT)
    said, _ = command.communicate(timeout=120)
    assert command.returncode == 130 and "Traceback" not in said, said
    kept = {path.parent.name: Run(path.parent).state for path in made.glob("*/manifest.json")}
    quick, slow = ([state for name, state in kept.items() if f"-s{seed}-" in name]
                   for seed in (pretended_work.QUICK, pretended_work.SLOW))
    assert set(quick) == {"done"} and len(quick) == (1 if line.startswith("zoo") else 2)
    (begun,) = made.glob(at_work)
    assert Run(begun.parent).state == "lost", "its worker has ended, and it can go on"
    assert len(slow) == ("-train/*" not in at_work), "the next was not begun"


@pytest.mark.parametrize(("line", "given"), [
    ("zoo check --attack blend wanet --seed 3 4 --dataset digits --kind race --out {folder}",
     "zoo check --attacks blend wanet --seeds 3 4 --datasets digits --kinds race --out {folder}"),
    ("benchmark --attack blend --defense clp --seed 0 --stage claim --out {folder}",
     "benchmark --attacks blend --methods clp --seeds 0 --stages claim --out {folder}"),
    ("benchmark --defenses clp anp", "benchmark --methods clp anp"),
    ("benchmark --method clp", "benchmark --methods clp"),
    ("attacks check --attack blend --seed 1", "attacks check --attacks blend --seeds 1"),
    ("purify x --defenses ngf anp", "purify x --methods ngf anp"),
    ("purify x --method clp", "purify x --methods clp"),
    ("landscape x --plane random path", "landscape x --planes random path"),
])
def test_a_list_is_named_in_the_plural_or_the_singular(line, given):
    def read(words):
        return vars(cli._parser(words).parse_args(words))
    assert read(line.split()) == read(given.split())


@pytest.mark.parametrize(("line", "lists"), [
    ("zoo build", ("datasets", "attacks", "seeds", "kinds")),
    ("benchmark", ("attacks", "methods", "seeds", "stages")),
    ("attacks check", ("attacks", "seeds")), ("purify", ("methods",)), ("landscape", ("planes",))])
def test_the_help_lists_one_form_of_each(line, lists, capsys):
    _, out, _ = ngf(f"{line} --help", capsys)
    listed = re.findall(r"^  --([a-z]+)", out, re.M)
    assert set(lists) <= set(listed)
    assert not {name.removesuffix("s") for name in lists} & set(listed)
    assert "defenses" not in listed


def test_an_attack_that_did_not_take_is_told(capsys, store, monkeypatch):
    """Beside the results: those of a weak attack, of a defense on it, and of one that works."""
    weak, strong = make_run(store, "train"), make_run(store, "train")
    results = weak.results
    results["train"]["asr"] = {"hits": 3, "n": 10}
    change_manifest(weak.path, results=results)
    says = ("Warning: ASR is 30.0 %, below 90 %: there is little backdoor to remove. Train longer, "
            "poison more images, or use the default strength.\n")
    assert ngf(f"runs show {weak.id}", capsys)[2] == says
    assert ngf(f"runs show {strong.id}", capsys)[2] == ""
    monkeypatch.setattr(jobs, "start", lambda config, _, **ranks: weak)
    assert ngf("train --json", capsys)[2].endswith(says)


def test_the_json_of_a_spectrum_has_all_eigenvalues(capsys, store):
    run = make_run(store, "spectrum")
    told = json.loads(ngf(f"runs show {run.id} --json", capsys)[1])["results"]
    arrays = run.arrays("spectrum")
    for name in arrays["models"].tolist():
        for part in ("eigenvalues", "residuals", "lowest", "lowest_residuals"):
            assert told[name][part] == arrays[f"{name}.{part}"].tolist()
        assert len(told[name]["eigenvalues"]) > 1
        assert told[name].items() >= run.results[name].items()


def test_sharpness_is_a_table_of_its_own():
    text = results_table({"before": {"lambda_max": 2.0, "pyhessian": {"z": 0.5}, "sharpness": {
        "trace": {"title": "trace", "value": 200.68, "error": 17.15},
        "sam": {"title": "SAM", "value": None, "error": None}}}, "ngf": {"lambda_max": 3.0}})
    assert text.splitlines() == ["        λ_max", "before  2", "ngf     3", "",
                                 "sharpness  trace       SAM", "before     200.7 ± 17  -"]


def test_a_table_for_every_kind_of_result():
    assert aligned([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc  d"
    text = results_table({"before": {"lambda_max": 130.0, "trace": 364.25}, "samples": 300,
                          "train_config": {"dataset": "signs", "lr": 0.1},
                          "train": {"acc": {"hits": 0, "n": 0}, "asr": None}})
    assert text.splitlines() == [
        "        λ_max  trace  ACC              ASR",
        "before  130    364.2",
        "train                 undefined (n=0)  -",
        "samples: 300"]


def test_what_people_cannot_read_in_a_line_is_left_to_json():
    text = results_table({"parameters": {"alpha": 1.0, "k": 0.12345}, "chosen": {"travel": "stem"},
                          "class_names": ["stop", "yield"], "skipped": {}, "none": [],
                          "accuracy": {"hits": 1, "n": 2}, "map": [{"layer": "stem"}],
                          "scores": {"travel": {"stem": 1.0}, "rule": 2}})
    assert text.splitlines() == [
        "parameters: alpha 1, k 0.1235", "chosen: travel stem", "class_names: stop, yield",
        "skipped: -", "none: -", "accuracy: 50.0 % [9.5, 90.5] n=2",
        "map: 1 entry, which --json shows", "scores: 2 entries, which --json shows"]


@pytest.mark.parametrize(("line", "says"), [
    ("train --attack sig --poison-rate 0.5", "poison_rate: .* SIG can poison 1 to"),
    ("train --parameters beta=1", "parameters: BadNets has no parameter 'beta'"),
    ("train --parameters nonsense --attack fba", "parameters: 'nonsense' does not name"),
    ("train --attack none --parameters k=3", "parameters: a benign model has no trigger"),
    ("train --attack painted", "parameters: Painted trigger has no picture. Paint one on the"),
    ("train --attack painted --parameters alpha=0.5", "parameters: Painted trigger has no pict"),
    ("train --attack painted --parameters picture=AAAA", "parameters: the picture ends before"),
    ("train --parameters picture=AAAA", "parameters: BadNets has no parameter 'picture'"),
    ("train --size 64", "size: signs has images of 32 pixels only"),
    ("train --dataset folder --root nowhere", "root: /.*/nowhere does not exist"),
    ("train --attack none --weights nowhere.pth", "weights: there is no file /.*/nowhere.pth"),
    ("purify {source} --layer nope", "layer: this network has no layer 'nope'. Choose one of stem"),
    ("purify {source} --layer blocks.1,nope", "layer: this network has no layer 'nope'."),
    ("purify {source} --sgd.layer nope", "layer: this network has no layer 'nope'."),
    ("purify {source} --methods anp clp --layer linear", "layer: anp, clp tune no layer"),
])
def test_the_impossible_is_refused_before_it_queues(line, says, store, capsys):
    source = make_run(store, "train")
    code, out, err = ngf(line.format(source=source.id), capsys)
    assert (code, out) == (2, "") and re.match(says, err)
    assert [run.id for run in store.list() if not run.shipped] == [source.id]


def test_a_painted_trigger_is_trained_on_as_its_command_says(store, capsys, monkeypatch):
    config = TrainConfig(attack="painted", parameters=f"picture={CROSS}", epochs=3)
    made = []
    monkeypatch.setattr(jobs, "start", lambda config, _, **ranks: made.append(config)
                        or pytest.fail("ran"))
    line = command_line(config)
    with pytest.raises(pytest.fail.Exception):
        ngf(line.removeprefix("python -m ngf_core "), capsys)
    assert made == [config] and config_sha(made[0]) == config_sha(config)


def test_a_layer_that_is_named_is_taken_as_named(store, capsys, monkeypatch):
    made = []
    monkeypatch.setattr(jobs, "start", lambda config, _: made.append(config) or pytest.fail("ran"))
    for arch, named, expected in (("preact_resnet18", "--layer blocks.2.conv1", "blocks.2.conv1"),
                                  ("preact_resnet18", "", "last"),
                                  ("mini_preact_resnet", "", "last")):
        source = make_run(store, "train", arch=arch)
        with pytest.raises(pytest.fail.Exception):
            ngf(f"purify {source.id} {named}", capsys)
        assert made[-1].layers == {"ngf": expected, "sgd": expected}
    source = make_run(store, "train", arch="mini_vgg")
    code, _, err = ngf(f"purify {source.id} --layer blocks.2.conv1", capsys)
    assert code == 2 and "no layer 'blocks.2.conv1'" in err


def test_the_command_names_the_layer():
    purify = "python -m ngf_core purify x"
    assert command_line(PurifyConfig(source="x")) == f"{purify} --layer last"
    two = PurifyConfig(source="x", methods=(NGF(layer="stem", kl_bound=1.0), SGD()))
    assert command_line(two) == f"{purify} --ngf.layer stem --ngf.kl-bound 1.0 --sgd.layer last"
    for config in (PurifyConfig(source="x", methods=(ANP(),)), SpectrumConfig(source="x"),
                   LayersConfig(source="x")):
        assert "layer " not in command_line(config).replace("layers", "")


def test_a_folder_is_kept_as_an_absolute_path(store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "pictures", written(150, 2, (3, 8, 8), 0), ("cats", "dogs"))
    # A hundredth of 228 training images is two; of the first few of each class it would be none.
    code, out, err = ngf("train --dataset folder --root pictures --poison-rate 0.01 --detach",
                         capsys)
    assert code == 0, err
    assert store.get(out.strip()).config.root == str(tmp_path / "pictures")


@pytest.mark.parametrize(("sizes", "line", "says"), [
    ({"train/a": 5, "train/b": 0, "test/a": 2}, "", "root: .*b holds no images. Put images"),
    ({"train/a": 9, "train/b": 9, "test/a": 3, "test/b": 0}, "--poison-rate 0.2",
     "target: none of the 3 test images .* cannot be measured. Add"),
    ({"train/a": 9, "train/b": 9, "test/a": 3}, "", "root: .*test has 1 class folder"),
    ({"train/a": 40, "train/b": 9, "test/a": 3, "test/b": 3}, "--attack sig --poison-rate 0.9",
     "poison_rate: 0.9 is out of range"),
    ({"train/a": 9, "train/b": 40, "test/a": 3, "test/b": 3}, "--attack sig --poison-rate 0.4",
     "poison_rate: 0.4 of 47 images is 19, but SIG can poison 1 to 8"),
    ({"a": 1, "b": 1}, "--attack none", "root: .* none is left for testing. Add images"),
])
def test_a_folder_that_cannot_be_used_is_refused_at_once(sizes, line, says, store, tmp_path,
                                                         monkeypatch, capsys):
    monkeypatch.setattr(dataset, "_pixels", lambda *_: pytest.fail("decoded"))
    pictures = tmp_path / "pictures"
    for name, size in sizes.items():
        (pictures / name).mkdir(parents=True)
        for number in range(size):
            (pictures / name / f"{number}.png").touch()
    code, out, err = ngf(f"train --dataset folder --root {pictures} {line}", capsys)
    assert (code, out) == (2, "") and re.match(says, err) and err.count("\n") == 1
    assert store.list() == []


def test_a_zoo_of_a_set_that_is_not_here_builds_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NGF_DATA", str(tmp_path / "data"))
    code, _, err = ngf(f"zoo build --dataset cifar10 --out {tmp_path / 'zoo'}", capsys)
    assert code == 2 and "CIFAR-10 is not complete" in err and err.count("\n") == 1
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize("line", ["train --epochs 1", "zoo build --out {folder}"])
def test_a_folder_that_cannot_hold_runs(line, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "file"
    folder.touch()
    use_store(RunStore(folder), monkeypatch)
    code, out, err = ngf(line.format(folder=folder), capsys)
    assert (code, out) == (2, "")
    assert "Point NGF_RUNS (or --out, where it is given) at a folder that can be written" in err


def test_a_methods_own_settings_are_options_in_a_group_of_its_own(capsys):
    _, out, _ = ngf("purify --help", capsys)
    groups = out.split("settings of ")[1:]
    assert [group.split()[0] for group in groups] == list(PURIFIERS)
    for name, group in zip(PURIFIERS, groups):
        for field in dataclasses.fields(PURIFIERS[name].settings):
            assert f"--{name}.{field.name.replace('_', '-')}" in group
    assert "deviations above its layer's mean" in next(g for g in groups if g.startswith("clp "))
    _, out, _ = ngf("layers --help", capsys)
    assert "--ngf.kl-bound" in out and "--ngf.layer" not in out and "--anp.eps" not in out


def test_a_layer_of_its_own_goes_before_the_layer_of_all(store, capsys, monkeypatch):
    made = []
    monkeypatch.setattr(jobs, "start", lambda config, _: made.append(config) or pytest.fail("ran"))
    source = make_run(store, "train")
    for line, expected in (("--layer linear --sgd.layer auto", {"ngf": "linear", "sgd": "auto"}),
                           ("--ngf.layer stem", {"ngf": "stem", "sgd": "last"}),
                           ("--methods anp ngf --layer stem", {"ngf": "stem"})):
        with pytest.raises(pytest.fail.Exception):
            ngf(f"purify {source.id} {line}", capsys)
        assert made[-1].layers == expected


@pytest.mark.parametrize(("program", "called"), [("/somewhere/bin/ngf", "ngf"),
                                                 ("ngf_core/__main__.py", "python -m ngf_core")])
def test_help_names_the_command_as_it_was_called(program, called, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program])
    code, out, _ = ngf("--help", capsys)
    assert code == 0 and out.startswith(f"usage: {called} [-h]")
    assert f"\n  {called} purify latest --methods ngf sgd\n" in out
