"""The heat map of a sweep: what each cell shows, whatever it is coloured by."""

import numpy as np
import pandas as pd
import pytest
from plotly.colors import sample_colorscale, unlabel_rgb

from app.figures import sweep as figures
from app.theme import CONTRAST, luminance
from ngf_core.evidence.measures import COUNTS
from ngf_core.sweep.cell_states import STATES

ATTACKS = {"none": "benign", "badnets": "BadNets", "blend": "Blend"}
METHODS = {"": "model", "ngf": "NGF", "sgd": "SGD"}


def cell(attack, seed, method, state, said="", **hits):
    rates = dict.fromkeys(COUNTS)
    for name, count in hits.items():
        rates |= {f"{name}_hits": count, f"{name}_n": 200}
    return {"dataset": "signs", "network": "mini", "attack": attack, "seed": seed,
            "method": method, "state": state, "said": said,
            "run": f"{attack}-{seed}-{method}", **rates}


CELLS = pd.DataFrame([
    cell("none", 0, "", "done", acc=199),
    cell("badnets", 0, "", "done", acc=196, asr=190, ra=4),
    cell("blend", 0, "", "running"),
    cell("none", 1, "", "done", acc=198),
    cell("badnets", 1, "", "done", acc=194, asr=180, ra=6),
    cell("blend", 1, "", "missing"),
    cell("badnets", 0, "ngf", "done", acc=190, asr=3, ra=180),
    cell("blend", 0, "ngf", "queued"),
    cell("badnets", 1, "ngf", "failed", "It <b>diverged</b>. <a href='http://evil.example'>x</a>"),
    cell("badnets", 0, "sgd", "done", acc=188, asr=100, ra=90)]).astype(
        dict.fromkeys(COUNTS, "Int64"))


def heat(show="state", cells=CELLS, dark=False):
    return figures.heat(cells, show, ATTACKS, METHODS, dark=dark)


def places(figure):
    """Row and column of each cell's mark, by (attack, seed, method)."""
    marks = next(trace for trace in figure.data if trace.customdata is not None)
    return {tuple(about): (y, x)
            for about, x, y in zip(marks.customdata, marks.x, marks.y, strict=True)}


def texts(figure):
    return [trace for trace in figure.data if getattr(trace, "mode", None) == "text"]


def shown(figure):
    """What is written into each cell; nothing may be written where none is, or twice."""
    by_place = {at: cell for cell, at in places(figure).items()}
    written = {}
    for words in texts(figure):
        for row, column, text in zip(words.y, words.x, words.text, strict=True):
            name = by_place[row, column]
            assert name not in written
            written[name] = text
    coloured = [tuple(at) for trace in figure.data if trace.type == "heatmap"
                for at in np.argwhere(np.isfinite(trace.z))]
    assert sorted(coloured) == sorted(by_place)
    return written


def test_every_cell_has_the_sign_of_its_state_and_the_others_are_empty():
    assert shown(heat()) == {
        ("none", 0, ""): "✓", ("none", 1, ""): "✓", ("badnets", 0, ""): "✓",
        ("badnets", 1, ""): "✓", ("blend", 0, ""): "►", ("blend", 1, ""): "–",
        ("badnets", 0, "ngf"): "✓", ("badnets", 1, "ngf"): "✕", ("blend", 0, "ngf"): "…",
        ("badnets", 0, "sgd"): "✓"}


def test_each_mark_lies_where_the_axes_name_its_cell():
    figure = heat()
    at = places(figure)
    names = list(figure.layout.yaxis.ticktext), list(figure.layout.xaxis.ticktext)
    assert len(at) == len(CELLS)
    row, column = at["blend", 0, "ngf"]
    assert (names[0][row], names[1][column]) == ("Blend, seed 0", "NGF")
    assert at["blend", 1, ""] == (row + 1, names[1].index("model"))


def test_rows_are_attack_by_attack_and_named_once():
    assert list(heat().layout.yaxis.ticktext) == [
        "benign, seed 0", "1", "BadNets, seed 0", "1", "Blend, seed 0", "1"]
    one = heat(cells=CELLS[CELLS["seed"] == 0])
    assert list(one.layout.yaxis.ticktext) == ["benign", "BadNets", "Blend"]
    assert list(one.layout.xaxis.ticktext) == ["model", "NGF", "SGD"]


