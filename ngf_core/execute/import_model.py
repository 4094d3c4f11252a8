"""An import run: the file's tensors become a model here, which is doubted, then measured."""

from pathlib import Path
from typing import Any

from torch import nn

from ngf_core.config import ImportConfig
from ngf_core.config.imported import GIVEN
from ngf_core.data.dataset import outline, prepare_dataset
from ngf_core.device import device
from ngf_core.errors import ConfigError, NGFError
from ngf_core.evaluate.rates import Evaluation
from ngf_core.evaluate.test_set import TestSet, answers, build_test_set, predict, rates_of
from ngf_core.imports.doubts import check_answers, doubts
from ngf_core.imports.model import NETWORK, as_received, received
from ngf_core.imports.reading import came_as, load
from ngf_core.imports.recognise import LISTED, differences
from ngf_core.imports.take_in import kept
from ngf_core.imports.triggered_folder import triggered_folder
from ngf_core.models.build import last_layer, multiply_adds_of, tunable_layers
from ngf_core.runs import RunStore, RunWriter
from ngf_core.runs.files import RECEIVED, SAMPLES, TRIGGERED, model_entry, model_file
from ngf_core.trained.load import attack_of, dataset_of
from ngf_core.trained.samples import samples


def execute(config: ImportConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Take in one model and write model.safetensors, samples.npz and, where triggered images were
    given, triggered.npz.

    Raises ConfigError where the model does not fit the data set or the attack has to be learned,
    and NGFError where answers are not finite, or look wrong on clean images (unless `anyway`).
    """
    where = device()

    def report(done: int, total: int) -> None:
        writer.checkpoint()
        writer.progress(done, total, "Decoding images")

    read = kept(config, store)
    writer.progress(0, 3, "Building the network")
    images = outline(config.dataset, config.root, config.limit, config.size)
    attack = attack_of(config, images)
    if attack is not None and attack.learns:
        raise ConfigError("attack", f"{attack.title} has to learn its {attack.learns}, so its "
                          "trigger cannot be made for a model from elsewhere",
                          "Give triggered images instead.")
    if not 0 <= config.target < images.classes:
        raise ConfigError("target", f"there is no label {config.target}",
                          f"Use a label from 0 to {images.classes - 1}.")
    # Before anything is decoded: that takes minutes and disk, and a network may not fit at all.
    shapes = {NETWORK + name: shape for name, shape in read.shapes().items()}
    model = received(config, shapes, images.shape, images.classes)
    wrong = differences(shapes, {name: tuple(value.shape)
                                 for name, value in model.state_dict().items()})
    if wrong:
        raise ConfigError("file", f"holds another network than {config.arch} for {config.dataset} "
                          f"({images.classes} classes, {images.shape[0]} channels): "
                          f"{'; '.join(wrong[:LISTED])}", "Choose the data set that the model was "
                          "trained on, or the builder of its network.")
    prepare_dataset(config.dataset, config.root, config.limit, config.size, report)
    dataset = dataset_of(config)
    writer.note(device=str(where), data_sha=dataset.sha256)
    given = (triggered_folder(Path(config.triggered), dataset, config.target)
             if config.attack == GIVEN else None)
    writer.progress(1, 3, "Filling the network")
    layers = list(tunable_layers(model))
    head = last_layer(model).removeprefix(NETWORK) if layers or config.labels else ""
    tensors = as_received(load(read), config.labels, head)
    counts = {name: value for name, value in model.state_dict().items()
              if name.endswith("num_batches_tracked")}
    model.load_state_dict(counts | tensors)
    model.eval().to(where)
    outputs = predict(model, dataset.test.x[:1]).shape[1]
    if outputs != dataset.classes:
        raise ConfigError("dataset", f"{config.dataset} has {dataset.classes} classes, and the "
                          f"network answers with {outputs}", "Choose the data set that the model "
                          "was trained on.")
    writer.progress(2, 3, "Looking at its answers on clean images")
    doubted = doubts(model, dataset.reserve, config.normalisation, config.labels)
    if doubted.sentences and not config.anyway:
        raise NGFError(f"{' '.join(doubted.sentences)} Correct that, or take the model in as it is "
                       "(anyway).")
    writer.checkpoint()
    evaluation = _measured(model, build_test_set(dataset.test, attack, given))
    writer.arrays(SAMPLES, samples(dataset, attack, given))
    writer.tensors(model_file("import", RECEIVED), model.state_dict())
    if given is not None:
        writer.arrays(TRIGGERED, given.to_arrays())
    writer.progress(3, 3, "Measured")
    return {
        model_entry("import", RECEIVED): evaluation.to_json(),
        "parameters": attack.parameters if attack else {},
        "class_names": list(dataset.class_names),
        "clean_accuracy": doubted.accuracy.to_json(),
        "doubts": list(doubted.sentences),
        "untold": list(doubted.untold),
        "came_as": came_as(read) | {
            "head": head, "layers": layers,
            "parameters": sum(p.numel() for p in model.parameters()),
            "multiply_adds": multiply_adds_of(model, dataset.test.x[:1].to(where))},
        "triggered_images": len(given.wanted) if given else None,
    }


def _measured(model: nn.Module, test: TestSet) -> Evaluation:
    """The model's rates. Raises NGFError where an answer is not finite, which argmax would count
    as some class."""
    clean = predict(model, test.clean.x)
    check_answers(clean, "clean test images")
    triggered = None if test.triggered is None else answers(model, test.triggered)
    if triggered is not None:
        check_answers(triggered, "triggered images")
    return rates_of(test, clean, triggered)
