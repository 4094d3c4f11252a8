"""GRID.toml: what it means, and the sentence for each that cannot be used."""

import pytest

from ngf_core.errors import ConfigError, NGFError
from ngf_core.evidence.cells import Cell
from ngf_core.sweep import grid as of_grid
from ngf_core.sweep.grid import Grid, grid_of, needs, read_grid

SMALL = {"attacks": ["badnets"], "methods": ["sgd"]}


def test_a_file(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text("""\
datasets = ["signs", "digits"]
networks = ["mini_preact_resnet"]
attacks = ["badnets", "blend"]   # two
methods = ["ngf", "ablate_frozen_bn"]
seeds = [0, 3]
limit = 500
epochs = 10
""")
    assert read_grid(path) == Grid(("badnets", "blend"), ("ngf", "ablate_frozen_bn"),
                                   ("signs", "digits"), ("mini_preact_resnet",), (0, 3), 500, 10)
    assert grid_of(read_grid(path).to_json()) == read_grid(path)


def test_every_combination_is_a_cell_once_and_so_are_the_models():
    stages = grid_of(SMALL | {"attacks": ["badnets", "blend"], "methods": ["ngf", "sgd"],
                              "datasets": ["signs", "digits"], "seeds": [0, 1, 2]}).stages()
    assert [len(stage) for stage in stages] == [2 * 3 * 3, 2 * 3 * 2 * 2, 0]
    cells = [cell for stage in stages for cell in stage]
    assert len(set(cells)) == len(cells) == len({cell.run_id for cell in cells})
    assert Cell("digits", stages[0][0].arch, "blend", 2, "ngf") in stages[1]


def test_a_cell_needs_only_what_comes_before():
    stages = grid_of(SMALL | {"methods": ["sgd_auto_layer"]}).stages()
    assert [cell.entrant for cell in stages[2]] == ["sgd_auto_layer"]
    assert [cell.entrant for cell in stages[1]] == ["ablate_auto_layer"], "which it takes over"
    before: set[str] = set()
    for stage in stages:
        assert all(set(needs(cell)) <= before for cell in stage)
        before |= {cell.run_id for cell in stage}
    assert needs(stages[2][0]) == ("signs-badnets-s0-train", "signs-badnets-s0-ablate_auto_layer")


@pytest.mark.parametrize(("entries", "said"), [
    ({"attack": ["badnets"]}, "attack: a grid has no such entry. It has attacks, methods, "),
    ({"attacks": ["badnet"]}, "attacks: 'badnet' is unknown. Choose among badnets, blend"),
    ({"attacks": "badnets"}, "attacks: 'badnets' is empty or not a list. Write a list, as a"),
    ({"methods": []}, "methods: [] is empty or not a list. Write a list, as methods = [\"ngf\"]"),
    ({"methods": ["sgd", "sgd"]}, "methods: sgd, sgd names something twice. Name each once."),
    ({"methods": [["sgd"]]}, "methods: ['sgd'] is unknown."),
    ({"networks": ["resnet"]}, "networks: 'resnet' is unknown. Choose among "),
    ({"datasets": ["mnist5"]}, "datasets: 'mnist5' is unknown. Choose among "),
    ({"limit": 1}, "limit: 1 per class leaves no clean image of signs to purify with. Use at le"),
    ({"seeds": 3}, "seeds: 3 is empty or not a list. Write a list, as seeds = [0, 1, 2]."),
    ({"seeds": [-1]}, "seeds: -1 is not a whole number from 0 to 2147483647."),
    ({"seeds": [True]}, "seeds: True is not a whole number from 0 to 2147483647."),
    ({"seeds": [0, 0]}, "seeds: 0, 0 names something twice."),
    ({"seeds": [2**31]}, "seeds: 2147483648 is not a whole number from 0 to 2147483647."),
    ({"limit": 1.5}, "limit: 1.5 is not a whole number from 0 to 10000000."),
    ({"epochs": 0}, "epochs: 0 is not a whole number from 1 to 500. Write it as 2."),
    ({"seeds": list(range(40_000))}, "seeds: the grid has 120000 cells. Use at most 100000.")])
def test_what_cannot_be_used(entries, said):
    with pytest.raises(ConfigError) as caught:
        grid_of(SMALL | entries)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("missing", ["attacks", "methods"])
def test_what_is_missing(missing):
    with pytest.raises(ConfigError, match=rf"{missing}: is missing. Name at least one, as "):
        grid_of({name: value for name, value in SMALL.items() if name != missing})


def test_a_data_set_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_DATA", str(tmp_path))
    with pytest.raises(ConfigError):
        grid_of(SMALL | {"datasets": ["cifar10"]})
    assert grid_of(SMALL | {"datasets": ["cifar10"]}, data_here=False).datasets == ("cifar10",)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "grid.toml"
    with pytest.raises(NGFError, match="There is no file .*grid.toml. Write the grid"):
        read_grid(path)
    path.write_text("attacks = [badnets]\n")
    with pytest.raises(ConfigError, match=r"grid.toml: is not TOML \(.*line 1, column 12"):
        read_grid(path)
    path.write_text('attacks = ["badnet"]\nmethods = ["sgd"]\n')
    with pytest.raises(ConfigError, match="^grid.toml: attacks: 'badnet' is unknown"):
        read_grid(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(NGFError, match="cannot be read as text"):
        read_grid(path)
    assert of_grid.MOST_CELLS == 100_000
