"""Landscape figures: what is drawn where, shared scales, blanks."""

import numpy as np
import plotly.graph_objects as go
import pytest

from app.figures import landscape
from app.theme import METHODS

SIDE = np.linspace(-1, 1, 5)
BOWL = 0.1 + SIDE[None] ** 2 + SIDE[:, None] ** 2
LOSSES = {"before": 10 * BOWL, "ngf": BOWL, "sgd": 3 * BOWL}


def contours(figure: go.Figure) -> list[go.Contour]:
    return [trace for trace in figure.data if trace.type == "contour"]


def test_contours_share_one_log_colour_scale() -> None:
    figure = landscape.contour_row(SIDE, SIDE, LOSSES, log=True, dark=False)
    axis = figure.layout.coloraxis
    assert axis.cmin == pytest.approx(np.log10(0.1))
    assert axis.cmax == pytest.approx(np.log10(21))
    assert [trace.coloraxis for trace in contours(figure)] == ["coloraxis"] * 3
    assert axis.colorscale[0][1].lower() == "#00224e"  # Cividis
    np.testing.assert_allclose(contours(figure)[1].z, np.log10(BOWL))


def test_contours_of_linear_loss_are_the_loss() -> None:
    figure = landscape.contour_row(SIDE, SIDE, LOSSES, log=False, dark=True)
    np.testing.assert_allclose(contours(figure)[0].z, 10 * BOWL)


def test_each_panel_is_named_and_marks_its_model_at_zero() -> None:
    figure = landscape.contour_row(SIDE, SIDE, LOSSES, log=True, dark=False)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [METHODS[name].label for name in LOSSES]
    marks = [trace for trace in figure.data if trace.name == "the model"]
    assert [(mark.x[0], mark.y[0], mark.xaxis) for mark in marks] == [
        (0, 0, "x"), (0, 0, "x2"), (0, 0, "x3")]


def test_blank_cells_are_counted_and_left_blank() -> None:
    holed = BOWL.copy()
    holed[0, 0], holed[1, 1] = np.nan, np.inf
    assert landscape.blank_cells(holed, BOWL) == 2
    figure = landscape.contour_row(SIDE, SIDE, {"before": holed}, log=True, dark=False)
    drawn = np.array(contours(figure)[0].z, float)
    assert np.isnan(drawn[0, 0]) and np.isnan(drawn[1, 1])
    assert np.isfinite(drawn).sum() == drawn.size - 2
    assert contours(figure)[0].connectgaps is False


def test_zero_loss_has_no_logarithm() -> None:
    assert np.isnan(landscape.height(np.array([0.0, -1.0]), log=True)).all()
    np.testing.assert_array_equal(landscape.height(np.array([0.0, 2.0]), log=False), [0.0, 2.0])


def test_all_blank_still_draws() -> None:
    blank = {"before": np.full((5, 5), np.nan)}
    for draw in (landscape.contour_row, landscape.surface_row):
        assert draw(SIDE, SIDE, blank, log=True, dark=False).data


def test_colour_bar_speaks_of_loss_not_of_logarithms() -> None:
    bar = landscape.contour_row(SIDE, SIDE, LOSSES, log=True, dark=False).layout.coloraxis.colorbar
    np.testing.assert_allclose(10.0 ** np.array(bar.tickvals), [float(t) for t in bar.ticktext],
                               rtol=1e-2)


def test_difference_is_after_minus_before_centred_on_zero() -> None:
    figure = landscape.difference_row(SIDE, SIDE, LOSSES, dark=False)
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    np.testing.assert_allclose(maps[0].z, BOWL - 10 * BOWL)
    assert len(maps) == 2
    axis = figure.layout.coloraxis
    assert axis.cmin == -axis.cmax and axis.cmid == 0
    np.testing.assert_allclose(axis.cmax, np.percentile(np.abs(
        np.concatenate([(-9 * BOWL).ravel(), (-7 * BOWL).ravel()])), 98))


