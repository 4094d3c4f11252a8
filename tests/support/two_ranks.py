"""What two ranks compute together, and the first of them alone: python -m tests.support.two_ranks
OUT, under torchrun. Each rank writes OUT/RANK.pt: what it found by name."""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ngf_core.attacks.attack import build_attack
from ngf_core.attacks.control import Control
from ngf_core.config import Config, LandscapeConfig, SpectrumConfig, TrainConfig
from ngf_core.curvature.operators.data import chunks
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.operators.sharded import sharded
from ngf_core.curvature.spectral.measure_spectrum import OPERATORS, measure_spectrum
from ngf_core.data.dataset import Images
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.execute.together import FirstWriter, OtherWriter
from ngf_core.execute.worker import EXECUTES
from ngf_core.landscape import losses_at, random_plane
from ngf_core.models.build import build_model
from ngf_core.models.normalise import Normalise
from ngf_core.ranks.group import Ranks, joined, leave
from ngf_core.ranks.whole_batch import WholeBatch
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.training import train
from tests.support.seeded import seeded
from tests.support.small_attacks import hurried
from tests.support.small_networks import MODELS, case
from tests.support.tiny_runs import tiny, train_config

CPU = torch.device("cpu")
SHAPE = (3, 16, 16)
# Data alone; redrawn by epoch; a generator that learns from the network's gradients by the images;
# the same with more rows than images and a network in evaluation mode; a loss over pairs of images.
ATTACKS = ("none", "badnets", "wanet", "dyn_one", "lira", "cba")
ALONE, TOGETHER = "alone", "together"
# How many images this process's network had in each of its calls meanwhile.
IMAGES = {ALONE: "images alone", TOGETHER: "images together"}


def main(out: Path) -> None:
    ranks = joined()
    assert ranks is not None
    found = {
        **{f"train {name}": both(ranks, lambda ranks, name=name: trained(name, ranks))
           for name in ATTACKS},
        "train one image": both(ranks, lambda ranks: trained("none", ranks, images=1)),
        "train float32": both(ranks, lambda ranks: trained(
            "badnets", ranks, images=30, epochs=1, double=False)),
        "train stopped": both(ranks, stopped),
        "gradients by the images": both(ranks, by_the_images),
        "buffer": {TOGETHER: own_buffer(ranks)},
        "rates": both(ranks, rates),
        **{f"{name} of {what}": both(ranks, lambda ranks, name=name, what=what: products(
            name, what, ranks)) for name in OPERATORS for what in SAMPLES},
        "spectrum": both(ranks, spectrum),
        "samples": both(ranks, samples_shared),
        **{f"refusal: {name}": both(ranks, lambda ranks, data=data: refusal(data(), ranks))
           for name, data in REFUSED.items()},
        "refusal: no room": {TOGETHER: broken_on_the_second(ranks)},
        **{f"losses at {n} of {name}": both(ranks, lambda ranks, n=n, name=name: losses(
            name, n, ranks)) for name in MODELS for n in (1, 7)},
        "agreed": {TOGETHER: ranks.agreed({"rank": ranks.rank, "x": torch.full((2,), ranks.rank)})},
    }
    with tiny():
        with modes() as seen:
            source = computed(train_config(attack="badnets", epochs=2), out / "runs", ranks)
        computed(spectrum_config(source), out / "runs", ranks)
        computed(landscape_config(source), out / "runs", ranks)
    torch.save(found | {"modes": {TOGETHER: seen}}, out / f"{ranks.rank}.pt")
    leave()


@contextmanager
def modes() -> Iterator[list[bool]]:
    """Whether the network that is trained is in training mode as each epoch begins, and at the
    end."""
    seen: list[bool] = []
    networks: list[nn.Module] = []
    epoch_of = Control.epoch

    def epoch(control: Control, number: int, model: nn.Module) -> Any:
        seen.append(model.training)
        networks.append(model)
        return epoch_of(control, number, model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Control, "epoch", epoch)
        yield seen
    seen.append(networks[-1].training)


