"""`python -m ngf_core attacks`: do the attacks work, and which images did one poison?

`check` takes every attack's models from the zoo or trains them, and prints one table. An attack
works if, for every seed, its ASR reaches its aim, its clean accuracy is within 2 points of that of
the benign model of the same seed, and the trigger alone does not move that model: its ASR on the
same triggered images is the floor, and where that is over 10 % a high ASR proves little. `rebuild`
writes the poisoned training set of a finished run, without training anything.
"""

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.aim import missed
from ngf_core.attacks.visibility import quality
from ngf_core.cli.lists import add_list
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError, NGFError, RunError
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.execute.standing import is_current
from ngf_core.execute.zoo import make, run_name
from ngf_core.models import ARCHITECTURES
from ngf_core.runs import Run, RunStore, default_store
from ngf_core.runs.store import ATTACK_CHECKS
from ngf_core.text_table import aligned
from ngf_core.trained.load import load_trained, poisoned_set


@dataclass(frozen=True)
class Checked:
    """One trained model of one attack: rates, PSNR in dB over the victims, counts, seconds.

    `floor` is the benign model's ASR and `benign` its ACC. `seconds` are those of training,
    `fitting` those in which the attack learned before it.
    """

    attack: str
    seed: int
    acc: float
    asr: float
    ra: float
    floor: float
    benign: float
    psnr: float
    victims: int
    poisoned: int
    train_images: int
    seconds: float
    fitting: float

    @property
    def reason(self) -> str:
        """Why the attack does not work here; empty where it does."""
        misses, reasons = missed(self.attack, self.asr, self.benign - self.acc, self.floor), []
        if misses.asr:
            reasons.append(f"ASR {self.asr:.1%} < {ATTACKS[self.attack].aim:.0%}")
        if misses.lost:
            reasons.append(f"ACC {100 * (self.benign - self.acc):.1f} points below benign")
        if misses.floor:
            reasons.append(f"floor {self.floor:.1%}: the trigger alone moves a benign model")
        return f"seed {self.seed}: {', '.join(reasons)}" if reasons else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m ngf_core attacks`."""
    actions = parser.add_subparsers(dest="action", required=True)
    checker = actions.add_parser("check", help="train every attack, or take it from the zoo, and "
                                 "print one table", description=__doc__)
    add_list(checker, "attacks", choices=tuple(ATTACKS), default=list(ATTACKS),
             help="attacks (default: all)")
    add_list(checker, "seeds", type=int, default=[0, 1, 2], help="seeds (default: 0 1 2)")
    checker.add_argument("--dataset", choices=tuple(DATASETS), default="signs")
    checker.add_argument("--arch", choices=tuple(ARCHITECTURES), default=TrainConfig.arch)
    checker.add_argument("--epochs", type=int, default=TrainConfig.epochs)
    checker.add_argument("--out", type=Path, default=default_store().root / ATTACK_CHECKS,
                         help="folder for the models that are not in the zoo (default: "
                         "%(default)s)")
    checker.add_argument("--save", type=Path, help="folder for attacks.json and attacks.md")
    builder = actions.add_parser("rebuild", help="write the poisoned training set of a run",
                                 description="Write x, y and the poisoned indices as one .npz. "
                                 "Images that an attack changes without poisoning them (WaNet's "
                                 "noise images, cross-triggered ones) stay clean.")
    builder.add_argument("run", metavar="RUN", help="a finished train run with an attack")
    builder.add_argument("--epoch", type=int, default=-1, help="which epoch's set, from 0, for "
                         "attacks that redraw it each epoch (default: the last)")
    builder.add_argument("--out", type=Path, default=Path("poisoned.npz"),
                         help="file to write (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """0 where every attack works (or the set was written), 1 where one misses its aim."""
    if arguments.action == "rebuild":
        return _rebuild(arguments)
    checked = []
    for attack in arguments.attacks:
        for seed in dict.fromkeys(arguments.seeds):
            config = TrainConfig(dataset=arguments.dataset, arch=arguments.arch, attack=attack,
                                 seed=seed, epochs=arguments.epochs)
            checked.append(check(config, arguments.out))
    rows = table(checked)
    print(aligned(rows))
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        (arguments.save / "attacks.json").write_text(
            json.dumps([asdict(one) | {"reason": one.reason} for one in checked], indent=1) + "\n",
            encoding="utf-8")
        (arguments.save / "attacks.md").write_text(markdown(rows), encoding="utf-8")
    return int(any(one.reason for one in checked))


def check(config: TrainConfig, out: Path) -> Checked:
    """Measure the model of `config` and the benign one of the same seed on the test images."""
    trained, store = _trained(config, out)
    benign_config = TrainConfig(dataset=config.dataset, arch=config.arch, attack="none",
                                seed=config.seed, epochs=config.epochs)
    benign, benign_store = _trained(benign_config, out)
    source = load_trained(trained.id, store)
    test = build_test_set(source.dataset.test, source.attack)
    if source.attack is None or test.triggered is None:
        raise ConfigError("attack", "a benign model has no trigger", "Name an attack.")
    rates = evaluate(source.models["before"], test)
    floor = evaluate(load_trained(benign.id, benign_store).models["before"], test)
    asr, ra = rates.of_attack()
    victims = source.dataset.test.take(source.attack.victims(source.dataset.test.y))
    results = trained.results
    return Checked(config.attack, config.seed, rates.acc.value, asr.value, ra.value,
                   floor.of_attack()[0].value, floor.acc.value,
                   quality(victims.x.numpy(), test.triggered.x.numpy()).psnr.mean,
                   len(victims), results["poisoned"], results["train_images"],
                   results["seconds"], results.get("fitting_seconds", 0.0))


def _trained(config: TrainConfig, out: Path) -> tuple[Run, RunStore]:
    """The run of that config from the zoo or from an earlier check, else trained now."""
    name = f"{run_name(config)}-train"
    shipped = default_store()
    try:
        there = shipped.get(name)
        if there.state == "done" and there.config == config and is_current(there):
            return there, shipped
    except NGFError:
        pass  # not in the zoo
    # Separate stores, so that two checks of different attacks can run at the same time.
    store = RunStore(out / f"{config.attack}-s{config.seed}")
    store.prepare()
    made = make(store, name, config)
    if made.state != "done":
        raise RunError(f"{name} is {made.state}: {made.message}")
    return made, store


def table(checked: list[Checked]) -> list[list[str]]:
    """Head and one row per attack: mean and standard deviation over its seeds, and the verdict."""
    rows = [["attack", "seeds", "ACC %", "ASR %", "RA %", "floor %", "PSNR dB", "poisoned",
             "seconds", "verdict"]]
    for attack in dict.fromkeys(one.attack for one in checked):
        mine = [one for one in checked if one.attack == attack]

        def spread(name: str, scale: float = 100, mine: list[Checked] = mine) -> str:
            values = [scale * getattr(one, name) for one in mine]
            if len(values) == 1:
                return f"{values[0]:.1f}"
            return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"

        reasons = [one.reason for one in mine if one.reason]
        works = len(mine) - len(reasons)
        seconds = statistics.fmean(one.seconds + one.fitting for one in mine)
        rows.append([
            ATTACKS[attack].title, str(len(mine)), spread("acc"), spread("asr"), spread("ra"),
            spread("floor"), spread("psnr", 1),
            f"{mine[0].poisoned} of {mine[0].train_images}", f"{seconds:.0f}",
            "works" if not reasons else f"works in {works} of {len(mine)}; " + "; ".join(reasons)])
    return rows


def markdown(rows: list[list[str]]) -> str:
    """The table with the command that computes it."""
    head, *body = rows
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    return ("Made by `python -m ngf_core attacks check --save benchmarks/results`: mean ± standard "
            "deviation over seeds; seconds of fitting and training, one or two threads.\n\n"
            + "\n".join(lines) + "\n")


def _rebuild(arguments: argparse.Namespace) -> int:
    poisoned = poisoned_set(default_store().get(arguments.run), arguments.epoch)
    try:
        with open(arguments.out, "wb") as file:  # numpy would add .npz to another name
            np.savez_compressed(file, x=poisoned.images.x.numpy(), y=poisoned.images.y.numpy(),
                                indices=poisoned.indices.numpy())
    except OSError as error:
        raise NGFError(f"{arguments.out} cannot be written ({error.strerror}). Give another file "
                       "with --out.") from error
    print(f"{arguments.out}: {len(poisoned.images)} images, {len(poisoned.indices)} poisoned")
    return 0