def test_difference_of_equal_models_draws() -> None:
    figure = landscape.difference_row(SIDE, SIDE, {"before": BOWL, "ngf": BOWL}, dark=False)
    assert figure.layout.coloraxis.cmax > 0


def test_surfaces_share_height_and_camera() -> None:
    figure = landscape.surface_row(SIDE, SIDE, LOSSES, log=True, dark=False, camera="top")
    scenes = [figure.layout.scene, figure.layout.scene2, figure.layout.scene3]
    assert {tuple(scene.zaxis.range) for scene in scenes} == {(np.log10(0.1), np.log10(21))}
    assert {scene.camera.eye.z for scene in scenes} == {landscape.CAMERAS["top"]["eye"]["z"]}
    assert [trace.scene for trace in figure.data] == ["scene", "scene2", "scene3"]


def test_panels_apart_keep_what_they_share() -> None:
    row = landscape.contour_row(SIDE, SIDE, LOSSES, log=True, dark=True)
    apart = landscape.panels(row)
    assert [panel.layout.title.text for panel in apart] == [
        f"<b>{METHODS[name].label}</b>" for name in LOSSES]
    for place, panel in enumerate(apart):
        np.testing.assert_array_equal(contours(panel)[0].z, contours(row)[place].z)
        assert panel.layout.coloraxis == row.layout.coloraxis
        assert panel.layout.template == row.layout.template
        assert panel.layout.yaxis.scaleanchor == "x"
        assert {trace.xaxis for trace in panel.data} == {"x"} and len(panel.data) == 3


def test_surfaces_apart_keep_height_and_camera() -> None:
    row = landscape.surface_row(SIDE, SIDE, LOSSES, log=True, dark=False, camera="top")
    for place, panel in enumerate(landscape.panels(row)):
        np.testing.assert_array_equal(panel.data[0].z, row.data[place].z)
        assert panel.data[0].scene == "scene" and len(panel.data) == 1
        assert panel.layout.scene.zaxis.range == row.layout.scene.zaxis.range
        assert panel.layout.scene.camera == row.layout.scene.camera
        assert panel.layout.scene.domain.x == (0, 1)


def test_line_draws_clean_thin_and_triggered_thick() -> None:
    curves = {"ngf": {"clean": SIDE**2 + 0.1, "triggered": SIDE**2 + 1}}
    figure = landscape.line(SIDE, curves, log=True, dark=False)
    lines = {trace.name: trace.line for trace in figure.data if trace.x[0] is not None}
    assert lines["NGF, clean"].width < lines["NGF, triggered"].width
    assert {line.color for line in lines.values()} == {METHODS["ngf"].color}
    assert {line.dash for line in lines.values()} == {METHODS["ngf"].dash}


def test_line_of_a_benign_model_has_no_triggered_curve() -> None:
    figure = landscape.line(SIDE, {"before": {"clean": SIDE**2 + 1}}, log=False, dark=True)
    assert [t.name for t in figure.data] == ["clean images", "No defense, clean"]
    assert list(landscape.line_table(SIDE, {"before": {"clean": SIDE}})) == ["t", "before clean"]


def test_end_labels_do_not_overlap() -> None:
    curves = {name: {"clean": SIDE**2 + 1, "triggered": SIDE**2 + 1.001} for name in LOSSES}
    curves["before"]["triggered"] = SIDE**2 + 9
    figure = landscape.line(SIDE, curves, log=False, dark=False)
    places = sorted(float(note.ay) for note in figure.layout.annotations if note.ayref == "y")
    low, high = figure.layout.yaxis.range
    assert len(places) == 6
    assert np.diff(places).min() > (high - low) / 25


