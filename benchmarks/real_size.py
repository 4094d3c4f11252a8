"""PreActResNet-18 on 32x32 colour images through the whole path on this machine, with its times.

    python -m benchmarks.real_size                    # some steps: minutes on two cores
    python -m benchmarks.real_size --full             # the zoo's full training: for a GPU

BadNets on `signs`: poison, train, race NGF against one-layer SGD on the last block's first
convolution (2.4 million weights, all 250 clean images per step), and measure the Hessian and Fisher
spectra of the three models. Without --full the training has one epoch, so its ACC and ASR mean
nothing; it only shows that every part runs at this size, and how long a step takes. Each part is a
run made by the worker's code; peak memory is the process's own.

Writes benchmarks/results/real_size.json with the environment.
"""

import argparse
import json
import resource
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from benchmarks.environment import environment
from ngf_core.config import PurifyConfig, SpectrumConfig, TrainConfig
from ngf_core.config.methods import with_layer
from ngf_core.execute.zoo import make
from ngf_core.runs import Run, RunStore

RESULTS = Path(__file__).parent / "results"
ARCH = "preact_resnet18"
LAYER = "blocks.7.conv1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="train on all images for 20 epochs")
    parser.add_argument("--limit", type=int, default=0, help="images per class (default: all)")
    parser.add_argument("--steps", type=int, default=4, help="purification steps (default: 4)")
    arguments = parser.parse_args()
    train = (TrainConfig(arch=ARCH) if arguments.full else
             TrainConfig(arch=ARCH, epochs=1, limit=arguments.limit))
    steps = PurifyConfig.steps if arguments.full else arguments.steps
    root = Path(tempfile.mkdtemp())
    try:
        measured = measure(RunStore(root), train, steps)
    finally:
        shutil.rmtree(root)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "real_size.json").write_text(
        json.dumps(measured | {"environment": environment()}, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


def measure(store: RunStore, train: TrainConfig, steps: int) -> dict[str, object]:
    """Make the three runs and read their seconds and the process's peak memory."""
    store.prepare()
    trained = _made(store, "real-train", train)
    images = trained.results["train_images"]
    batches = train.epochs * -(-images // train.batch_size)
    memory = {"train": peak()}
    race = _made(store, "real-race", PurifyConfig(
        source=trained.id, methods=with_layer(PurifyConfig.methods, LAYER),
        steps=steps, evaluations=1, sharpness="off"))
    memory["purify"] = peak()
    config = SpectrumConfig(source=race.id, samples=20, k=2, steps=5, probes=3, trace_probes=2)
    spectrum = _made(store, "real-spectrum", config)
    memory["spectrum"] = peak()
    return {
        "architecture": ARCH, "layer": race.results["layer"],
        "train_images": images, "batch_size": train.batch_size, "training_steps": batches,
        "precision": trained.results["precision"],
        "seconds_per_training_step": trained.results["seconds"] / batches,
        "rates_after_training": trained.results["train"],
        "clean_images_per_purification_step": race.results["clean_images"],
        **{f"seconds_per_{name}_step": race.results[name]["seconds"] / race.results[name]["steps"]
           for name in ("ngf", "sgd")},
        "rates_after": {name: race.results[name] for name in ("ngf", "sgd")},
        "spectrum": {name: value for name, value in spectrum.results.items()},
        "spectrum_settings": {"samples": config.samples, "k": config.k, "steps": config.steps},
        "spectrum_seconds": _wall(spectrum),
        "peak_memory_gb_until": memory,
    }


def _made(store: RunStore, run_id: str, config: object) -> Run:
    made = make(store, run_id, config)
    if made.state != "done":
        raise SystemExit(f"{run_id} is {made.state}: {made.message}")
    return made


def _wall(run: Run) -> float:
    ends = (datetime.fromisoformat(run.manifest[key]) for key in ("started", "finished"))
    started, finished = ends
    return (finished - started).total_seconds()


def peak() -> float:
    """The most memory this process has held, in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


if __name__ == "__main__":
    main()
