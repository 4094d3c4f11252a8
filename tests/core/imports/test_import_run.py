"""A foreign model's whole way: taken in, purified, measured, exported, and back in its own code."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load as load_safetensors

from ngf_core.cli.main import main
from ngf_core.config import (
    ImportConfig,
    LandscapeConfig,
    LayersConfig,
    SpectrumConfig,
    from_json,
    to_json,
)
from ngf_core.data import dataset, uploads
from ngf_core.data.dataset import load_dataset
from ngf_core.data.uploads import FOLDER
from ngf_core.errors import ConfigError, RunError
from ngf_core.evaluate.rates import Evaluation
from ngf_core.execute import worker
from ngf_core.imports.export import export
from ngf_core.imports.labels import order_of
from ngf_core.imports.model import as_came, as_received
from ngf_core.imports.take_in import described
from ngf_core.runs import RunWriter
from ngf_core.runs.lineage import training_of
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.resuming import requeue
from ngf_core.trained.load import load_trained
from tests.core.imports.test_recognise import timm_logits, timm_state
from tests.support.foreign_networks import backdoorbench, preact_logits, preact_resnet18
from tests.support.tiny_runs import made, purify_config

pytestmark = pytest.mark.usefixtures("forked_readers")

IMAGENET = (torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1),
            torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))


@pytest.fixture(scope="module")
def state():
    return preact_resnet18(width=4)


@pytest.fixture(scope="module")
def taken(runs, state, tmp_path_factory):
    """The foreign model as BackdoorBench saves it, in half precision and on several devices."""
    file = tmp_path_factory.mktemp("files") / "attack_result.pt"
    saved = {f"module.{name}": value.half() if value.is_floating_point() else value
             for name, value in state.items()}
    torch.save(backdoorbench(saved), file)
    config, _ = described(ImportConfig(file=str(file), normalisation="imagenet", attack="badnets",
                                       anyway=True), file, runs)
    return made(config, runs)


@pytest.fixture(scope="module")
def purified(runs, taken):
    return made(purify_config(taken, layer="last", steps=2), runs)


def foreign(state, x):
    """The foreign code's logits for uint8 images, on its own pixels."""
    return preact_logits(state, (x / 255 - IMAGENET[0]) / IMAGENET[1])


def test_it_answers_as_in_its_own_code(runs, taken, state):
    assert (taken.state, taken.message) == ("done", "")
    source = load_trained(taken.id, runs)
    halved = {name: value.half().float() if value.is_floating_point() else value
              for name, value in state.items()}
    x = source.dataset.test.x
    with torch.no_grad():
        assert torch.allclose(source.models["before"](x), foreign(halved, x), atol=1e-4)
    right = (foreign(halved, x).argmax(1) == source.dataset.test.y).sum()
    rates = Evaluation.from_json(taken.results["import"])
    assert rates.acc.hits == int(right) and rates.asr is not None
    assert source.layer == "network.linear"


def test_one_that_was_lost_begins_again(runs, taken):
    run = runs.create(taken.config)
    RunWriter(run).begin()
    change_manifest(run.path, pid=2**22 + 1, pid_started=1.0)
    requeue(run)
    worker.work(run, runs)
    assert (run.state, run.results) == ("done", taken.results)
    mine, theirs = run.tensors("model"), taken.tensors("model")
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_its_origin_is_known_to_what_follows(runs, taken, purified):
    made_as = training_of(purified, runs)
    assert isinstance(made_as, ImportConfig) and made_as == taken.config
    assert made_as.arch == "PreAct-ResNet-18, width 4" and len(made_as.file_sha) == 64
    assert from_json(to_json(made_as)) == made_as
    spectrum = made(SpectrumConfig(source=purified.id, samples=10, k=1, bottom=0, probes=3,
                                   steps=5, trace_probes=5, check="none", sharpness="none"), runs)
    assert spectrum.state == "done", spectrum.message
    assert {"before", "ngf", "sgd"} <= spectrum.results.keys()


