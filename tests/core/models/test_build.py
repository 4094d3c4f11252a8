"""What every architecture must do: sizes as published, any image, seeds, layers to tune."""

from math import prod

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.fisher.per_sample import per_sample_outer, tap
from ngf_core.models import ARCHITECTURES
from ngf_core.models.build import (
    build_model,
    last_layer,
    tunable_layer,
    tunable_layer_names,
    tunable_layers,
    tuned_layers,
)
from ngf_core.models.normalise import Normalise

LIGHT = [name for name in ARCHITECTURES if name.startswith("mini_")] + ["wide_resnet16_1"]
HEAVY = [name for name in ARCHITECTURES if name not in LIGHT]
COLOUR = (3, 32, 32)


def on_meta(arch: str, shape: tuple[int, int, int] = COLOUR, classes: int = 10) -> nn.Module:
    """The model without numbers, which costs neither memory nor time."""
    with torch.device("meta"):
        return build_model(arch, shape, classes)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def images(n: int, shape: tuple[int, int, int] = COLOUR) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8,
                         generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("arch", "published"), {
    # torchvision's documentation of its ImageNet models
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "vgg11_bn": 132_868_840, "vgg19_bn": 143_678_248, "mobilenet_v2": 3_504_872,
    # DeiT-S with 16x16 patches
    "vit_small": 22_050_664}.items())
def test_parameter_counts_on_imagenet(arch, published):
    assert size(on_meta(arch, (3, 224, 224), 1000)) == published


@pytest.mark.parametrize(("arch", "published"), {
    "preact_resnet18": 11_172_170, "wide_resnet28_10": 36_479_194, "wide_resnet16_1": 175_066,
    "resnet18": 11_173_962, "resnet34": 21_282_122, "resnet50": 23_520_842,
    "vgg11_bn": 9_231_114, "vgg19_bn": 20_040_522}.items())
def test_parameter_counts_on_cifar10(arch, published):
    assert size(on_meta(arch)) == published


def preact_parameters(widths: tuple[int, ...], counts: tuple[int, ...]) -> int:
    """Stem, blocks (two 3x3 convolutions, BatchNorms, 1x1 shortcut on a change), BatchNorm, head.

    A shortcut stands where the width changes; that is where the stride does in these networks.
    """
    wide, *wider = widths
    total = 3 * wide * 9
    for channels, count in zip(wider, counts, strict=True):
        for _ in range(count):
            total += 9 * wide * channels + 9 * channels**2 + 2 * wide + 2 * channels
            total += wide * channels if wide != channels else 0
            wide = channels
    return total + 2 * wide + 10 * wide + 10


@pytest.mark.parametrize(("arch", "widths", "counts"), [
    ("mini_preact_resnet", (16, 16, 32, 64), (1, 1, 1)),
    ("preact_resnet18_w16", (16, 16, 32, 64, 128), (2, 2, 2, 2)),
    ("preact_resnet18_w32", (32, 32, 64, 128, 256), (2, 2, 2, 2)),
    ("preact_resnet18", (64, 64, 128, 256, 512), (2, 2, 2, 2)),
    ("preact_resnet34", (64, 64, 128, 256, 512), (3, 4, 6, 3)),
    ("wide_resnet16_1", (16, 16, 32, 64), (2, 2, 2)),
    ("wide_resnet28_10", (16, 160, 320, 640), (4, 4, 4))])
def test_parameters_of_pre_activation_networks_by_hand(arch, widths, counts):
    assert size(on_meta(arch)) == preact_parameters(widths, counts)


def test_minis_are_small():
    assert size(on_meta("mini_preact_resnet")) == 77_850
    assert all(size(on_meta(arch)) < 320_000 for arch in LIGHT)


SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 32), COLOUR, (4, 32, 32), (3, 64, 64), (3, 30, 50),
          (1, 224, 224), (3, 224, 224)]


@pytest.mark.parametrize("arch", LIGHT)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_logits_and_gradients_for_every_kind_of_image(arch, shape):
    check_logits_and_gradients(arch, shape)


@pytest.mark.parametrize("arch", HEAVY)
def test_logits_and_gradients_of_heavy_networks(arch):
    check_logits_and_gradients(arch, COLOUR)