@pytest.mark.parametrize("dark", [False, True])
def test_states_differ_in_colour_and_sign_and_the_legend_names_both(dark):
    assert len(set(figures.SIGNS.values())) == len(STATES)
    assert len(set((figures.DARK if dark else figures.LIGHT).values())) == len(STATES)
    legend = [trace.name for trace in heat(dark=dark).data if trace.showlegend is None
              and trace.type == "scatter"]
    assert legend == ["✓ done (6)", "► running (1)", "… queued (1)", "✕ failed (1)",
                      "– missing (1)"]


def test_a_rate_stands_where_it_was_measured_and_the_state_elsewhere():
    cells = CELLS[CELLS["seed"] == 0]
    figure = heat("asr", cells)
    assert shown(figure) == {
        ("none", 0, ""): "✓", ("badnets", 0, ""): "95", ("blend", 0, ""): "►",
        ("badnets", 0, "ngf"): "2", ("blend", 0, "ngf"): "…", ("badnets", 0, "sgd"): "50"}
    rates = next(trace for trace in figure.data if getattr(trace, "zmax", 0) == 100)
    assert rates.z[places(figure)["badnets", 0, "ngf"]] == 1.5
    assert shown(heat("acc", cells))["none", 0, ""] == "100"


def test_bright_is_good():
    def scale(show):
        return heat(show, CELLS[CELLS["asr_n"].notna()]).data[0].colorscale

    assert [color for _, color in scale("asr")] == [color for _, color in scale("ra")][::-1]
    assert scale("ra") == scale("acc") and scale("ra")[0][1] < scale("ra")[-1][1]


@pytest.mark.parametrize("show", figures.SHOWN)
@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_on_their_cells_and_a_click_changes_no_ink(show, dark):
    figure = heat(show, dark=dark)
    shades = {}
    for layer in (trace for trace in figure.data if trace.type == "heatmap"):
        for at in map(tuple, np.argwhere(np.isfinite(layer.z))):
            share = (layer.z[at] - layer.zmin) / (layer.zmax - layer.zmin)
            if layer.zmin == -0.5:
                shades[at] = (figures.DARK if dark else figures.LIGHT)[STATES[int(layer.z[at])]]
            else:
                name = "Cividis_r" if show == "asr" else "Cividis"
                parts = unlabel_rgb(sample_colorscale(name, [share])[0])
                shades[at] = "#" + "".join(f"{round(part):02X}" for part in parts)
    for words in texts(figure):
        ink = luminance(words.textfont.color)
        assert words.unselected.textfont.color == words.selected.textfont.color \
            == words.textfont.color
        for at in zip(words.y, words.x, strict=True):
            deep, light = sorted((ink, luminance(shades[at])))
            assert (light + 0.05) / (deep + 0.05) >= CONTRAST


def test_what_a_run_says_is_no_html():
    marks = next(trace for trace in heat().data if trace.customdata is not None)
    failed = next(text for text in marks.hovertext if "failed" in text)
    assert failed.startswith("BadNets, seed 1, NGF<br>✕ failed<br>It &lt;b&gt;diverged")
    assert "<a" not in failed and "<b>" not in failed
    done = next(text for text in marks.hovertext if text.startswith("BadNets, seed 0, NGF"))
    assert done == "BadNets, seed 0, NGF<br>✓ done<br>ACC 95.0 %, ASR 1.5 %, RA 90.0 %"


def test_no_images_are_no_rate():
    none = CELLS.assign(asr_n=0)
    assert figures.percent(none, "asr").isna().all()
    assert figures.percent(CELLS, "state").isna().all()


def test_its_table_has_every_cell_with_its_reason_and_n():
    table = figures.heat_table(CELLS, ATTACKS, METHODS)
    assert len(table) == len(CELLS)
    ngf = table[(table["attack"] == "BadNets") & (table["method"] == "NGF")].set_index("seed")
    assert ngf.loc[0, "ASR, %"] == 1.5 and ngf.loc[0, "n of ASR"] == 200
    assert ngf.loc[1, "why"].startswith("It <b>") and pd.isna(ngf.loc[1, "ASR, %"])


def test_the_figure_of_thousands_is_slim_but_whole():
    many = pd.DataFrame([cell("badnets", seed, method, "done", acc=seed)
                         for seed in range(100) for method in METHODS])
    figure = heat("acc", many.astype(dict.fromkeys(COUNTS, "Int64")))
    assert len(figure.layout.yaxis.ticktext) == 100
    assert figure.layout.height < 100 * 20