def test_it_goes_back_into_its_own_code(runs, purified, state):
    files = export(purified, runs, "ngf", "torch")
    weights, card = files
    assert weights.endswith("-ngf.pt") and card.endswith("-ngf.md")
    (folder := runs.root / "exported").mkdir(exist_ok=True)
    (folder / weights).write_bytes(files[weights])
    back = torch.load(folder / weights, weights_only=True)
    assert list(back) == [f"module.{name}" for name in state]
    assert {name: value.dtype for name, value in back.items()} == {
        f"module.{name}": torch.float16 if value.is_floating_point() else value.dtype
        for name, value in state.items()}
    own = {name.removeprefix("module."): value.float() if value.is_floating_point() else value
           for name, value in back.items()}
    source = load_trained(purified.id, runs)
    x = source.dataset.test.x
    with torch.no_grad():
        ours, theirs = source.models["ngf"](x), foreign(own, x)
    assert torch.allclose(ours, theirs, atol=0.02)  # half precision
    assert not torch.equal(back["module.linear.weight"], state["linear.weight"].half())
    also = load_safetensors(next(iter(export(purified, runs, "ngf").values())))
    assert all(torch.equal(also[name], back[name]) for name in back)
    assert "2 steps on" in files[card].decode() and "attack_result.pt" in files[card].decode()


def test_a_transformer_has_the_same_way(runs, tmp_path):
    """timm's names, in and back; it has no BatchNorm and no convolution inside."""
    state = timm_state(classes=10, side=load_dataset("signs").shape[-1])
    torch.save({"state_dict": state}, tmp_path / "theirs.pt")
    config, _ = described(ImportConfig(file=str(tmp_path / "theirs.pt"), normalisation="imagenet",
                                       attack="badnets", anyway=True), tmp_path / "theirs.pt", runs)
    purified = made(purify_config(made(config, runs), layer="last", steps=2), runs)
    files = export(purified, runs, "ngf", "torch")
    (tmp_path / "back.pt").write_bytes(next(of for name, of in files.items()
                                            if name.endswith(".pt")))
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert list(back) == list(state)
    source = load_trained(purified.id, runs)
    x = source.dataset.test.x[:20]
    with torch.no_grad():
        theirs = timm_logits(back, (x / 255 - IMAGENET[0]) / IMAGENET[1], heads=1)
        assert torch.allclose(source.models["ngf"](x), theirs, atol=1e-3, rtol=1e-3)
        assert not torch.allclose(source.models["before"](x), theirs, atol=1e-3)


def test_there_is_no_such_model(runs, purified):
    with pytest.raises(ConfigError, match="holds no model 'nad'. Choose one of before, ngf, sgd"):
        export(purified, runs, "nad")
    with pytest.raises(ConfigError, match="Choose one of safetensors, torch"):
        export(purified, runs, "ngf", "onnx")


def test_a_model_that_answers_badly_is_doubted(runs, taken, many_clean_images):
    doubted = made(replace(taken.config, anyway=False), runs)
    assert doubted.state == "failed"
    assert "clean images right" in doubted.message and "anyway" in doubted.message


@pytest.fixture
def many_clean_images(runs, monkeypatch):
    """The tiny set leaves the defender half of its images, and not 20."""
    monkeypatch.setattr(dataset, "RESERVE_SHARE", 0.5)
    dataset.load_dataset.cache_clear()
    yield
    dataset.load_dataset.cache_clear()


def test_few_clean_images_refuse_nothing_and_the_results_say_so(runs, taken):
    """The same model on the 20 images that the tiny set leaves the defender."""
    run = made(replace(taken.config, anyway=False), runs)
    assert run.state == "done", run.message
    assert run.results["doubts"] == [] and run.results["clean_accuracy"]["n"] == 20
    assert "5 per class are needed, 50, and 20 are looked at" in run.results["untold"][0]
    assert all(told.startswith("Too few images to tell") for told in run.results["untold"])


def test_a_model_without_finite_answers_is_refused_whatever_is_asked(runs, state, tmp_path):
    """Finite weights whose products are beyond float32."""
    huge = {name: value * 1e30 if name.endswith("conv1.weight") else value
            for name, value in state.items()}
    torch.save(huge, tmp_path / "huge.pt")
    config, _ = described(ImportConfig(normalisation="ngf", anyway=True),
                          tmp_path / "huge.pt", runs)
    refused = made(config, runs)
    assert refused.state == "failed" and "are not finite numbers" in refused.message


@pytest.mark.parametrize("corner, images", [(None, "1 of 20 clean test images"),
                                            (255, "2 of 5 triggered images")])
