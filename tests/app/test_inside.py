"""Inside the model: every part on real small networks, choices in the address, what is refused."""

import json

import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.read import inside as read
from app.widgets.controls import figure_card
from app.widgets.inside.projection_card import MOST, ids_of, spread
from ngf_core.inside import models
from ngf_core.inside.settings import Look
from ngf_core.models.build import build_model
from ngf_core.runs import Run
from ngf_core.runs.disk import file_sha
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.tensors import encode
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import text_of

ARCH, FEW = "mini_preact_resnet", "40"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


def weights(seed: int) -> dict[str, torch.Tensor]:
    return build_model(ARCH, (1, 32, 32), 10, seed).state_dict()


def with_network(run: Run, **others: dict) -> Run:
    """The run with tensors that fit: those of one network in every file, but for `others`."""
    sums = dict(run.manifest["files"])
    for file in run.path.glob("*.safetensors"):
        file.write_bytes(encode(others.get(file.stem, weights(0))))
        sums[file.name] = file_sha(file)
    change_manifest(run.path, files=sums)
    return run


def race(runs, **fields) -> Run:
    """A race whose NGF changed the last layer only, and whose SGD left another network."""
    head = weights(0) | {"linear.weight": -weights(0)["linear.weight"]}
    attack = {"attack": fields.pop("attack")} if "attack" in fields else {}
    source = make_run(runs, "train", dataset="digits", arch=ARCH, **attack).id
    return with_network(make_run(runs, "purify", source=source, **fields), after_ngf=head,
                        after_sgd=weights(1))


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def ringed(figure: dict) -> int:
    (trace,) = (trace for trace in figure["data"] if trace["name"] == "picked out")
    return len(trace["x"].get("bdata", "")) if isinstance(trace["x"], dict) else len(trace["x"])


def test_nothing_is_there_yet(open_page, started) -> None:
    app = open_page("inside")
    assert not app.exception and "There is no model here yet" in text_of(app)


def test_a_race_has_every_part(open_page, started, runs) -> None:
    run = race(runs)
    app = open_page("inside", run=run.id, n=FEW)
    assert not app.exception and not [one.value for one in app.error]
    assert [head.value for head in app.header] == [
        "Which label they get", "Which channels the trigger switches on",
        "What the attacker's label rests on"]
    said = text_of(app)
    assert "Features of 40 clean and 40 triggered test images" in said
    assert "NGF has exactly the features of the received model" in said
    assert "n = 40 triggered test images" in said and "times an even map" in said
    titles = [figure["layout"]["title"]["text"] for figure in figures(app)]
    assert titles == ["<b>As received</b>", "<b>After NGF</b>"] * 2 + [
        "<b>Most switched on: as received</b>", "<b>Most switched on: after NGF</b>",
        "<b>As received</b>", "<b>After NGF</b>"]
    assert app.code[-1].value == f"python -m ngf_core inside {run.id} --images 40"


def test_each_saved_figure_tells_its_own_images(open_page, started, runs, monkeypatch) -> None:
    told = {}
    faked(monkeypatch, figure_card, "save_picture",
          lambda figure, origin, filename: told.update({figure: origin.facts["n"]}))
    open_page("inside", run=race(runs).id, n=FEW)
    assert told == {"inside_projection": "40 clean and 40 triggered images",
                    "inside_confusion": "40 triggered images",
                    "inside_channels": "40 triggered images",
                    "inside_saliency": "32 triggered images"}


def test_another_model_projection_and_images_are_in_the_address(open_page, started, runs) -> None:
    app = open_page("inside", run=race(runs).id, n=FEW, after="sgd", projection="tsne", on="clean",
                    seed="3", layer="linear")
    assert not app.exception and not app.error and not app.toast
    said = text_of(app)
    assert "by t-SNE" in said and "drawn by seed 3" in said and "n = 40 clean test images" in said
    assert "exactly the features" not in said
    assert "<b>After SGD</b>" in [figure["layout"]["title"]["text"] for figure in figures(app)]
    assert app.code[-1].value.endswith("--images 40 --seed 3 --layer linear")
    assert "channel of linear with the trigger" in said


def test_umap_where_its_package_is_not_installed_is_a_sentence(open_page, started, runs, monkeypatch
                                                               ) -> None:
    monkeypatch.setattr("ngf_core.inside.projection.find_spec", lambda _: None)
    app = open_page("inside", run=race(runs).id, n=FEW, projection="umap", seed="5")
    assert not app.exception and "umap-learn, which is not installed here" in app.error[0].value
    assert "Which label they get" in [head.value for head in app.header]