def test_model_plane_labels_corners_and_draws_both_paths() -> None:
    points = {"before": np.array([0.0, 0.0]), "ngf": np.array([1.0, 0.0]),
              "sgd": np.array([0.4, 0.8])}
    paths = {"ngf": np.array([[0, 0], [0.5, 0.1], [1, 0]]), "sgd": np.array([[0, 0], [0.4, 0.8]])}
    figure = landscape.model_plane(SIDE, SIDE, BOWL, points, paths, log=True, dark=False)
    texts = {note.text: (note.x, note.y) for note in figure.layout.annotations}
    assert texts == {"<b>No defense</b>": (0, 0), "<b>NGF</b>": (1, 0), "<b>SGD</b>": (0.4, 0.8)}
    drawn = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "lines"
             and trace.line.color == METHODS["ngf"].color]
    np.testing.assert_allclose(drawn[0].x, [0, 0.5, 1])
    assert figure.layout.yaxis.scaleanchor == "x"
    assert "NGF" in figure.layout.xaxis.title.text


def test_plane_table_has_one_row_a_cell() -> None:
    table = landscape.plane_table(SIDE, SIDE, {"ngf": BOWL})
    row = table[(table["x"] == 1.0) & (table["y"] == -1.0)]
    assert len(table) == 25 and row["ngf"].item() == pytest.approx(2.1)
    rectangle = landscape.plane_table(SIDE, SIDE[:2], {"ngf": BOWL[:2]})
    assert rectangle.loc[5, ["x", "y", "ngf"]].tolist() == [-1.0, -0.5, BOWL[1, 0]]


@pytest.mark.parametrize("dark", [False, True])
def test_text_colour_follows_the_page(dark: bool) -> None:
    figure = landscape.contour_row(SIDE, SIDE, LOSSES, log=True, dark=dark)
    colour = figure.layout.template.layout.font.color
    assert (int(colour[1:3], 16) > 128) is dark


HALF = np.eye(5, dtype=bool)


def dots(figure: go.Figure) -> list:
    return [trace for trace in figure.data if trace.name == "computed"]


def test_computed_points_are_drawn_where_they_are_and_only_on_interpolated_panels() -> None:
    tall = SIDE[:4] + 5
    losses = {name: z[:4] for name, z in LOSSES.items()}
    mask = np.zeros((4, 5), bool)
    mask[3, 1] = True
    row = landscape.contour_row(SIDE, tall, losses, log=True, dark=False, computed={"ngf": mask})
    assert [(list(d.x), list(d.y), d.xaxis) for d in dots(row)] == [([SIDE[1]], [tall[3]], "x2")]
    apart = landscape.panels(row)
    assert [len(dots(panel)) for panel in apart] == [0, 1, 0]
    solid = landscape.surface_row(SIDE, tall, losses, log=True, dark=False,
                                  computed={"ngf": mask})
    (dot,) = dots(solid)
    assert (dot.scene, dot.x[0], dot.y[0]) == ("scene2", SIDE[1], tall[3])
    assert dot.z[0] == pytest.approx(np.log10(BOWL[3, 1]))
    assert [len(dots(panel)) for panel in landscape.panels(solid)] == [0, 1, 0]
    points = {"before": np.zeros(2), "ngf": np.ones(2)}
    plane = landscape.model_plane(SIDE, SIDE, BOWL, points, {}, log=True, dark=False,
                                  computed=HALF)
    assert list(dots(plane)[0].x) == list(SIDE)


def test_notes_stand_below_the_titles_and_axes_are_named() -> None:
    row = landscape.contour_row(SIDE, SIDE, LOSSES, log=True, dark=False,
                                notes={"ngf": "curvature 3<br>interpolated"}, axes=("one", "two"))
    titles = [note.text for note in row.layout.annotations]
    assert "curvature 3<br>interpolated" in titles[1] and titles[1].startswith("NGF")
    assert row.layout.margin.t > landscape.contour_row(
        SIDE, SIDE, LOSSES, log=True, dark=False).layout.margin.t
    for panel in landscape.panels(row):
        assert (panel.layout.xaxis.title.text, panel.layout.yaxis.title.text) == ("one", "two")
    change = landscape.difference_row(SIDE, SIDE, LOSSES, dark=False, axes=("one", "two"))
    assert change.layout.xaxis.title.text == "one"