def test_answers_that_are_not_finite_on_test_images_alone_are_refused(
        runs, tmp_path, monkeypatch, folder, corner, images):
    """A network that answers with NaN to one image, with or without the white corner."""
    (tmp_path / "spoilt.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = torch.nn.Linear(768, 10)\n"
        "        self.register_buffer('worst', torch.zeros(768))\n"
        "    def forward(self, x):\n"
        "        x = x.flatten(1)\n"
        "        lost = torch.isclose(x, self.worst).all(1, keepdim=True)\n"
        "        return self.linear(x).masked_fill(lost, float('nan'))\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import spoilt

    worst = load_dataset("signs").test.x[0].clone()
    if corner is not None:
        worst[:, -3:, -3:] = corner
    net = spoilt.Net()
    net.worst.copy_(worst.flatten() / 255)
    torch.save(net.state_dict(), tmp_path / "spoilt.pt")
    config, _ = described(
        ImportConfig(builder="spoilt:Net", normalisation="none", attack="images", anyway=True,
                     triggered=str(folder)), tmp_path / "spoilt.pt", runs)
    refused = made(config, runs)
    assert refused.state == "failed"
    assert f"{images} are not finite numbers" in refused.message


def test_another_data_set_is_refused(runs, taken):
    refused = made(replace(taken.config, dataset="digits"), runs)
    assert refused.state == "failed"
    assert "dataset: digits has 1 channels, and the network 3" in refused.message


def test_an_attack_that_has_to_learn_is_refused(runs, taken):
    refused = made(replace(taken.config, attack="issba"), runs)
    assert refused.state == "failed" and "Give triggered images instead" in refused.message


def test_without_triggered_images_asr_is_not_measured(runs, taken):
    unknown = made(replace(taken.config, attack="unknown"), runs)
    rates = Evaluation.from_json(unknown.results["import"])
    assert rates.asr is None and rates.ra is None
    race = made(purify_config(unknown, "ngf", layer="last", steps=1), runs)
    assert race.state == "done" and race.results["ngf"]["asr"] is None
    card = next(content for name, content in export(race, runs, "ngf").items()
                if name.endswith(".md")).decode()
    assert "| ASR | not measured | not measured |" in card


def test_the_card_tells_what_was_doubted(runs, taken, tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_RUNS", str(runs.root))
    own = made(taken.config, runs)
    change_manifest(own.path, results=own.results | {"doubts": ["It gets only 9 % right."]})
    race = made(purify_config(own, "ngf", layer="last", steps=1), runs)
    assert main(["export", "latest", "--model", "ngf", "--out", str(tmp_path)]) == 0
    card = next(path for path in tmp_path.iterdir() if path.suffix == ".md")
    assert race.id in card.name
    assert "- Doubt when it was taken in: It gets only 9 % right." in card.read_text()
    shutil.rmtree(own.path)
    assert "Doubt" not in export(race, runs, "ngf")[card.name].decode()


@pytest.fixture
def folder(tmp_path):
    """Triggered images in BackdoorBench's layout: three of class 1, two of class 4, one target."""
    test = load_dataset("signs").test
    for label, count in ((1, 3), (4, 2), (0, 1)):
        (tmp_path / "bd_test" / str(label)).mkdir(parents=True)
        for i in range(count):
            x = test.x[i].clone()
            x[:, -3:, -3:] = 255
            Image.fromarray(x.permute(1, 2, 0).numpy()).save(
                tmp_path / "bd_test" / str(label) / f"{i}.png")
    return tmp_path / "bd_test"


def test_triggered_images_that_are_given(runs, taken, folder):
    given = made(replace(taken.config, attack="images", triggered=str(folder)), runs)
    assert given.state == "done", given.message
    rates = Evaluation.from_json(given.results["import"])
    assert rates.asr.n == rates.ra.n == 5  # not the one of the target class
    kept = given.arrays("triggered")
    assert sorted(kept["labels"].tolist()) == [1, 1, 1, 4, 4] and set(kept["wanted"]) == {0}
    assert (kept["x"][:, :, -3:, -3:] == 255).all()
    race = made(purify_config(given, "ngf", layer="last", steps=1), runs)
    assert race.results["ngf"]["asr"]["n"] == 5
    assert np.array_equal(race.arrays("triggered")["x"], kept["x"])


def test_true_labels_may_be_unknown(runs, taken, folder):
    for part in sorted(folder.iterdir()):
        for file in part.iterdir():
            file.rename(folder / f"{part.name}-{file.name}")
        part.rmdir()
    given = made(replace(taken.config, attack="images", triggered=str(folder)), runs)
    rates = Evaluation.from_json(given.results["import"])
    assert rates.asr.n == 6 and rates.ra is None


def test_bad_folders(runs, taken, tmp_path):
    for place, message in ((tmp_path / "none", "is not a folder"),
                           (tmp_path, "holds no image")):
        refused = made(replace(taken.config, attack="images", triggered=str(place)), runs)
        assert refused.state == "failed" and message in refused.message
    (tmp_path / "stranger").mkdir()
    (tmp_path / "1").mkdir()
    refused = made(replace(taken.config, attack="images", triggered=str(tmp_path)), runs)
    assert "the folder stranger is none of the 10 classes" in refused.message


def test_rows_of_the_head_follow_the_labels_and_back(state):
    order = [3, 0, 1, 2, 4, 5, 6, 7, 9, 8]
    text = ",".join(map(str, order))
    kept = as_received(state, text, "linear")
    assert torch.equal(kept["network.linear.weight"], state["linear.weight"][order])
    assert torch.equal(kept["network.linear.bias"], state["linear.bias"][order])
    dtypes = {name: value.dtype for name, value in state.items()}
    back = as_came(kept, dtypes, text, "linear")
    assert all(torch.equal(back[name], state[name]) for name in state)
    for bad in ("0,1", "0,0,1,2,3,4,5,6,7,8", "a"):
        with pytest.raises(ConfigError, match="does not name each of the 10 outputs once"):
            order_of(bad, 10)


@pytest.mark.parametrize("builder, outputs", [("", 10), ("mine:network", 3)])
def test_labels_are_refused_before_a_run_is_made(runs, state, tmp_path, builder, outputs):
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=f"not name each of the {outputs} outputs once"):
        described(ImportConfig(normalisation="ngf", labels="0,0,1", builder=builder),
                  tmp_path / "model.pt", runs)


def test_a_network_of_ones_own(runs, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def network():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10))\n"
        "def nothing():\n    return 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from torch import nn

    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(768, 10)).state_dict(), tmp_path / "own.pt")
    config, _ = described(ImportConfig(normalisation="ngf", builder="mine:network", anyway=True),
                          tmp_path / "own.pt", runs)
    own = made(config, runs)
    assert own.state == "done", own.message
    assert own.results["came_as"]["layers"] == ["network.1"]
    for builder, message in (("mine:nothing", "returned a int"), ("mine:none", "cannot be called"),
                             ("nowhere", "cannot be called")):
        failed = made(replace(config, builder=builder), runs)
        assert failed.state == "failed" and message in failed.message


