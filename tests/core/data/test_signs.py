"""The signs: reproducible, balanced, varied as stated, and telling only through the sign itself."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator
from torch.nn.functional import affine_grid, grid_sample

from ngf_core.data import make_signs_asset, sign_shapes, signs
from ngf_core.data.make_signs_asset import near_ties
from ngf_core.data.sign_scenes import branches, half_plane, surroundings, texture
from ngf_core.data.signs import CLASS_NAMES, render_signs
from ngf_core.errors import ConfigError, NGFError

HOME = Path(__file__).parents[3]


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def art():
    return sign_shapes.artwork(48)


@pytest.fixture(scope="module")
def photographs():
    return render_signs(1005, 7)


def test_shapes_types_and_balance(photographs):
    x, y = photographs
    assert (x.shape, x.dtype) == ((1005, 3, 32, 32), torch.uint8)
    assert (y.shape, y.dtype) == ((1005,), torch.int64)
    assert sorted(torch.bincount(y, minlength=10).tolist()) == [100] * 5 + [101] * 5
    assert len(set(CLASS_NAMES)) == 10
    assert torch.bincount(render_signs(3, 0)[1]).max() == 1


def test_count_and_seed_determine_every_byte():
    x, y = render_signs(130, 3)
    again, labels = render_signs(130, 3)
    assert torch.equal(x, again) and torch.equal(y, labels)
    other, other_labels = render_signs(130, 4)
    assert not torch.equal(y, other_labels)
    assert (x == other).double().mean() < 0.1


def test_the_number_of_threads_changes_nothing():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone, _ = render_signs(130, 5)
        torch.set_num_threads(2)
        together, _ = render_signs(130, 5)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone, together)


def test_the_callers_randomness_is_neither_used_nor_touched():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, _ = render_signs(10, 0)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, render_signs(10, 0)[0])


def test_loading_draws_once_and_then_reads_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path))
    monkeypatch.setattr(signs, "COUNT", 20)
    index, level = torch.tensor([0, 5, 61_439]), torch.tensor([7, 9, 250], dtype=torch.uint8)
    monkeypatch.setattr(signs, "_ties", lambda: (index, level))
    x, y = signs.load()
    expected, labels = render_signs(20, signs.SEED)
    expected[0, 0, 0, [0, 5]], expected[19, 2, 31, 31] = level[:2], level[2]
    assert torch.equal(x, expected) and torch.equal(y, labels)

    def drawn_again(count, seed):
        raise AssertionError("drawn again")

    monkeypatch.setattr(signs, "settled_signs", drawn_again)
    x, y = signs.load()
    assert torch.equal(x, expected) and torch.equal(y, labels)
    for name, value in (("SEED", 1), ("_ties", lambda: (index, level + 1))):
        with monkeypatch.context() as patch, pytest.raises(AssertionError, match="drawn again"):
            patch.setattr(signs, name, value)
            signs.load()


@pytest.mark.parametrize("instructions", ["default", "avx2"])
def test_the_signs_are_the_same_with_other_vector_instructions(instructions):
    """And those on which the models that ship were trained."""
    code = ("from ngf_core.data.dataset import checksum; from ngf_core.data import signs; "
            "print(checksum(*signs.settled_signs(signs.COUNT, signs.SEED)))")
    drawn = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                           cwd=HOME, env=os.environ | {"ATEN_CPU_CAPABILITY": instructions,
                                                       "OMP_NUM_THREADS": "1"})
    manifest = json.loads((HOME / "assets/zoo/signs-none-s0-train/manifest.json").read_text())
    assert drawn.stdout.strip() == manifest["data_sha"] == signs.CHECKSUM


def test_ties_are_found_with_the_levels_they_round_to():
    near = signs.NEAR / 2
    levels = torch.tensor([[3.5 - near, 3.5 + near, 7.0, 7.4], [0.5, 254.5, 8.5 - 4 * near, 255.0]])
    index, level = near_ties(levels)
    assert index.tolist() == [0, 1, 4, 5] and level.tolist() == [3, 4, 0, 254]
    assert (index.dtype, level.dtype) == (np.int32, np.uint8)


@pytest.mark.parametrize("content", [None, b"broken"])
def test_without_its_file_it_says_what_to_do(content, tmp_path, monkeypatch):
    monkeypatch.setattr(signs, "TIES", tmp_path / "ties.npz")
    if content:
        signs.TIES.write_bytes(content)
    with pytest.raises(NGFError, match="cannot be drawn: .*ties.npz is missing.*Restore"):
        signs.load()


def test_other_signs_are_not_made_the_asset(tmp_path, monkeypatch):
    monkeypatch.setattr(make_signs_asset, "COUNT", 10)
    with pytest.raises(NGFError, match="drawn here have the checksum .* Use the processor"):
        make_signs_asset.write(tmp_path / "ties.npz")
    assert not (tmp_path / "ties.npz").exists()


def test_no_two_photographs_are_the_same(photographs):
    x, _ = photographs
    assert len(torch.unique(x.flatten(1), dim=0)) == len(x)


def test_the_order_says_nothing_about_the_class(photographs):
    _, y = photographs
    # A random order repeats a class in a tenth of 1,004 neighbours; standard deviation 0.95 %.
    assert abs((y[1:] == y[:-1]).double().mean().item() - 0.1) < 0.04
    place = torch.arange(len(y)).double()
    means = torch.stack([place[y == k].mean() for k in range(10)])
    # The mean place of a class has a standard error of 1005 / sqrt(12 * 100) = 29.
    assert (means - place.mean()).abs().max() < 5 * 29


def test_only_the_sign_itself_depends_on_the_class(art):
    blank = torch.zeros_like(art)
    some, others = torch.arange(60) % 10, (torch.arange(60) + 3) % 10
    empty = signs._photograph(blank, some, generator())
    assert torch.equal(empty, signs._photograph(blank, others, generator()))
    one, two = (signs._photograph(art, labels, generator()) for labels in (some, others))
    changed = (one != two).flatten(1).any(1)
    assert changed.all()


def test_the_nearest_class_mean_beats_chance_clearly(photographs):
    x, y = photographs
    pixels = x[:, :, 4:-4, 4:-4].flatten(1).double()
    pixels = (pixels - pixels.mean(1, keepdim=True)) / pixels.std(1, keepdim=True)
    train, test = slice(0, 700), slice(700, None)
    means = torch.stack([pixels[train][y[train] == k].mean(0) for k in range(10)])
    right = (torch.cdist(pixels[test], means).argmin(1) == y[test]).double().mean()
    # Chance is 0.1, standard deviation 0.03; a mean image of each class does far better, and if
    # it recognised nearly all of them the data set would be too easy to be worth training on.
    assert 0.5 < right < 0.97


def test_the_photographs_vary_in_exposure_and_few_are_invisible(photographs):
    x, _ = photographs
    pixels = x.flatten(1).double()
    level, contrast = pixels.mean(1), pixels.std(1)
    assert level.quantile(0.05) < 60 and level.quantile(0.95) > 150
    assert contrast.quantile(0.05) < 20 and contrast.quantile(0.95) > 60
    assert (contrast < 3).double().mean() < 0.02
    assert (level < 235).double().mean() > 0.98


def test_poses_stay_in_their_stated_ranges_and_fill_them():
    pose = signs.poses(4000, generator()).double()
    linear, shift = pose[:, :, :2], pose[:, :, 2:]
    centre = torch.linalg.solve(linear, -shift)
    half = torch.linalg.det(linear) ** -0.5
    assert 0.14 < centre.abs().max() <= 0.15 + 1e-6
    assert 0.62 - 1e-6 <= half.min() < 0.63 and 0.94 < half.max() <= 0.95 + 1e-6
    # Shear leaves the artwork's y axis a pure turn and stretch, so it shows the rotation.
    turn = torch.rad2deg(torch.atan2(-linear[:, 1, 0], linear[:, 1, 1]))
    assert -15 - 1e-4 <= turn.min() < -14.5 and 14.5 < turn.max() <= 15 + 1e-4
    height = 1 / linear[:, 1].norm(dim=1)
    assert 1.0 / 1.1 < (height / half).min() < 0.92 and 1.09 < (height / half).max() < 1.1
    across = (linear[:, 0] * linear[:, 1]).sum(1) * height**2
    shear = across * linear[:, 1].norm(dim=1) * half**2 / height
    assert 0.19 < shear.abs().max() <= 0.2 + 1e-4


def test_a_pose_puts_the_sign_where_it_says(art):
    pose = signs.poses(50, generator())
    grid = affine_grid(pose, (50, 1, 48, 48), align_corners=False)
    disc = art[CLASS_NAMES.index("roundabout"), 0].sum(0).expand(50, 1, 48, 48)
    seen = grid_sample(disc, grid, align_corners=False)[:, 0].double()
    ticks = (torch.arange(48).double() + 0.5) / 24 - 1
    area = seen.sum((1, 2))
    centroid = torch.stack([(seen * ticks).sum((1, 2)), (seen * ticks[:, None]).sum((1, 2))], 1)
    centre = torch.linalg.solve(pose[:, :, :2].double(), -pose[:, :, 2:].double())[..., 0]
    # Large signs that are shifted far lose a sliver at the frame's edge.
    assert (centroid / area[:, None] - centre).abs().max() < 0.04
    expected = math.pi * 0.96**2 / torch.linalg.det(pose[:, :, :2].double()) * 24**2
    assert ((area / expected - 1).abs() < 0.03).double().mean() > 0.8


def test_paints_keep_their_colours_apart():
    white, red, blue, black, yellow = signs.paints(500, generator()).unbind(1)
    assert (red[:, 0] > 1.5 * red[:, 1:].amax(1)).all()
    assert (blue[:, 2] > 1.3 * blue[:, :2].amax(1)).all()
    assert (yellow[:, 1] > 1.2 * yellow[:, 2]).all()
    assert (white.amin(1) > 2 * black.amax(1)).all()


def test_the_lens_keeps_an_even_field_and_blurs_hard_images_more():
    n = 40
    easy, hard = torch.zeros(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)
    even = signs._lens(torch.full((n, 3, 48, 48), 0.4), hard, generator())
    assert even.shape == (n, 3, 32, 32)
    assert torch.allclose(even, torch.tensor(0.4), atol=1e-5)
    point = torch.zeros(n, 3, 48, 48)
    point[:, 1, 24, 24] = 1
    ticks = torch.arange(32).double() + 0.5
    widths = []
    for which in (easy, hard):
        image = signs._lens(point, which, generator()).double()
        assert image[:, 0].abs().max() == 0 and image[:, 2].abs().max() == 0
        profile = image[:, 1].sum(1) / image[:, 1].sum((1, 2))[:, None]
        mean = (profile * ticks).sum(1)
        assert (mean - 24.5 * 32 / 48).abs().max() < 0.2
        widths.append(((profile * ticks**2).sum(1) - mean**2).sqrt())
    assert widths[0].min() > 0.25 and 0.95 < widths[0].max() < 1.05
    # Narrower ones are as coarse as the pixels that measure them.
    wide = widths[0] > 0.5
    assert wide.sum() > 20
    assert torch.allclose(widths[1][wide], 2.5 * widths[0][wide], rtol=0.04)


def test_keep_left_is_the_mirror_image_of_keep_right_and_no_other_pair_is(art):
    first = art[:, 0]
    apart = torch.stack([(first - sign.flip(-1)).abs().mean((1, 2, 3)) for sign in first])
    mirrored = (apart + torch.eye(10)) < 0.01
    left, right = CLASS_NAMES.index("keep left"), CLASS_NAMES.index("keep right")
    assert mirrored.nonzero().tolist() == [[right, left], [left, right]]


def test_some_classes_differ_in_the_symbol_only(art):
    first = art[:, 0]
    index = CLASS_NAMES.index
    small = (first[index("speed limit 30")] - first[index("speed limit 80")]).abs().sum(0) / 2
    assert 0.005 < small.mean() < 0.03
    for one, two in (("speed limit 30", "speed limit 80"), ("keep left", "roundabout")):
        outlines = [first[index(name)].sum(0) for name in (one, two)]
        assert torch.allclose(*outlines, atol=1e-6)


def test_editions_of_a_class_differ_less_than_classes(art):
    assert art.shape == (10, len(sign_shapes.EDITIONS), 5, 48, 48)
    for sign in art:
        change = (sign[1:] - sign[:1]).abs().sum(1).mean((1, 2)) / 2
        assert (change > 0.01).all() and (change < 0.2).all()


def test_paint_shares_are_shares(art):
    assert art.min() >= 0
    assert art.sum(2).max() <= 1 + 1e-6
    assert art[..., 0, 0].abs().max() == 0


def test_covered_areas_are_those_of_geometry(art):
    covered = art[:, 0].sum(1).double().mean((1, 2)) * 4
    index = CLASS_NAMES.index
    assert covered[index("no entry")].item() == pytest.approx(math.pi * 0.96**2, rel=2e-3)
    assert covered[index("stop")].item() == pytest.approx(2 * math.sqrt(2), rel=2e-3)
    # A polygon rounded by r gains perimeter * r and pi r^2.
    triangle = 0.75 * math.sqrt(3) * 0.9**2 + 3 * math.sqrt(3) * 0.9 * 0.13 + math.pi * 0.13**2
    assert covered[index("yield")].item() == pytest.approx(triangle, rel=2e-3)


def test_signed_distances_agree_with_closed_forms():
    p = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    x, y = p.T
    assert np.allclose(sign_shapes.disc(p, 0.4, (0.1, 0)), np.sqrt((x - 0.1) ** 2 + y**2) - 0.4)
    square = np.array([(-0.5, -0.3), (0.5, -0.3), (0.5, 0.3), (-0.5, 0.3)])
    dx, dy = np.abs(x) - 0.5, np.abs(y) - 0.3
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    box = outside + np.minimum(np.maximum(dx, dy), 0)
    assert np.allclose(sign_shapes.polygon(p, square, 0.05), box - 0.05)
    bar = sign_shapes.stroke(p, 0.2, np.array([(-0.5, 0.0), (0.5, 0.0)]))
    assert np.allclose(bar, np.hypot(np.maximum(np.abs(x) - 0.5, 0), y) - 0.1)
    two = sign_shapes.stroke(p, 0.2, square[:2], square[2:])
    assert np.allclose(two, np.hypot(np.maximum(dx, 0), np.abs(np.abs(y) - 0.3)) - 0.1)


def test_surroundings_are_coloured_textured_and_differ():
    scene = surroundings(200, 48, generator())
    assert scene.shape == (200, 3, 48, 48)
    assert scene.min() >= 0 and scene.max() <= 1
    assert scene.mean((2, 3)).std(0).min() > 0.1
    assert (scene.std((2, 3)).amax(1) > 0.01).all()
    field = texture(200, 48, generator())
    assert 0.5 < field.var((1, 2)).mean() < 1
    side = half_plane(400, 48, 0.5, 0.4, generator())
    assert 0 <= side.min() < 0.01 and 0.99 < side.max() <= 1
    assert side.mean().item() == pytest.approx(0.5, abs=0.06)


def test_branches_hang_before_the_stated_share_and_leave_most_of_the_sign():
    cover, colour = branches(2000, 48, 0.1, generator())
    assert colour.shape == (2000, 3, 1, 1)
    touched = cover.amax((1, 2, 3)) > 0.5
    # The binomial share has a standard error of 0.0067; a few pieces stay out of the frame.
    assert 0.07 < touched.double().mean() < 0.13
    assert cover.mean((1, 2, 3)).max() < 0.5
    assert branches(50, 48, 0.0, generator())[0].max() == 0


@pytest.mark.parametrize("count", [0, -5, 2.5, "100", True, None, 10**7])
def test_a_bad_count_is_explained(count):
    with pytest.raises(ConfigError, match=r"count: .* cannot be used.*whole number from 1 to"):
        render_signs(count, 0)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", False, None, 2**63])
def test_a_bad_seed_is_explained(seed):
    with pytest.raises(ConfigError, match=r"seed: .* cannot be used.*whole number from 0 to"):
        render_signs(10, seed)
