"""How an attack's `default` strength was chosen where its aim was missed: on held-out images only.

    python -m benchmarks.attack_strengths --attacks sig dyn_one dyn_all cba

No test image is read. Nine tenths of the attacker's training images of `signs` train
PreAct-ResNet-18 of width 16 (20 epochs, 8 % poisoned, seed 0), the last tenth judges: ACC, ASR, and
the floor, the ASR of a benign model trained on the same nine tenths. A candidate reaches its aim
where ASR is at least 90 % (CBA: 80 %), ACC at most two points below the benign model's and the
floor at most 10 %. The rule: the first candidate in the order below that reaches it, gentlest
change first, and those after it are not trained; where none does, the values of before stay, and
the docs say so.

Resumes: candidates whose figures are in the file are not trained again. Writes
benchmarks/results/attack_strengths.json.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from benchmarks.environment import environment
from ngf_core.attacks.attack import Attack
from ngf_core.config import TrainConfig
from ngf_core.data.dataset import Dataset, Images, load_dataset
from ngf_core.device import device
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.models.build import build_model
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.trained.load import attack_of
from ngf_core.training import train

OUT = Path(__file__).parent / "results" / "attack_strengths.json"
JUDGING_SHARE = 0.1
ACC_LOSS, FLOOR = 0.02, 0.1
AIMS = {"cba": 0.8}
CANDIDATES: dict[str, tuple[str, ...]] = {
    "sig": ("delta=60,f=6", "delta=40,f=3", "delta=60,f=3", "delta=80,f=3", "delta=60,f=2",
            "delta=80,f=2", "delta=60,f=1", "delta=80,f=1"),
    "dyn_one": ("cross_ratio=0.5,density=0.1", "cross_ratio=0.5,density=0.15",
                "cross_ratio=0.5,density=0.2", "cross_ratio=0.25,density=0.1",
                "cross_ratio=0.25,density=0.2"),
    "dyn_all": ("cross_ratio=0.5,density=0.1", "cross_ratio=0.5,density=0.2",
                "cross_ratio=0.25,density=0.1", "cross_ratio=0.25,density=0.2",
                "cross_ratio=0.25,density=0.3"),
    "cba": ("mix_share=0.25", "mix_share=0.15", "mix_share=0.1"),
}


@dataclass(frozen=True)
class Judged:
    """A candidate's rates on the judging images, as shares of 1, and whether it reaches its aim."""

    attack: str
    parameters: str
    acc: float
    asr: float
    floor: float
    benign_acc: float
    reached: bool


def trained(config: TrainConfig, dataset: Dataset, fitting: Images) -> tuple[nn.Module,
                                                                             Attack | None]:
    """The model after training on `fitting`, and its attack with what it learned."""
    where = device()
    attack = attack_of(config, dataset)
    if attack is not None:
        attack = attack.fit(fitting, where, lambda done, total, sentence: None)
    model = build_model(config.arch, dataset.shape, dataset.classes, config.seed)
    for epoch in train(model, fitting, attack, config, where):
        attack = epoch.attack
    return model, attack


def judge(config: TrainConfig, dataset: Dataset, fitting: Images, judging: Images,
          benign: nn.Module) -> Judged:
    """One candidate, trained and judged."""
    model, attack = trained(config, dataset, fitting)
    test = build_test_set(judging, attack)
    found, without = evaluate(model, test), evaluate(benign, test)
    assert found.asr and without.asr
    reached = (found.asr.value >= AIMS.get(config.attack, 0.9)
               and found.acc.value >= without.acc.value - ACC_LOSS
               and without.asr.value <= FLOOR)
    return Judged(config.attack, config.parameters, found.acc.value, found.asr.value,
                  without.asr.value, without.acc.value, reached)


def choose(judged: Iterable[Judged]) -> str | None:
    """The parameters of the first, in the order of CANDIDATES, that reaches its aim."""
    return next((candidate.parameters for candidate in judged if candidate.reached), None)


def main() -> None:
    """Judge what is not judged yet, and record what the rule chooses."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", nargs="+", choices=tuple(CANDIDATES), default=[*CANDIDATES])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset("signs")
    order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(0))
    cut = round(JUDGING_SHARE * len(order))
    judging, fitting = dataset.train.take(order[:cut]), dataset.train.take(order[cut:])
    base = TrainConfig(arch=ZOO_ARCH, attack="none")
    known = {(row["attack"], row["parameters"]): Judged(**row)
             for row in (json.loads(OUT.read_text())["judged"] if OUT.exists() else ())}
    benign: nn.Module | None = None
    for attack in arguments.attacks:
        for parameters in CANDIDATES[attack]:
            if (attack, parameters) not in known:
                if benign is None:
                    benign, _ = trained(base, dataset, fitting)
                config = replace(base, attack=attack, parameters=parameters)
                known[attack, parameters] = judge(config, dataset, fitting, judging, benign)
                print(known[attack, parameters], flush=True)
                _write(known, len(fitting), len(judging))
            if known[attack, parameters].reached:
                break


def _write(known: dict[tuple[str, str], Judged], fitting: int, judging: int) -> None:
    ordered = {attack: [known[attack, parameters] for parameters in candidates
                        if (attack, parameters) in known]
               for attack, candidates in CANDIDATES.items()}
    OUT.write_text(json.dumps({
        "command": "python -m benchmarks.attack_strengths", "fitting": fitting, "judging": judging,
        "chosen": {attack: choose(judged) for attack, judged in ordered.items() if judged},
        "judged": [asdict(row) for judged in ordered.values() for row in judged],
        "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