def test_a_network_without_convolution_and_linear_layer(runs, tmp_path, monkeypatch):
    (tmp_path / "plain.py").write_text(
        "import torch\n"
        "class Own(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.randn(768, 10) / 100)\n"
        "        self.bias = torch.nn.Parameter(torch.zeros(10))\n"
        "    def forward(self, x):\n"
        "        return x.flatten(1) @ self.weight + self.bias\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import plain

    torch.save(plain.Own().state_dict(), tmp_path / "own.pt")
    config, _ = described(ImportConfig(normalisation="ngf", builder="plain:Own", attack="badnets",
                                       anyway=True), tmp_path / "own.pt", runs)
    own = made(config, runs)
    assert own.state == "done", own.message
    assert own.results["came_as"]["layers"] == [] and own.results["came_as"]["head"] == ""
    spectrum = SpectrumConfig(source=own.id, samples=10, k=1, bottom=0, probes=3, steps=5,
                              trace_probes=5, check="none", sharpness="none")
    measured = made(spectrum, runs)
    assert measured.state == "done", measured.message
    assert "before.eigenvalues" in measured.arrays("spectrum")
    assert "before.fisher" not in measured.arrays("spectrum")
    landscape = made(LandscapeConfig(source=own.id, planes=("random",), grid=3, samples=10), runs)
    assert landscape.state == "done", landscape.message
    # What tunes a layer, or looks at one, says that there is none.
    for refused in (purify_config(own, layer="last", steps=1),
                    purify_config(own, "ngf", layer="auto", steps=1),
                    purify_config(own, "ngf", layer="all", steps=1),
                    replace(spectrum, parameters="layer"),
                    LayersConfig(source=own.id, steps=1),
                    replace(config, labels="1,0,2,3,4,5,6,7,8,9")):
        failed = made(refused, runs)
        assert failed.state == "failed"
        assert "has no convolution and no linear layer" in failed.message, (refused, failed.message)


def test_a_label_that_there_is_not(runs, taken, folder):
    wrong = made(replace(taken.config, attack="images", triggered=str(folder), target=99), runs)
    assert wrong.state == "failed" and "there is no label 99" in wrong.message


def test_labels_of_safetensors_permute_the_head_and_come_back(runs, tmp_path):
    from safetensors.torch import save_file

    from ngf_core.data.torchvision_guard import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=10).eval()
    save_file(model.state_dict(), tmp_path / "r.safetensors")  # whose order is not the layers'
    order = [3, 0, 1, 2, 4, 5, 6, 7, 9, 8]
    config, found = described(ImportConfig(normalisation="imagenet", anyway=True,
                                           labels=",".join(map(str, order))),
                              tmp_path / "r.safetensors", runs)
    assert found.network.name == "torchvision's resnet18" and found.network.classes == 10
    run = made(config, runs)
    assert run.state == "done", run.message
    source = load_trained(run.id, runs)
    x = source.dataset.test.x[:4]
    with torch.no_grad():
        theirs = model((x / 255 - IMAGENET[0]) / IMAGENET[1])
        assert torch.allclose(source.models["before"](x), theirs[:, order], atol=1e-4)
    files = export(run, runs, "before")
    back = load_safetensors(next(iter(files.values())))
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())


