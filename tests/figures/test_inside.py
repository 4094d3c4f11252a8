"""Figures of the page Inside: groups and rings of points, counts, shifts and maps."""

import numpy as np
import pytest

from app.figures import channels, confusion, inside, saliency
from tests.support.fabricated_inside import CLEAN, NAMES, VICTIMS, made_up


@pytest.fixture(scope="module")
def look():
    return made_up({"before": [2, 2, 2, 2, 2, 0], "ngf": [0, 1, 0, 1, 0, 2]})


def tables(look):
    plane = look.plane()
    return [inside.points_table(look, model, plane.project(look.features(model)))
            for model in look.models]


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_points_are_grouped_by_what_they_are_and_what_is_answered(look):
    before, after = tables(look)
    assert before["image"].tolist() == inside.image_ids(look) == [
        *(f"c{i}" for i in range(CLEAN)), *(f"t{i}" for i in range(VICTIMS))]
    assert before["group"].value_counts().to_dict() == {
        "clean": 6, "target": 3, "obeyed": 5, "resisted": 1}
    assert after.set_index("image")["group"][["t0", "t5"]].tolist() == ["resisted", "obeyed"]
    row = before.set_index("image").loc["t1"]
    assert (row["true label"], row["answer"]) == ("yield", "no entry")
    assert inside.group_titles(look)["target"] == "clean, no entry (attacker's label)"


def test_an_attack_on_several_labels_has_no_group_of_its_label(look):
    several = made_up({"before": [2] * 6})
    several.wanted[0] = 1
    assert inside.attackers_label(several) is None and inside.attackers_label(look) == 2
    assert "target" not in set(inside.points_table(several, "before", np.zeros((15, 2)))["group"])
    assert "target" not in inside.group_titles(several)


@pytest.mark.parametrize("dark", [False, True])
def test_picked_images_are_ringed_where_they_lie_in_each_picture(look, dark):
    made = tables(look)
    panels = inside.projection(made, inside.group_titles(look), ("one", "two"), ["t2", "c4"],
                               shared=True, dark=dark)
    for table, panel in zip(made, panels, strict=True):
        ring = traces(panel)["picked out"]
        expected = table[table["image"].isin(["c4", "t2"])]
        assert list(ring.x) == expected["x"].tolist() and list(ring.y) == expected["y"].tolist()
    assert panels[0].layout.xaxis.range == panels[1].layout.xaxis.range
    assert panels[0].layout.dragmode == "lasso" and panels[1].layout.dragmode is False
    named = [point[0] for trace in panels[0].data if trace.customdata is not None
             for point in trace.customdata]
    assert sorted(named) == sorted(inside.image_ids(look))


def test_pictures_of_planes_of_their_own_have_axes_of_their_own(look):
    panels = inside.projection(tables(look), inside.group_titles(look), ("", ""), [], shared=False,
                               dark=False)
    assert panels[0].layout.xaxis.range is None


def test_counts_are_written_and_coloured_by_their_share_of_the_row(look):
    counts = {model: look.confusion(model, "triggered") for model in look.models}
    assert counts["before"].tolist() == [[0, 0, 3], [1, 0, 2], [0, 0, 0]]
    before, _ = confusion.matrices(counts, NAMES, 2, dark=False)
    heat = before.data[0]
    assert np.allclose(heat.z[:2], [[0, 0, 1], [1 / 3, 0, 2 / 3]]) and np.isnan(heat.z[2]).all()
    written = {(x, y): text for trace in before.data[1:]
               for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)}
    assert written == {(2, 0): "3", (0, 1): "1", (2, 1): "2"}
    assert before.layout.xaxis.ticktext[2] == "<b>no entry</b>"
    table = confusion.matrices_table(counts, NAMES)
    assert table["images"].sum() == 2 * VICTIMS


def test_many_classes_are_not_written_into_cells():
    (panel,) = confusion.matrices({"before": np.eye(43, dtype=int)}, [str(i) for i in range(43)],
                                  None, dark=False)
    assert len(panel.data) == 1


def test_the_channels_moved_most_come_first_with_their_errors(look):
    shifts = {model: look.shift(model) for model in look.models}
    before, after = channels.channels(shifts, 2, dark=False)
    assert list(before.layout.yaxis.ticktext) == ["channel 1", "channel 3"]
    assert np.allclose(before.data[0].x, [5, 2], atol=1e-5)
    assert np.allclose(before.data[1].x, [0.5, 0.2], atol=1e-5)
    assert np.allclose(before.data[0].error_x.array, 1.96 * shifts["before"].error[[1, 3]])
    assert before.layout.xaxis.range == after.layout.xaxis.range
    ends = [x + sign * bar for panel in (before, after) for trace in panel.data
            for x, bar in zip(trace.x, trace.error_x.array, strict=True) for sign in (-1, 1)]
    assert before.layout.xaxis.range[0] < min(ends) and max(ends) < before.layout.xaxis.range[1]
    table = channels.channels_table(shifts)
    assert len(table) == 8 and table.query("model == 'before' and rank == 1")["channel"].item() == 1


def test_an_even_map_is_one_everywhere():
    maps = np.ones((3, 4, 4))
    maps[1] *= 7.0
    maps[2] = 0.0
    assert np.allclose(saliency.mean_map(maps), 1)
    maps[0] = np.nan
    assert np.allclose(saliency.mean_map(maps), 1)
    assert not saliency.mean_map(maps[2:]).any()


def test_maps_share_a_scale_and_frame_the_trigger():
    pixels = np.zeros((4, 4), bool)
    pixels[2:, 3] = True
    maps = {"before": np.full((4, 4), 2.0), "ngf": np.full((4, 4), 5.0)}
    before, after = saliency.mean_maps(maps, pixels, dark=False)
    assert before.layout.coloraxis.cmax == after.layout.coloraxis.cmax == 5
    (frame,) = before.layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (2.5, 3.5, 1.5, 3.5)
    assert len(saliency.pixel_table(maps)) == 32


def test_maps_become_pictures_from_dark_to_bright():
    maps = np.zeros((2, 3, 3))
    maps[0, 1, 1] = 4.0
    shown = saliency.colored(maps)
    assert shown.shape == (2, 3, 3, 3) and shown.dtype == np.uint8
    assert shown[0, :, 1, 1].sum() > 3 * shown[0, :, 0, 0].sum()
    assert (shown[1] == shown[1, :, :1, :1]).all(), "a map of zeros is dark"
