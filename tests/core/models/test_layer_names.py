"""What a text names among the layers of a network."""

import pytest

from ngf_core.errors import ConfigError
from ngf_core.models.layer_names import blocks, named_layers

NAMES = ("stem", "blocks.0.conv1", "blocks.0.conv2", "blocks.1.conv1", "blocks.1.conv2",
         "blocks.1.shortcut", "linear")


@pytest.mark.parametrize(("text", "names"), [
    ("linear", ["linear"]), ("last", ["linear"]), ("stem,last", ["stem", "linear"]),
    ("all", list(NAMES)), (" linear, stem", ["stem", "linear"]),
    ("blocks.1,blocks.1.conv2", list(NAMES[3:6])), ("blocks", list(NAMES[1:6]))])
def test_layers_come_in_the_networks_order_each_once(text, names):
    assert named_layers(NAMES, text) == names


@pytest.mark.parametrize("text", ["nose", "linear,nose", "block", "blocks.1.conv", "", "linear,"])
def test_a_text_that_names_no_layer_lists_layers_and_blocks(text):
    part = text.split(",")[-1]
    with pytest.raises(ConfigError, match=f"no layer '{part}'. Choose one of stem, .*, linear, a "
                       r"block \(blocks, blocks.0, blocks.1\), last or all"):
        named_layers(NAMES, text)


def test_without_blocks_none_is_offered():
    with pytest.raises(ConfigError, match="Choose one of conv, linear, last or all"):
        named_layers(("conv", "linear"), "nose")


@pytest.mark.parametrize("text", ["auto", "auto,linear"])
def test_auto_names_no_layer_until_one_was_chosen(text):
    with pytest.raises(ConfigError, match="auto names no layer .* Use auto alone, or call"):
        named_layers(NAMES, text)


def test_blocks_hold_several_layers_and_have_one_name():
    assert blocks(["stem", "a.b.c1", "a.b.c2", "d.c1", "d.c2", "d.e.c3", "f.g"]) == ("a", "d")
    assert blocks(["conv1", "linear"]) == ()