def both(ranks: Ranks, compute: Any) -> dict[str, Any]:
    found = {}
    for name, given in ((ALONE, None), (TOGETHER, ranks)):
        if given is not None or ranks.rank == 0:
            CALLS.clear()
            found |= {name: compute(given), IMAGES[name]: list(CALLS)}
    return found


def spectrum_config(source: str) -> SpectrumConfig:
    return SpectrumConfig(source=source, samples=40, k=1, trace_probes=4, check="none",
                          sharpness="none")


def landscape_config(source: str) -> LandscapeConfig:
    return LandscapeConfig(source=source, samples=20, grid=3, planes=("random", "eigen"),
                           mode="exact")


def computed(config: Config, folder: Path, ranks: Ranks) -> str:
    """The id of a run that both ranks have computed as their workers do."""
    store = RunStore(folder)
    run = Run(folder / ranks.agreed(store.create(config).id if ranks.rank == 0 else None))
    execute = import_module(EXECUTES[config.kind]).execute
    if ranks.rank:
        execute(config, store, OtherWriter(run, ranks))
    else:
        writer = RunWriter(run)
        writer.begin(1, ranks.count)
        writer.finish(execute(config, store, FirstWriter(writer, ranks)))
    ranks.agreed(None)  # all wait for the first
    return run.id


def image_set(n: int) -> Images:
    x = torch.randint(0, 256, (n, *SHAPE), generator=seeded(), dtype=torch.uint8)
    return Images(x, torch.arange(n) % 10)


class InDouble(Normalise):
    """What comes in, of whatever type, as float64."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double() / (255 if x.dtype == torch.uint8 else 1))


CALLS: list[int] = []


def network(double: bool = True) -> nn.Module:
    """One that notes in CALLS how many images it gets."""
    model = build_model("mini_preact_resnet", SHAPE, 10)
    model.register_forward_pre_hook(lambda _, inputs: CALLS.append(len(inputs[0])))
    if double:
        model.double().normalise = InDouble()
    return model


def trained(name: str, ranks: Ranks | None, images: int = 45, epochs: int = 2,
            earlier: dict[str, Any] | None = None, double: bool = True) -> dict[str, Any]:
    """Four batches of 10 images and one of 5, twice: what comes out, and what was poisoned."""
    model = network(double)
    data, attack = image_set(images), None
    if name != "none":
        attack = build_attack(name, target=3, poison_rate=0.2, seed=0, shape=SHAPE, classes=10,
                              changes=hurried(name))
        attack = attack.fit(data, CPU, lambda *_: None)
    config = TrainConfig(epochs=epochs, batch_size=10, lr=0.05, precision="float32")
    found = list(train(model, data, attack, config, CPU, earlier, ranks))
    end = found[-1]
    return {"model": model.state_dict(), "losses": torch.tensor([e.loss for e in found]),
            "poisoned": [e.poisoned for e in found], "cover": [e.cover for e in found],
            "learned": {} if end.attack is None else dict(end.attack.learned)}


def stopped(ranks: Ranks | None) -> dict[str, Any]:
    """Stopped after the first of two epochs, and gone on with."""
    model, data = network(), image_set(45)
    attack = build_attack("wanet", target=3, poison_rate=0.2, seed=0, shape=SHAPE, classes=10)
    config = TrainConfig(epochs=2, batch_size=10, lr=0.05, precision="float32")
    first = next(train(model, data, attack, config, CPU, ranks=ranks))
    return trained("wanet", ranks, earlier=copy.deepcopy(first.state()))


def by_the_images(ranks: Ranks | None) -> dict[str, Tensor]:
    """In training mode and in evaluation mode."""
    found = {}
    for mode in (True, False):
        model, x, y = case("residual", 5)
        network = model.double() if ranks is None else WholeBatch(model.double(), ranks)
        x = x.double().requires_grad_()
        cross_entropy(network.train(mode)(x), y).backward()
        found[str(mode)] = x.grad
    return found


def own_buffer(ranks: Ranks) -> int:
    """What a buffer of each rank's own is after a step."""
    model, x, y = case("residual")
    model.register_buffer("of_rank", torch.zeros(1))
    network = WholeBatch(model, ranks)
    model.of_rank += ranks.rank
    cross_entropy(network(x), y).backward()
    return int(model.of_rank)