def test_lines_may_have_places_of_their_own_and_named_marks() -> None:
    places = {"ngf": SIDE, "sgd": SIDE[:3] * 2}
    curves = {"ngf": {"clean": SIDE**2 + 1}, "sgd": {"clean": SIDE[:3] ** 2 + 1}}
    figure = landscape.line(places, curves, log=False, dark=False, axis="steps", points=True,
                            marks={0.0: "no defense", 1.0: "purified"})
    lines = {trace.name: trace for trace in figure.data if trace.x[0] is not None}
    assert list(lines["SGD, clean"].x) == list(SIDE[:3] * 2)
    assert lines["SGD, clean"].mode == "lines+markers"
    assert figure.layout.xaxis.title.text == "steps"
    assert {(n.text, n.x) for n in figure.layout.annotations if n.yref == "paper"} == {
        ("no defense", 0.0), ("purified", 1.0)}
    assert [shape.x0 for shape in figure.layout.shapes] == [0.0, 1.0]
    table = landscape.line_table(places, curves)
    assert list(table) == ["model", "t", "clean"] and len(table) == 8
    assert table[table.model == "sgd"].clean.tolist() == (SIDE[:3] ** 2 + 1).tolist()


def test_names_of_close_models_give_way_to_each_other() -> None:
    points = {"before": np.array([0.0, 0.0]), "ngf": np.array([5.0, -1.0]),
              "sgd": np.array([0.2, 0.3])}
    figure = landscape.model_plane(SIDE, SIDE, BOWL, points, {}, log=True, dark=False)
    shifts = {note.text: note.yshift for note in figure.layout.annotations}
    assert shifts["<b>No defense</b>"] < 0 < shifts["<b>SGD</b>"]


def test_a_plane_of_paths_names_its_axes() -> None:
    points = {"before": np.zeros(2), "ngf": np.ones(2)}
    figure = landscape.model_plane(SIDE, SIDE, BOWL, points, {}, log=True, dark=False,
                                   axes=("first", "second"))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("first", "second")


def test_a_live_surface_holds_what_is_known_and_marks_what_was_computed() -> None:
    part = BOWL.copy()
    part[2:] = np.nan
    options = landscape.live_plane(SIDE, SIDE, part, log=True, dark=True, computed=HALF)
    heat, computed = options["series"]
    assert [cell[:2] for cell in heat["data"]] == [[j, i] for i in range(2) for j in range(5)]
    assert heat["data"][6][2] == pytest.approx(np.log10(BOWL[1, 1]), abs=1e-4)
    assert computed["data"] == [[i, i] for i in range(5)]
    scale = options["visualMap"]
    assert (scale["min"], scale["max"]) == pytest.approx(
        (np.log10(BOWL[:2].min()), np.log10(BOWL[:2].max())))
    rows = landscape.live_plane(SIDE, SIDE, part, log=True, dark=False,
                                computed=np.isfinite(part))
    assert len(rows["series"]) == 1 and not rows["animation"]
    assert landscape.live_plane(SIDE, SIDE, np.full((5, 5), np.nan), log=True, dark=False)


def test_the_points_of_a_path_can_be_clicked_and_one_is_ringed() -> None:
    path = np.array([[0.0, 0.0], [0.4, 0.1], [1.0, 0.0]])
    side = np.linspace(-1, 2, 4)
    drawn = landscape.model_plane(side, side, np.ones((4, 4)),
                                  {"before": path[0], "ngf": path[-1]}, {"ngf": path},
                                  log=False, dark=False, chosen=(0.4, 0.1),
                                  steps={"ngf": np.array([0, 10, 20])})
    marks = [trace for trace in drawn.data if trace.type == "scatter" and trace.mode == "markers"]
    points, before, end, ring = marks
    assert [list(at) for at in points.customdata] == [["ngf", 0], ["ngf", 10], ["ngf", 20]]
    assert list(before.customdata[0]) == ["ngf", 0] and list(end.customdata[0]) == ["ngf", 20]
    assert (ring.x[0], ring.y[0]) == (0.4, 0.1) and ring.marker.symbol == "circle-open"
