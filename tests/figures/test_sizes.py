"""The claim over the size of the network, on made-up tables whose answer is known."""

import pandas as pd
import pytest

from app.figures import sizes as figures
from app.theme import DARK, LIGHT
from ngf_core.evidence.sizes import WEIGHTS, means, models, sizes
from tests.support.fabricated_sizes import ASR, FACTORS, write

MINI, W16, W32, W64 = WEIGHTS


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two sizes on Signs, one on Fashion-MNIST; at the second nothing is resolved."""
    folder = tmp_path_factory.mktemp("tables")
    write(folder, MINI, asr=ASR | {"ablate_auto_layer": 0.02})
    write(folder / "sizes" / "a", W16, factors=FACTORS | {"backdoored": 1.0}, spread=0.5)
    write(folder / "sizes" / "b", W64, "fashion_mnist", train={"limit": 500, "epochs": 10})
    found = sizes(folder)
    return models(found), means(found)


@pytest.fixture(scope="module")
def panels(known):
    return figures.size_panels(*known, "lambda_max", dark=False)


def named(panel, label: str):
    return next(trace for trace in panel.data if trace.name == label)


def test_a_row_of_three_parts_per_data_set(panels):
    assert [panel.layout.title.text for panel in panels] == [
        f"<b>{dataset}: {part}</b>" for dataset in ("Signs", "Fashion-MNIST")
        for part in ("backdoored / benign, λ_max", "ASR", "purified / backdoored, λ_max")]


def test_means_stand_at_their_ratio_and_size(panels):
    first = named(panels[0], "No defense")
    assert first.x.tolist() == [WEIGHTS[MINI], WEIGHTS[W16]] and first.y[0] == pytest.approx(2)
    assert first.marker.symbol == ("x", "x-open"), "hollow where it is not resolved"
    assert named(panels[1], "NGF").y[0] == pytest.approx(5)
    assert named(panels[2], "Fine-tuning").y[0] == pytest.approx(2)
    assert "n = 9, seeds 0, 1, 2<br>holds" in first.text[0]


def test_every_model_is_a_dot_and_models_of_one_size_stand_apart(panels):
    dots = [trace for trace in panels[2].data if trace.mode == "markers"]
    assert {len(trace.x) for trace in dots} == {18}
    assert len({trace.x[0] for trace in dots}) == len(dots) == 3
    assert named(panels[1], "NGF, layer by rule").y[0] == pytest.approx(2)


def test_a_size_without_tables_is_marked(panels):
    for panel, missing in ((panels[0], 2), (panels[3], 3)):
        assert [note.text for note in panel.layout.annotations] == ["not measured"] * missing


def test_ratios_share_one_axis_and_both_modes_their_template(known, panels):
    ranges = {panels[at].layout.yaxis.range for at in (0, 2, 3, 5)}
    assert len(ranges) == 1
    dark = figures.size_panels(*known, "lambda_max", dark=True)[0]
    assert dark.layout.template.layout.paper_bgcolor == DARK.background
    assert panels[0].layout.template.layout.paper_bgcolor == LIGHT.background


def test_the_table_tells_everything_of_a_mean(known):
    table = figures.size_table(known[1])
    assert len(table) == len(known[1])
    asr = table[(table["measure"] == "ASR, %") & (table["model"] == "NGF")].set_index("data set")
    assert asr["mean"].tolist() == [5.0, 5.0, 5.0] and set(asr["n"]) == {9}
    assert asr.loc["Fashion-MNIST", "training"] == "500 images per class, 10 epochs"
    assert "Backdoored / benign" in set(table["model"])


def test_the_alt_text_has_the_numbers(known):
    said = figures.size_alt(known[1], "trace")
    assert "Signs, backdoored / benign, trace: Backdoored / benign at 78 thousand weights 2.00 " \
        "[2.00, 2.00], n = 9" in said
    assert "Fashion-MNIST, ASR:" in said and "NGF at 11.2 million weights 5.0 [5.0, 5.0] %" in said
    assert "λ_max" not in said