def check_logits_and_gradients(arch: str, shape: tuple[int, int, int]) -> None:
    model = build_model(arch, shape, 7)
    logits = model(images(2, shape))
    assert logits.shape == (2, 7) and torch.isfinite(logits).all()
    logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert all(layer.weight.grad.abs().sum() > 0 for layer in tunable_layers(model).values())


@pytest.mark.parametrize("arch", HEAVY)
@pytest.mark.parametrize("shape", [(1, 28, 28), (4, 32, 32), (3, 64, 64), (3, 30, 50),
                                   (1, 224, 224), (3, 224, 224)], ids=str)
def test_shapes_of_heavy_networks_for_every_kind_of_image(arch, shape):
    model = on_meta(arch, shape, 7)
    logits = model(torch.zeros(2, *shape, dtype=torch.uint8, device="meta"))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_levels_are_fractions_of_255_and_samples_are_independent(arch):
    model = build_model(arch, COLOUR, 10).eval()
    x = images(2)
    with torch.no_grad():
        logits = model(x)
        assert torch.equal(logits, model(x.float() / 255))
        alone = torch.cat([model(x[:1]), model(x[1:])])
    largest = logits.abs().max()
    assert (logits - alone).abs().max() < 1e-4 * largest
    assert (logits[0] - logits[1]).abs().max() > 1e-3 * largest


def test_normalising_by_hand():
    x = torch.tensor([0.0, 0.5, 1.0])
    assert Normalise()(x).tolist() == [-2, 0, 2]
    assert Normalise()(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-2, 2]


@pytest.mark.parametrize("arch", LIGHT)
def test_weights_come_from_the_seed_and_nothing_else_changes(arch):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = build_model(arch, COLOUR, 10, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    same, other = (build_model(arch, COLOUR, 10, seed=s).state_dict() for s in (1, 2))
    assert list(one) == list(same) and all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if name.endswith("weight") and one[name].ndim > 1]
    assert drawn and not any(torch.equal(one[name], other[name]) for name in drawn)


@pytest.mark.parametrize("arch", LIGHT)
def test_training_mode_draws_nothing(arch):
    model, x = build_model(arch, COLOUR, 10).train(), images(4)
    state = torch.get_rng_state()
    assert torch.equal(model(x), model(x))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("arch", HEAVY)
def test_heavy_networks_drop_nothing_out(arch):
    for shape in (COLOUR, (3, 224, 224)):
        assert not any(m.p for m in on_meta(arch, shape).modules() if isinstance(m, nn.Dropout))


@pytest.mark.parametrize("arch", LIGHT)
def test_training_steps_lower_the_loss(arch):
    model = build_model(arch, COLOUR, 10)
    x, y = images(32), torch.arange(32) % 10
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.98 * losses[0]


@pytest.mark.parametrize("arch", HEAVY)
def test_a_training_step_of_a_heavy_network_lowers_the_loss(arch):
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (4, *COLOUR), dtype=torch.uint8, generator=generator)
    y = torch.arange(4)
    model = build_model(arch, COLOUR, 10, seed=1).train()
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)
    before = nn.functional.cross_entropy(model(x), y)
    before.backward()
    optimiser.step()
    with torch.no_grad():
        assert nn.functional.cross_entropy(model(x), y) < before


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_convolution_and_linear_layer_can_be_tuned(arch):
    model = on_meta(arch)
    layers = tunable_layers(model)
    weights = {n.removesuffix(".weight") for n, p in model.named_parameters()
               if p.ndim > 1 and n.endswith(".weight")}
    assert set(layers) == weights
    assert tuple(layers) == tunable_layer_names(arch)
    assert all(isinstance(layer, nn.Conv2d | nn.Linear) for layer in layers.values())


@pytest.mark.parametrize("arch", LIGHT)
def test_gradients_of_samples_sum_to_that_of_the_batch_in_every_layer(arch):
    model = build_model(arch, COLOUR, 10).double().eval()
    x, y = images(2).double() / 255, torch.tensor([3, 8])
    for name, layer in tunable_layers(model).items():
        tapped = tap(model, layer, x)
        losses = nn.functional.cross_entropy(tapped.logits, y, reduction="none")
        both = tapped.gradients(losses)
        summed = torch.autograd.grad(losses.sum(), list(layer.parameters()))
        expected = torch.cat([g.flatten() for g in summed])
        assert both.shape == (2, len(expected)) and (both[0] - both[1]).abs().max() > 0, name
        assert (both.sum(0) - expected).abs().max() < 1e-10 * expected.abs().max(), name


