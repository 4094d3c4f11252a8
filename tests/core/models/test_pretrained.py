"""ImageNet weights from files that torchvision's own models wrote."""

import pickle

import pytest
import torch

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.models.pretrained import load_pretrained


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{architecture: file} with all 1000 classes, as published."""
    folder = tmp_path_factory.mktemp("weights")
    written = {}
    for arch in ("resnet18", "resnet34", "mobilenet_v2"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            model = torchvision.models.get_model(arch)
        for buffer in model.buffers():
            buffer.add_(1)  # statistics that are not those of a fresh network
        written[arch] = folder / f"{arch}.pth"
        torch.save(model.state_dict(), written[arch])
    return written


def load(arch, path, shape=(3, 32, 32), classes=10):
    model = build_model(arch, shape, classes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    return before, model.state_dict(), load_pretrained(model, arch, path)


@pytest.mark.parametrize(("arch", "shape", "classes", "left"), [
    ("resnet18", (3, 32, 32), 10, {"conv1.weight", "fc.weight", "fc.bias"}),
    ("resnet18", (1, 224, 224), 10, {"conv1.weight", "fc.weight", "fc.bias"}),
    ("resnet34", (3, 224, 224), 10, {"fc.weight", "fc.bias"}),
    ("resnet18", (3, 224, 224), 1000, set()),
    # Its 3x3 stem differs in stride alone.
    ("mobilenet_v2", (3, 32, 32), 10, {"classifier.1.weight", "classifier.1.bias"})])
def test_what_fits_is_taken_and_the_rest_is_left(files, arch, shape, classes, left):
    before, after, loaded = load(arch, files[arch], shape, classes)
    saved = torch.load(files[arch], weights_only=True)
    assert set(loaded.left) == left
    assert set(loaded.taken) == set(after) - left
    assert all(torch.equal(after[name], saved[name]) for name in loaded.taken)
    assert all(torch.equal(after[name], before[name]) for name in left)


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 224, 224)])
def test_a_vgg_takes_its_published_head_where_it_has_one(tmp_path, monkeypatch, shape):
    # Half a gigabyte as a file: the tensors stay on meta and the file is not written.
    with torch.device("meta"):
        saved = torchvision.models.vgg11_bn().state_dict()
        model = build_model("vgg11_bn", shape, 10)
    (path := tmp_path / "vgg.pth").touch()
    monkeypatch.setattr(torch, "load", lambda *args, **options: saved)
    left = set(load_pretrained(model, "vgg11_bn", path).left)
    head = "classifier" if shape == (3, 32, 32) else "classifier.6"
    assert left == {f"{head}.weight", f"{head}.bias"}


def test_the_network_is_then_torchvisions(files):
    model = build_model("resnet18", (3, 96, 96), 1000).eval()
    load_pretrained(model, "resnet18", files["resnet18"])
    theirs = torchvision.models.resnet18().eval()
    theirs.load_state_dict(torch.load(files["resnet18"], weights_only=True))
    x = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(x), theirs((x - 0.5) * 4))


def test_files_without_batch_counts_are_taken(files, tmp_path):
    saved = torch.load(files["resnet18"], weights_only=True)
    old = {n: v for n, v in saved.items() if not n.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    loaded = load("resnet18", tmp_path / "old.pth")[2]
    assert "layer1.0.bn1.num_batches_tracked" in loaded.left
    assert "layer1.0.bn1.running_mean" in loaded.taken


@pytest.mark.parametrize(("arch", "of", "where"), [
    # Every tensor of a ResNet-18 has its like in a ResNet-34; the others tell them apart.
    ("resnet18", "resnet34", "layer1.2.conv1.weight is 64x64x3x3 in the file and missing in"),
    ("resnet34", "resnet18", "layer1.2.conv1.weight is missing in the file and 64x64x3x3 in"),
    ("resnet50", "resnet18",
     "layer1.0.conv1.weight is 64x64x3x3 in the file and 64x64x1x1 in the network"),
    ("preact_resnet18", "resnet18", "blocks.0.bn1.weight is missing in the file and 64 in"),
    ("mini_resnet", "resnet18", "bn1.weight is 64 in the file and 16 in the network"),
    ("vgg11_bn", "mobilenet_v2", "features.1.weight is missing in the file and 64 in")])
def test_another_architecture_is_refused_and_nothing_changes(files, arch, of, where):
    model = build_model(arch, (3, 32, 32), 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        load_pretrained(model, arch, files[of])
    assert f"{files[of]} holds the weights of another network than {arch}: " in str(caught.value)
    assert where in str(caught.value) and "as torchvision publishes it" in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Spy:
    """Unpickled by a reader that runs code, it would raise."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


def test_missing_damaged_and_strange_files_are_named(files, tmp_path):
    model = build_model("resnet18", (3, 32, 32), 10)

    def refused(path) -> str:
        with pytest.raises(ConfigError) as caught:
            load_pretrained(model, "resnet18", path)
        assert str(path) in str(caught.value) and caught.value.field == "weights"
        return caught.value.why

    assert "there is no file" in refused(tmp_path / "nowhere.pth")
    assert "there is no file" in refused(tmp_path)
    whole = files["resnet18"].read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 100):
        (tmp_path / "cut.pth").write_bytes(whole[:keep])
        assert "incomplete or not a file of weights" in refused(tmp_path / "cut.pth")
    (tmp_path / "text.pth").write_text("not weights")
    assert "incomplete or not" in refused(tmp_path / "text.pth")
    (tmp_path / "code.pth").write_bytes(pickle.dumps({"conv1.weight": Spy()}))
    assert "incomplete or not" in refused(tmp_path / "code.pth")
    for content in (torch.zeros(2), {"state_dict": {"conv1.weight": torch.zeros(1)}}):
        torch.save(content, tmp_path / "other.pth")
        assert "not a plain table" in refused(tmp_path / "other.pth")