def rates(ranks: Ranks | None) -> dict[str, Any]:
    """Of 45 test images and those of them that get a trigger."""
    model, data = network(double=False), image_set(45)
    attack = build_attack("badnets", target=3, poison_rate=0.2, seed=0, shape=SHAPE, classes=10)
    answering = model if ranks is None else WholeBatch(model, ranks, trained=False)
    return evaluate(answering, build_test_set(data, attack)).to_json()


# Of 11 samples: as two tensors, as batches of which one rank has two, and as one that one rank has.
SAMPLES = {"tensors": lambda x, y: (x, y),
           "batches": lambda x, y: list(zip(x.split(4), y.split(4), strict=True)),
           "one sample": lambda x, y: (x[:1], y[:1])}


def products(name: str, what: str, ranks: Ranks | None) -> Tensor:
    model, x, y = case("residual")
    operator = sharded(lambda share: OPERATORS[name](model, share, dtype=torch.float64),
                       SAMPLES[what](x.double(), y), ranks)
    vectors = torch.randn(2, operator.size, generator=seeded(3), dtype=torch.float64)
    return torch.stack([operator.matvec(v) for v in vectors])


def spectrum(ranks: Ranks | None) -> Tensor:
    model, x, y = case("residual")
    found = measure_spectrum(model, (x.double(), y), dtype=torch.float64, k=2, probes=2, steps=10,
                             trace_probes=5, trace_error=None, ranks=ranks)
    return torch.cat([found.eigenvalues, found.lowest, torch.tensor([found.trace.value])])


def samples_shared(ranks: Ranks | None) -> dict[str, int]:
    """On how many samples this process makes its operator."""
    model, x, y = case("residual")
    counted = {}
    for what, made in SAMPLES.items():
        def make(share: Any, what: str = what) -> HessianOperator:
            counted[what] = sum(len(targets) for _, targets in chunks(share, 1))
            return HessianOperator(model, share)

        sharded(make, made(x, y), ranks)
    return counted


def whole() -> tuple[Tensor, Tensor]:
    """All samples."""
    return case("residual")[1:]


def not_finite() -> tuple[Tensor, Tensor]:
    """Samples of which the last one, the second rank's, is not finite."""
    x, y = whole()
    x[-1] = torch.inf
    return x, y


# Of what the second rank alone sees the fault, or where its share hides it.
REFUSED: dict[str, Callable[[], Any]] = {
    "not finite": not_finite,
    "more targets": lambda: (whole()[0][:9], whole()[1]),
    "fewer targets": lambda: (whole()[0], whole()[1][:9]),
    "no batch": lambda: [whole(), "nonsense"],
}


def refusal(data: Any, ranks: Ranks | None, make: Callable[[Any], Any] | None = None) -> list[str]:
    """The class and the text of what is raised."""
    model = case("residual")[0]
    try:
        sharded(make or (lambda share: HessianOperator(model, share)), data, ranks)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return []


def broken_on_the_second(ranks: Ranks) -> list[str]:
    """Where one rank has no room for its operator."""
    def make(share: Any) -> HessianOperator:
        if ranks.rank:
            raise MemoryError("no room")
        return HessianOperator(case("residual")[0], share)

    return refusal(whole(), ranks, make)


def losses(name: str, n: int, ranks: Ranks | None) -> dict[str, Any]:
    """At n points, with the number of them that this process computes."""
    model, x, y = case(name)
    model = model.double()
    points = torch.randn(n, 2, generator=seeded(5)).tolist()
    computed_here = [0]
    found = losses_at(model, random_plane(model, seeded(1)), points,
                      {"clean": (x.double(), y), "few": (x[:3].double(), y[:3])},
                      lambda done, _: computed_here.append(done), ranks=ranks)
    return {"losses": torch.stack(list(found.values())), "points": max(computed_here)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
