"""Sharpness claim: at which size it holds, with and without tables of other sizes."""

import pytest

from ngf_core.attacks import ATTACKS
from ngf_core.evidence.sizes import WEIGHTS, command
from tests.support import fabricated_claim
from tests.support.fabricated_sizes import write
from tests.support.pages import text_of

MINI, W16, W32, W64 = WEIGHTS
TITLE = "At which size of network does the claim hold?"


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The page's own tables, without a protocol: of no known size."""
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    some = list(ATTACKS)[:3]
    fabricated_claim.claim(some, spread=0.01).to_parquet(tmp_path / "claim.parquet")
    fabricated_claim.path(some, {"ngf": 1}).to_parquet(tmp_path / "path.parquet")
    return tmp_path


def sizes_table(app):
    return next((f.value for f in app.dataframe if "training" in f.value), None)


def test_without_sizes_it_says_so_and_how_to_measure_them(open_page, tables):
    app = open_page("claim", part="sizes")
    assert not app.exception and not app.error
    assert TITLE in [one.value for one in app.header]
    assert text_of(app).count("has not been measured at any size.") == 6
    assert any(info.value == "No size has been measured yet." for info in app.info)
    assert sizes_table(app) is None
    assert any(command("fashion_mnist", W64) in code.value for code in app.code)


def test_sentences_figure_and_table_of_the_sizes_there_are(open_page, tables):
    write(tables / "sizes" / "one", MINI)
    write(tables / "sizes" / "two", W32, "fashion_mnist")
    app = open_page("claim", part="sizes", size="trace")
    assert not app.exception and not app.error
    said = text_of(app)
    assert "**Backdoored models are sharper than benign ones by trace:**" in said
    assert "On Signs, by number of weights, this holds at 78 thousand (2.00 times" in said
    assert "On Fashion-MNIST, by number of weights, this holds at 2.8 million" in said
    table = sizes_table(app)
    assert set(table["network"]) == {MINI, W32}
    asked = next(code.value for code in app.code if "/sizes/" in code.value)
    assert len(asked.splitlines()) == 6 and command("signs", MINI) not in asked


def test_an_unknown_data_set_is_no_size(open_page, tables):
    write(tables / "sizes" / "one", MINI, "emnist")
    app = open_page("claim", part="sizes")
    assert not app.exception and not app.error and sizes_table(app) is None


def test_the_main_table_is_a_size_too(open_page, tables):
    write(tables, W16)
    app = open_page("claim", part="sizes")
    assert not app.exception and set(sizes_table(app)["network"]) == {W16}
    assert not any("change, points" in frame.value for frame in app.dataframe)


def test_a_size_is_set_beside_the_next_one(open_page, tables):
    write(tables, W16)
    write(tables / "sizes" / "one", W32, seeds=[0])
    app = open_page("claim", part="sizes")
    (found,) = (frame.value for frame in app.dataframe if "change, points" in frame.value)
    assert not app.exception and found["method"].tolist() == ["NGF", "SGD", "Fine-tuning"]
    assert set(found["n"]) == {"3"} and "are not to be compared across sizes" in text_of(app)


def test_a_damaged_size_leaves_the_rest_of_the_page(open_page, tables):
    (write(tables / "sizes" / "one", MINI) / "cells.parquet").write_bytes(b"nonsense")
    app = open_page("claim", part="sizes")
    assert not app.exception and "cells.parquet is damaged" in app.error[0].value
    assert app.header[0].value == "Backdoored models are sharper than benign ones."


def test_models_of_one_title_are_told_apart_and_a_missing_table_names_its_command(open_page,
                                                                                   tables):
    for name in ("one", "two"):
        write(tables / "sizes" / name, MINI, train={"limit": 500, "epochs": 8})
    (tables / "sizes" / "two" / "claim.parquet").unlink()
    app = open_page("claim", models="two")
    models = next(one for one in app.selectbox if one.label == "Models")
    assert models.options[1:] == [f"Signs, 78 thousand weights, seeds 0, 1, 2 ({name})"
                                  for name in ("one", "two")]
    assert not app.exception and any("has not been computed yet" in one.value for one in app.info)
