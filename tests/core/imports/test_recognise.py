"""Networks recognised from their tensors: equal logits to the code that made them."""

import pytest
import torch
from torch import nn

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError
from ngf_core.imports.networks.network import Hints
from ngf_core.imports.recognise import build, recognise
from ngf_core.models import ARCHITECTURES
from ngf_core.models.build import build_model
from tests.support.foreign_networks import preact_logits, preact_resnet18


def shapes_of(state):
    return {name: tuple(value.shape) for name, value in state.items()}


def loaded(state, hints=None):
    found = build(shapes_of(state), hints)
    found.module.load_state_dict(state)
    return found.module.eval()


@pytest.mark.parametrize("final_norm", [False, True])
@pytest.mark.parametrize("width, classes, channels", [(8, 10, 3), (4, 43, 1)])
def test_backdoorbenchs_preact_resnet(width, classes, channels, final_norm):
    state = preact_resnet18(width, classes, channels, final_norm)
    found = recognise(shapes_of(state))
    assert found.name == f"PreAct-ResNet-18, width {width}"
    assert (found.classes, found.channels) == (classes, channels)
    x = torch.randn(3, channels, 32, 32)
    assert torch.allclose(loaded(state)(x), preact_logits(state, x), atol=1e-4)


def cifar_state(width=8, classes=10):
    """Two stages of one block with the names of CIFAR code, conv-BN before the ReLU."""
    draw, state = torch.Generator().manual_seed(0), {}

    def conv_norm(conv, norm, rows, columns, side):
        state[f"{conv}.weight"] = torch.randn(rows, columns, side, side, generator=draw) / 5
        for part in ("weight", "bias", "running_mean"):
            state[f"{norm}.{part}"] = torch.randn(rows, generator=draw)
        state[f"{norm}.running_var"] = 1 + torch.rand(rows, generator=draw)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    conv_norm("conv1", "bn1", width, 3, 3)
    for stage, out in ((1, width), (2, 2 * width)):
        at = f"layer{stage}.0"
        conv_norm(f"{at}.conv1", f"{at}.bn1", out, width, 3)
        conv_norm(f"{at}.conv2", f"{at}.bn2", out, out, 3)
    conv_norm("layer2.0.shortcut.0", "layer2.0.shortcut.1", 2 * width, width, 1)
    return state | {"linear.weight": torch.randn(classes, 2 * width, generator=draw),
                    "linear.bias": torch.randn(classes, generator=draw)}


def test_a_resnet_of_cifar_code():
    state, x = cifar_state(), torch.randn(3, 3, 32, 32)

    def conv_norm(conv, norm, x, stride=1, padding=1):
        x = nn.functional.conv2d(x, state[f"{conv}.weight"], stride=stride, padding=padding)
        return nn.functional.batch_norm(x, state[f"{norm}.running_mean"],
                                        state[f"{norm}.running_var"], state[f"{norm}.weight"],
                                        state[f"{norm}.bias"])

    y = conv_norm("conv1", "bn1", x).relu()
    for stage in (1, 2):
        at = f"layer{stage}.0"
        inner = conv_norm(f"{at}.conv1", f"{at}.bn1", y, stage).relu()
        skip = y if stage == 1 else conv_norm(f"{at}.shortcut.0", f"{at}.shortcut.1", y, 2, 0)
        y = (conv_norm(f"{at}.conv2", f"{at}.bn2", inner) + skip).relu()
    wanted = nn.functional.linear(y.mean((2, 3)), state["linear.weight"], state["linear.bias"])
    found = recognise(shapes_of(state))
    assert (found.name, found.classes) == ("ResNet-6 for small images, width 8", 10)
    assert torch.allclose(loaded(state)(x), wanted, atol=1e-3)


@pytest.mark.parametrize("name, side", [("resnet18", 32), ("vgg11_bn", 32), ("mobilenet_v2", 64),
                                        ("squeezenet1_1", 64)])
def test_torchvisions_networks(name, side):
    model = torchvision.models.get_model(name, num_classes=7).eval()
    found = recognise(shapes_of(model.state_dict()))
    assert found.name == f"torchvision's {name}" and found.classes == 7
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        assert torch.equal(loaded(model.state_dict())(x), model(x))


def test_widths_tell_networks_of_equal_names_apart():
    for name in ("resnet50", "wide_resnet50_2", "resnext50_32x4d"):
        with torch.device("meta"):
            state = torchvision.models.get_model(name, num_classes=5).state_dict()
        assert recognise(shapes_of(state)).name == f"torchvision's {name}"