@pytest.mark.parametrize(("arch", "shape"), [
    *((arch, COLOUR) for arch in HEAVY), ("vgg11_bn", (3, 224, 224))], ids=str)
def test_every_layer_of_heavy_networks_can_be_tapped(arch, shape):
    model = on_meta(arch, shape).eval()
    x = torch.zeros(2, *shape, device="meta")
    layers = tunable_layers(model)
    # One of each kind is enough where there are many; the linear layers of a VGG are one kind.
    kinds = {(type(layer), getattr(layer, "kernel_size", None), getattr(layer, "groups", 1) > 1,
              name.startswith("classifier") and name): name for name, layer in layers.items()}
    for name in {*kinds.values(), last_layer(model)}:
        tapped = tap(model, layers[name], x)
        rows = per_sample_outer(layers[name], tapped.input, torch.zeros_like(tapped.output))
        assert rows.shape == (2, size(layers[name])), name


@pytest.mark.parametrize("arch", HEAVY)
def test_every_layer_of_heavy_networks_runs_once(arch):
    model, ran = on_meta(arch).eval(), []
    for name, layer in tunable_layers(model).items():
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
    model(torch.zeros(2, *COLOUR, device="meta"))
    assert sorted(ran) == sorted(tunable_layer_names(arch))


def test_the_minis_layers_by_name():
    assert tunable_layer_names("mini_preact_resnet") == (
        "stem", "blocks.0.conv1", "blocks.0.conv2", "blocks.1.conv1", "blocks.1.conv2",
        "blocks.1.shortcut", "blocks.2.conv1", "blocks.2.conv2", "blocks.2.shortcut", "linear")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_last_layer_returns_the_logits(arch):
    model = on_meta(arch).eval()
    tapped = tap(model, tunable_layer(model, last_layer(model)), torch.zeros(2, *COLOUR,
                                                                             device="meta"))
    assert tapped.output is tapped.logits


def test_layer_names_depend_on_the_image_size_in_a_vgg_alone():
    differ = {arch for arch in ARCHITECTURES
              if tunable_layer_names(arch) != tunable_layer_names(arch, (3, 224, 224))}
    assert differ == {"vgg11_bn", "vgg19_bn"}
    assert tunable_layer_names("vgg11_bn", (3, 224, 224))[-3:] == (
        "classifier.0", "classifier.3", "classifier.6")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_large_images_are_reduced_early(arch):
    """No layer of a network for 224 pixels works on more positions than ImageNet's stem, 112^2."""
    model, positions = on_meta(arch, (3, 224, 224)).eval(), []
    for layer in tunable_layers(model).values():
        layer.register_forward_hook(lambda _, args, out: positions.append(prod(out.shape[2:])))
    model(torch.zeros(1, 3, 224, 224, device="meta"))
    assert max(positions[1:]) <= (224**2 if "vgg" in arch else 112**2)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError, match="'vgg' is unknown. Choose one of mini_preact_resnet"):
        build_model("vgg", COLOUR, 10)
    model = build_model("mini_preact_resnet", COLOUR, 10)
    for name in ("nose", "blocks.0", "bn"):
        with pytest.raises(ConfigError, match=f"no layer '{name}'. Choose one of stem, blocks.0"):
            tunable_layer(model, name)


NAMES = tunable_layer_names("mini_preact_resnet")


@pytest.mark.parametrize(("text", "names"), [
    ("linear", ["linear"]), ("all", list(NAMES)), ("linear,stem", ["stem", "linear"]),
    ("blocks.2", ["blocks.2.conv1", "blocks.2.conv2", "blocks.2.shortcut"]),
    ("blocks", list(NAMES[1:-1])), ("blocks.0, blocks.0.conv1 ,linear",
                                    ["blocks.0.conv1", "blocks.0.conv2", "linear"])])
def test_what_a_text_tunes_comes_from_input_to_output_each_once(text, names):
    model = on_meta("mini_preact_resnet")
    found = tuned_layers(model, text)
    assert list(found) == names
    assert all(layer is model.get_submodule(name) for name, layer in found.items())