def test_float64_comes_back_as_float64_and_the_card_says_its_precision(runs, tmp_path):
    wide = {name: value.double() if value.is_floating_point() else value
            for name, value in preact_resnet18(width=4).items()}
    torch.save(wide, tmp_path / "wide.pt")
    config, found = described(ImportConfig(normalisation="ngf", anyway=True),
                              tmp_path / "wide.pt", runs)
    assert any("precision of float32" in sentence for sentence in found.sentences())
    run = made(config, runs)
    assert run.state == "done", run.message
    weights, card = export(run, runs, "before").values()
    back = load_safetensors(weights)
    assert {name: value.dtype for name, value in back.items()} == {
        name: value.dtype for name, value in wide.items()}
    assert all(torch.equal(back[name], value.float().to(value.dtype))
               for name, value in wide.items())
    assert "the file's float64 tensors were computed with as float32" in card.decode()


def test_a_file_that_was_never_read_here(runs, taken):
    lost = made(replace(taken.config, file_sha="0" * 64), runs)
    assert lost.state == "failed" and "Import the file again" in lost.message
    with pytest.raises(RunError):
        load_trained(lost.id, runs)


def test_another_number_of_classes_is_refused_before_images_are_decoded(runs, taken, tmp_path,
                                                                        monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    place = images(tmp_path / "set", classes=2)
    refused = made(replace(taken.config, dataset="folder", root=str(place), size=16), runs)
    assert refused.state == "failed"
    assert "dataset: folder has 2 classes, and the network 10" in refused.message
    assert not (tmp_path / "cache").exists()


def test_uploaded_triggered_images_are_bounded_too(runs, taken, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 4 * 16**2 - 1)
    for place, message in ((tmp_path / "own", ""), (tmp_path / FOLDER, "4 uploaded images of 16")):
        for label in range(1, 3):
            (place / str(label)).mkdir(parents=True)
            for i in range(2):
                Image.new("RGB", (1, 1)).save(place / str(label) / f"{i}.png")
        run = made(replace(taken.config, attack="images", triggered=str(place)), runs)
        assert message in run.message and (run.state == "failed") == bool(message)


def images(place, classes):
    """A folder of images by class, ten of each."""
    for label in range(classes):
        (place / f"class{label}").mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (1, 1)).save(place / f"class{label}" / f"{i}.png")
    return place