def test_a_resnet_with_a_small_stem():
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1, model.maxpool = nn.Conv2d(1, 64, 3, 1, 1, bias=False), nn.Identity()
    found = build(shapes_of(model.state_dict()))
    assert "without pooling" in found.assumed[0]
    found.module.load_state_dict(model.state_dict())
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(found.module.eval()(x), model.eval()(x))


def test_torchvisions_transformer():
    model = torchvision.models.VisionTransformer(32, 8, 2, 4, 64, 128, num_classes=5)
    with pytest.raises(ConfigError, match="those of no network"):  # two blocks: no published size
        recognise(shapes_of(model.state_dict()))
    with torch.device("meta"):
        published = torchvision.models.vit_b_16(image_size=64, num_classes=5).state_dict()
    found = recognise(shapes_of(published))
    assert (found.name, found.side, found.classes) == (
        "torchvision's vit_b_16", 64, 5)


def timm_state(width=64, depth=2, patch=8, side=32, classes=6):
    draw = torch.Generator().manual_seed(0)
    tokens = (side // patch) ** 2
    sizes = {"cls_token": (1, 1, width), "pos_embed": (1, tokens + 1, width),
             "patch_embed.proj.weight": (width, 3, patch, patch), "patch_embed.proj.bias": (width,)}
    for i in range(depth):
        for name, shape in {"norm1": (width,), "attn.qkv": (3 * width, width),
                            "attn.proj": (width, width), "norm2": (width,),
                            "mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}.items():
            sizes |= {f"blocks.{i}.{name}.weight": shape, f"blocks.{i}.{name}.bias": shape[:1]}
    sizes |= {"norm.weight": (width,), "norm.bias": (width,), "head.weight": (classes, width),
              "head.bias": (classes,)}
    return {name: torch.randn(shape, generator=draw) * 0.1 for name, shape in sizes.items()}


def timm_logits(state, x, heads):
    """By torch's own attention on timm's names."""
    width = state["cls_token"].shape[-1]
    x = nn.functional.conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"],
                             stride=state["patch_embed.proj.weight"].shape[-1])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], 1) + state["pos_embed"]

    def norm(name, x):
        return nn.functional.layer_norm(x, (width,), state[f"{name}.weight"],
                                        state[f"{name}.bias"], 1e-6)

    for i in range(2):
        at = f"blocks.{i}"
        attention = nn.MultiheadAttention(width, heads, batch_first=True)
        attention.load_state_dict({
            "in_proj_weight": state[f"{at}.attn.qkv.weight"],
            "in_proj_bias": state[f"{at}.attn.qkv.bias"],
            "out_proj.weight": state[f"{at}.attn.proj.weight"],
            "out_proj.bias": state[f"{at}.attn.proj.bias"]})
        y = norm(f"{at}.norm1", x)
        x = x + attention(y, y, y)[0]
        y = nn.functional.linear(norm(f"{at}.norm2", x), state[f"{at}.mlp.fc1.weight"],
                                 state[f"{at}.mlp.fc1.bias"])
        x = x + nn.functional.linear(nn.functional.gelu(y), state[f"{at}.mlp.fc2.weight"],
                                     state[f"{at}.mlp.fc2.bias"])
    return nn.functional.linear(norm("norm", x)[:, 0], state["head.weight"], state["head.bias"])


@pytest.mark.parametrize("heads", [0, 4])
def test_timms_transformer(heads):
    state = timm_state()
    found = build(shapes_of(state), Hints(heads))
    assert found.side == 32 and len(found.assumed) == (0 if heads else 1)
    x = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        wanted = timm_logits(state, x, heads or 1)
        assert torch.allclose(loaded(state, Hints(heads))(x), wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["preact_resnet18_w16", "mini_vgg", "mini_vit"])
def test_our_own_networks(name):
    model = build_model(name, (3, 32, 32), 10)
    found = build(shapes_of(model.state_dict()))
    found.module.load_state_dict(model.state_dict())
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():  # whose pixels are normalised before
        assert torch.equal(found.module.eval()((x - 0.5) * 4), model.eval()(x))