def test_images_picked_out_are_shown_and_ringed_in_both_pictures(open_page, started, runs) -> None:
    app = open_page("inside", run=race(runs).id, n=FEW, picked="t3,c0,nothing,t3,[x](http://e.vil)")
    assert not app.exception and not [one.value for one in app.error]
    assert "picked=nothing" in app.toast[0].value
    before, after = figures(app)[:2]
    assert ringed(before) == ringed(after) > 0
    said = text_of(app)
    assert "**t3**" in said and "**c0**" in said and "triggered" in said
    app.button("inside_clear").click().run()
    assert not app.exception and "**t3**" not in text_of(app)


def test_no_two_looks_share_a_model(started, runs, monkeypatch) -> None:
    run, seen = race(runs), []
    monkeypatch.setattr(models, "look_inside", lambda trained, look: seen.append(trained))
    for seed in (1, 2):
        read.inside_of(run, Look(40, seed))
    assert seen[0].models["before"] is not seen[1].models["before"]


def test_points_that_are_selected_name_their_images() -> None:
    event = {"selection": {"points": [{"customdata": ["c1"]}, {"customdata": ["t2"]},
                                      {"customdata": ["c1"]}, {}]}}
    assert ids_of(event) == ["c1", "t2"] and ids_of(None) == [] and ids_of({}) == []


def test_of_a_large_selection_some_of_all_of_it_are_shown() -> None:
    ids = [f"c{i}" for i in range(50)]
    shown = spread(ids)
    assert len(shown) == MOST and shown[0] == "c0" and int(shown[-1][1:]) > 40
    assert spread(ids[:5]) == ids[:5]


def test_a_benign_model_has_no_trigger(open_page, started, runs) -> None:
    app = open_page("inside", run=race(runs, attack="none").id, n=FEW)
    assert not app.exception and not [one.value for one in app.error]
    said = text_of(app)
    assert "Triggered images: not measured" in said and "Features of 40 clean test images" in said
    assert len(figures(app)) == 4


def test_a_model_that_was_not_purified_has_no_after(open_page, started, runs) -> None:
    run = with_network(make_run(runs, "train", dataset="digits", arch=ARCH))
    app = open_page("inside", run=run.id, n=FEW)
    assert not app.exception and not [one.value for one in app.error]
    assert "has not been purified yet" in text_of(app) and len(figures(app)) == 4


def test_weights_that_do_not_fit_are_a_sentence(open_page, started, runs) -> None:
    run = make_run(runs, "train", dataset="digits", arch=ARCH)
    app = open_page("inside", run=run.id)
    assert not app.exception
    assert "do not fit a mini_preact_resnet" in app.error[0].value
    assert app.code[-1].value == f"python -m ngf_core inside {run.id}"


@pytest.mark.parametrize(("address", "what"), [
    ({"n": "5"}, "n=5, which is not a whole number from 20 to 1,000"),
    ({"n": "1e99"}, "n=1e99"), ({"seed": "-1"}, "seed=-1"), ({"after": "magic"}, "after=magic"),
    ({"projection": "mds"}, "projection=mds, which is not one of pca, tsne, umap"),
    ({"on": "both"}, "on=both"),
    ({"layer": "conv9"}, "layer=conv9")])
def test_an_address_that_does_not_fit_is_said(open_page, started, runs, address, what) -> None:
    app = open_page("inside", run=race(runs).id, **({"n": FEW} | address))
    assert not app.exception and not [one.value for one in app.error]
    assert what in " ".join(toast.value for toast in app.toast)


def test_a_run_that_is_not_here_is_said(open_page, started, runs) -> None:
    race(runs)
    app = open_page("inside", run="20200101-nowhere", n=FEW)
    assert not app.exception and "There is no run 20200101-nowhere here" in text_of(app)


def test_a_network_with_code_of_its_own_is_not_run(open_page, started, runs) -> None:
    run = make_run(runs, "import", dataset="digits", file="a.pt", builder="theirs:build")
    app = open_page("inside", run=run.id)
    assert not app.exception and not app.error and not figures(app)
    assert "which the dashboard does not run" in text_of(app)
    assert app.code[-1].value.endswith(f"inside {run.id}")


def test_a_look_that_takes_long_is_asked_for(open_page, started, runs, monkeypatch) -> None:
    monkeypatch.setattr(read, "QUICK", 1000)
    app = open_page("inside", run=race(runs).id, n=FEW)
    assert not app.exception and not figures(app) and "may take minutes" in text_of(app)
    app.toggle[0].set_value(True).run()
    assert not app.exception and not app.error and figures(app)
