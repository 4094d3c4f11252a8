"""The painted trigger: blended by hand, its texts as parameters, a short real training."""

import numpy as np
import pytest
import torch
from PIL import Image

from ngf_core.attacks.attack import changes_from, changes_text
from ngf_core.attacks.drawing import to_text
from ngf_core.config import ImportConfig, TrainConfig, config_sha, from_json, to_json
from ngf_core.config.command import command_words
from ngf_core.errors import ConfigError
from ngf_core.execute.standing import is_current
from ngf_core.execute.train import execute
from ngf_core.runs import RunStore, RunWriter
from ngf_core.trained.gallery import gallery
from ngf_core.trained.load import attack_in, dataset_of, poisoned_set
from tests.support.small_attacks import CROSS, attack, cross, pictures

RED_SQUARE = np.zeros((32, 32, 4), np.uint8)
RED_SQUARE[24:30, 24:30] = (255, 0, 0, 255)
SQUARE = to_text(RED_SQUARE)


def small(height: int = 2, width: int = 3) -> np.ndarray:
    drawing = np.zeros((height, width, 4), np.uint8)
    drawing[0, 1] = (255, 0, 0, 255)
    drawing[1, 2] = (10, 200, 30, 255)
    return drawing


def painted(drawing: np.ndarray, shape: tuple[int, int, int], **changes: float):
    return attack("painted", shape, changes={"picture": to_text(drawing), **changes})


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_paint_is_blended_as_the_formula_says(alpha):
    x, drawing = pictures(4, (3, 2, 3)), small()
    by_hand = x.numpy().astype(np.float64)
    for row in range(2):
        for column in range(3):
            *colour, paint = drawing[row, column].astype(float)
            if paint:
                for channel in range(3):
                    was = by_hand[:, channel, row, column]
                    by_hand[:, channel, row, column] = (1 - alpha) * was + alpha * colour[channel]
    stamped = painted(drawing, (3, 2, 3), alpha=alpha).trigger(x).numpy()
    # Halves are rounded to even levels or, as 0.3 is none in float32, to the level beside.
    assert np.abs(stamped - by_hand).max() <= 0.5 + 1e-4
    untouched = drawing[..., 3] == 0
    assert (stamped[..., untouched] == x.numpy()[..., untouched]).all()


def test_images_of_another_size_get_the_nearest_pixels():
    x = torch.zeros(1, 3, 4, 6, dtype=torch.uint8)
    stamped = painted(small(), (3, 4, 6)).trigger(x)[0].numpy()
    doubled = small()[..., :3].repeat(2, 0).repeat(2, 1).transpose(2, 0, 1)
    np.testing.assert_array_equal(stamped, doubled)


def test_grey_images_get_the_luma_that_pillow_gives():
    generator = np.random.default_rng(0)
    drawing = generator.integers(0, 256, (10, 10, 4), dtype=np.uint8)
    drawing[..., 3] = 255
    stamped = painted(drawing, (1, 10, 10)).trigger(torch.zeros(1, 1, 10, 10, dtype=torch.uint8))
    luma = np.asarray(Image.fromarray(drawing[..., :3]).convert("L"))
    np.testing.assert_array_equal(stamped[0, 0].numpy(), luma)


def test_a_picture_that_vanishes_on_small_images_is_refused():
    line = np.zeros((32, 32, 4), np.uint8)
    line[5] = 255
    labels = torch.arange(100) % 10
    painted(line, (3, 32, 32)).check(labels, labels)
    with pytest.raises(ConfigError, match="parameters: of the picture, 32 x 32 pixels, nothing is "
                       "left on images of 8 x 8. Paint with a broader brush"):
        painted(line, (3, 8, 8)).check(labels, labels)


def test_without_a_picture_there_is_no_trigger():
    from ngf_core.attacks.attack import build_attack

    bare = build_attack("painted", target=0, poison_rate=0.1, seed=0, shape=(3, 32, 32),
                        classes=10)
    labels = torch.arange(100) % 10
    assert not bare.ready
    for ask in (lambda: bare.check(labels, labels), lambda: bare.trigger(pictures(1))):
        with pytest.raises(ConfigError, match="Painted trigger has no picture. Paint one on the"):
            ask()
    shown = gallery(TrainConfig(dataset="digits", attack="painted"))
    assert shown.triggered is None and shown.quality is None and len(shown.clean)


def test_only_a_painted_trigger_has_a_picture():
    with pytest.raises(ConfigError, match="BadNets has no parameter 'picture'"):
        attack("badnets", changes={"picture": CROSS})
    with pytest.raises(ConfigError, match="alpha = 3 is out of range"):
        attack("painted", changes={"alpha": 3.0})
    with pytest.raises(ConfigError, match="the picture ends before"):
        attack("painted", changes={"picture": "AAAA"})


def test_parameters_go_to_text_and_back():
    changes = {"picture": CROSS, "alpha": 0.5}
    assert changes_text(changes) == f"picture={CROSS},alpha=0.5"
    assert changes_from(changes_text(changes)) == changes
    with pytest.raises(ConfigError, match="picture is given twice"):
        changes_from(f"picture={CROSS},picture={CROSS}")


def test_equal_pictures_are_equal_settings():
    def config(drawing: np.ndarray) -> TrainConfig:
        return TrainConfig(attack="painted", parameters=f"picture={to_text(drawing)}")

    one, same, other = config(cross()), config(cross().copy()), config(cross()[::-1])
    assert config_sha(one) == config_sha(same) != config_sha(other)
    assert from_json(to_json(one)) == one
    assert command_words(one)[3:] == ["train", "--attack", "painted", "--parameters",
                                      one.parameters]
    assert "'" not in one.parameters and '"' not in one.parameters


def test_a_model_from_elsewhere_may_have_one():
    config = ImportConfig(file="a", normalisation="ngf", attack="painted",
                          parameters=f"picture={CROSS}")
    assert from_json(to_json(config)) == config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("painted"))
    store.prepare()
    config = TrainConfig(dataset="digits", attack="painted", parameters=f"picture={SQUARE}",
                         epochs=5, limit=60, batch_size=32, poison_rate=0.2, precision="float32")
    run = store.create(config)
    writer = RunWriter(run)
    writer.begin(threads=1)
    writer.finish(execute(config, store, writer))
    return store.get(run.id)


def test_a_model_learns_it(trained):
    rates = trained.results["train"]
    assert rates["asr"]["hits"] > 0.9 * rates["asr"]["n"]
    assert rates["acc"]["hits"] > 0.5 * rates["acc"]["n"]
    assert trained.results["parameters"] == {"alpha": 1.0, "picture": SQUARE}
    assert is_current(trained)


def test_its_trigger_and_its_poison_are_rebuilt_from_the_run(trained):
    dataset = dataset_of(trained.config)
    again = attack_in(trained, trained.config, dataset)
    stamped, x = again.trigger(dataset.test.x[:3]), dataset.test.x[:3].clone()
    x[:, :, 24:30, 24:30] = 76  # the luma of red
    assert torch.equal(stamped, x)
    poisoned = poisoned_set(trained)
    assert (poisoned.images.x[poisoned.indices][:, 0, 24:30, 24:30] == 76).all()