@pytest.mark.parametrize("shapes", [
    {"conv1.weight": (4, 3, 3, 3), "linear.weight": (10, 4), "layer1.0.bn1.weight": (4,),
     "layer1.5.conv1.weight": (4, 4, 3, 3)},
    {"conv1.weight": (), "linear.weight": (), "layer1.0.bn1.weight": (),
     "layer1.0.conv1.weight": ()},
    {"cls_token": (1, 1, 8), "pos_embed": (1, 0, 8), "patch_embed.proj.weight": (8, 3, 4, 4),
     "head.weight": (2, 8), "blocks.0.attn.qkv.weight": (24, 8),
     "blocks.0.mlp.fc1.weight": (8, 8)}])
def test_names_of_a_family_with_impossible_shapes(shapes):
    with pytest.raises(ConfigError, match="no network that is known here|the names of"):
        recognise(shapes)


def test_heads_that_do_not_divide():
    with pytest.raises(ConfigError, match="5 attention heads do not divide the width 64"):
        recognise(shapes_of(timm_state()), Hints(5))


def test_the_order_of_the_tensors_does_not_matter():
    for state in (torchvision.models.resnet18(num_classes=10).state_dict(), timm_state(),
                  build_model("mini_vgg", (3, 32, 32), 10).state_dict()):
        shapes = dict(sorted(shapes_of(state).items(), reverse=True))
        assert recognise(shapes).classes in (6, 10)


def test_mismatches_are_explained_tensor_by_tensor():
    state = shapes_of(preact_resnet18())
    state["layer2.0.conv2.weight"] = (16, 99, 3, 3)
    del state["layer3.1.bn2.bias"]
    with pytest.raises(ConfigError) as error:
        recognise(state)
    assert "the names of PreAct-ResNet-18, width 8" in str(error.value)
    assert "layer2.0.conv2.weight is 16x99x3x3 in the file and 16x16x3x3 in the network" in str(
        error.value)
    assert "layer3.1.bn2.bias is missing in the file and 32 in the network" in str(error.value)


def outline(name):
    with torch.device("meta"):
        if name in ARCHITECTURES:
            return shapes_of(build_model(name, (3, 32, 32), 10).state_dict())
        return shapes_of(torchvision.models.get_model(name, num_classes=10).state_dict())


def without(shapes, name):
    return {key: shape for key, shape in shapes.items() if key != name}


@pytest.mark.parametrize("change, said", [
    (lambda shapes, norm, layer: without(shapes, norm), "is missing in the file and"),
    (lambda shapes, norm, layer: shapes | {"more": (3,)},
     "but more is 3 in the file and missing in the network. Load"),
    (lambda shapes, norm, layer: shapes | {layer: (1, 2, 3, 3)}, "is 1x2x3x3 in the file and")],
    ids=["missing", "more", "another shape"])
@pytest.mark.parametrize("name, title, norm, layer", [
    ("resnet18", "torchvision's resnet18", "layer3.0.bn1.weight", "layer3.0.conv1.weight"),
    ("preact_resnet18_w16", "PreAct-ResNet-18, width 16", "blocks.4.bn1.weight",
     "blocks.4.conv1.weight"),
    ("mini_vgg", "Mini VGG", "features.11.weight", "features.10.weight")])
def test_a_single_tensor_that_differs_is_named(name, title, norm, layer, change, said):
    with pytest.raises(ConfigError) as error:
        recognise(change(outline(name), norm, layer))
    assert f"file: has the names of {title}, but " in str(error.value)
    assert said in str(error.value) and ";" not in str(error.value)


def test_a_network_without_its_head_is_named():
    shapes = without(without(outline("resnet18"), "fc.weight"), "fc.bias")
    with pytest.raises(ConfigError, match="torchvision's resnet18, but fc.weight is missing in"):
        recognise(shapes)


def test_half_of_a_network_is_none():
    shapes = dict(list(outline("resnet18").items())[:70])
    with pytest.raises(ConfigError, match="70 tensors .* are those of no network"):
        recognise(shapes)


def test_an_unknown_network_says_what_it_saw():
    with pytest.raises(ConfigError, match="2 tensors .encoder.weight, encoder.bias, .*builder"):
        recognise({"encoder.weight": (4, 4), "encoder.bias": (4,)})


def test_counters_may_be_missing():
    state = {name: shape for name, shape in shapes_of(preact_resnet18()).items()
             if not name.endswith("num_batches_tracked")}
    assert recognise(state).classes == 10
    own = {name: shape for name, shape in outline("mini_vgg").items()
           if not name.endswith("num_batches_tracked")}
    assert recognise(own).name == "Mini VGG"
