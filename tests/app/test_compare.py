"""Compare: runs by tick and by address, every section, every kind of run that does not fit."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from app.widgets.compare.chosen_runs import WIDGET
from ngf_core.runs import RunStore
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run
from tests.support.pages import address, text_of


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


def joined(made) -> str:
    return ",".join(run.id for run in made)


def races(runs, seeds=1, bounds=(0.1, 0.3)) -> list:
    """One race per seed and KL bound, those of one bound together."""
    sources = [make_run(runs, "train", seed=seed).id for seed in range(seeds)]
    return [make_run(runs, "purify", source=source, own={"ngf": {"kl_bound": bound}})
            for bound in bounds for source in sources]


def tables(app: AppTest, column: str) -> list:
    return [frame.value for frame in app.dataframe if column in frame.value]


def differences(app: AppTest):
    return tables(app, "interval over")[-1]  # the first is that behind the figure


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_nothing_chosen_yet(open_page, started) -> None:
    app = open_page("compare")
    assert not app.exception and "Choose two runs or more" in text_of(app)


def test_without_a_choice_an_example_can_be_pressed(open_page, started, runs, tmp_path) -> None:
    make_run(runs, "purify")
    assert "compare_example" not in {button.key for button in open_page("compare").button}
    ships = RunStore(tmp_path / "shipped")
    made = [make_run(ships, "purify", source=make_run(ships, "train", attack=attack).id)
            for attack in ("badnets", "blend", "sig")]
    app = open_page("compare")
    button = app.button(key="compare_example")
    named = button.label.removeprefix("For example the shipped races of ").split(", ")
    assert sorted(named) == ["BadNets", "Blend", "SIG"]
    button.click().run()
    assert not app.exception and "What differs" in [head.value for head in app.header]
    assert set(address(app, "runs").split(",")) == {run.id for run in made}


def test_one_run_has_nothing_to_be_compared_with(open_page, started, runs) -> None:
    app = open_page("compare", runs=make_run(runs, "train").id)
    assert not app.exception and "One run has nothing to be compared with" in text_of(app)


def test_two_races_have_settings_differences_and_curves(open_page, started, runs) -> None:
    made = races(runs)
    app = open_page("compare", runs=joined(made))
    assert not app.exception and not app.error
    settings = tables(app, "what it sets")[0]
    assert settings[["setting", "A", "B"]].values.tolist() == [["NGF: KL bound", "0.1", "0.3"]]
    table = differences(app)
    assert table["measure"].tolist() == ["ACC", "ASR", "RA"] and set(table["runs"]) == {"B"}
    assert set(table["interval over"]) == {"images, one training seed"}
    assert "One training seed: the interval is over the images alone" in text_of(app)
    assert app.code[0].value == (f"python -m ngf_core compare {made[0].id} {made[1].id} "
                                 "--model ngf")
    names = [[trace["name"] for trace in figure["data"]] for figure in figures(app)]
    assert ["A ASR", "B ASR"] in names and ["A ACC", "B ACC"] in names
    assert "Without a finished spectrum: A, B." in text_of(app)


def test_six_runs_are_paired_over_seeds(open_page, started, runs) -> None:
    made = races(runs, seeds=3)
    app = open_page("compare", runs=joined(made))
    assert not app.exception and not app.error and not app.warning
    table = differences(app)
    assert set(table["runs"]) == {"D, E, F"}
    assert set(table["interval over"]) == {"3 training seeds"}
    assert app.selectbox("baseline_choice").value == made[0].id


def test_a_seventh_is_left_out_and_named(open_page, started, runs) -> None:
    made = races(runs, seeds=3) + races(runs, bounds=(0.2,))
    app = open_page("compare", runs=joined(made))
    assert not app.exception
    assert f"Left out: {made[6].id}." in app.warning[0].value
    assert app.multiselect(WIDGET).value == [run.id for run in made[:6]]
    assert address(app, "runs") == joined(made[:6])


def test_an_unknown_run_is_said_and_the_others_shown(open_page, started, runs) -> None:
    made = races(runs)
    app = open_page("compare", runs=f"{joined(made)},20200101-nowhere,[x](http://evil.example)")
    assert not app.exception
    said = " ".join(str(card.value) for card in app.info)
    assert "There is no run 20200101-nowhere here" in said and "\\[x]" in said
    assert len(differences(app)) == 3


def test_a_corrupt_run_is_said(open_page, started, runs) -> None:
    made = [*races(runs), make_run(runs, "train", state="corrupt")]
    app = open_page("compare", runs=joined(made))
    assert not app.exception and app.info[0].value
    assert app.multiselect(WIDGET).value == [run.id for run in made[:2]]


def test_a_run_named_twice_counts_once(open_page, started, runs) -> None:
    made = races(runs)
    app = open_page("compare", runs=joined([*made, made[0]]))
    assert not app.exception and app.multiselect(WIDGET).value == [run.id for run in made]


def test_the_address_names_baseline_and_model(open_page, started, runs) -> None:
    made = races(runs)
    app = open_page("compare", runs=joined(made), baseline=made[1].id, compared="sgd")
    assert not app.exception
    assert set(differences(app)["runs"]) == {"A"}
    assert app.code[0].value.endswith(f"--baseline {made[1].id} --model sgd")
    app = open_page("compare", runs=joined(made), baseline="nowhere")
    assert "baseline=nowhere" in app.toast[0].value
    assert set(differences(app)["runs"]) == {"B"}


def test_repeats_alone_have_means(open_page, started, runs) -> None:
    app = open_page("compare", runs=joined(races(runs, seeds=2, bounds=(0.1,))))
    assert not app.exception and "there is nothing to subtract" in text_of(app)
    table = differences(app)
    assert set(table["baseline"]) == {""} and set(table["interval over"]) == {"2 training seeds"}


def test_what_is_not_comparable_is_refused_in_words(open_page, started, runs) -> None:
    made = races(runs)
    change_manifest(made[1].path, data_sha="f" * 64)
    app = open_page("compare", runs=joined(made))
    assert not app.exception and "Nothing of this model can be subtracted" in text_of(app)
    assert "B − A, all numbers: the checksum of the data is ffffffff in B and 00000000 in A." in \
        text_of(app)


def test_mixed_kinds_are_shown_and_not_subtracted(open_page, started, runs) -> None:
    source = make_run(runs, "train").id
    race = make_run(runs, "purify", source=source)
    made = [race, runs.get(source), *(make_run(runs, kind, source=race.id)
                                      for kind in ("spectrum", "landscape", "audit")),
            make_run(runs, "layers", source=source)]
    app = open_page("compare", runs=joined(made))
    assert not app.exception and not app.error
    assert "the kind of run is training in B and purification in A." in text_of(app)
    assert "the kind of run is layer map in F and purification in A." in text_of(app)
    assert "D is a landscape and holds no number" in text_of(app)
    assert not tables(app, "interval over")


@pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled", "lost"])
def test_runs_that_are_not_done_show_their_curves_and_state(open_page, started, runs, state
                                                            ) -> None:
    first = races(runs, bounds=(0.1,))[0]
    other = make_run(runs, "purify", state=state, source=first.manifest["source"])
    app = open_page("compare", runs=joined([first, other]))
    assert not app.exception and not app.error
    assert f"B is {state} and has no final numbers" in text_of(app)
    drawn = ["A ASR"] if state == "queued" else ["A ASR", "B ASR"]
    assert drawn in [[trace["name"] for trace in figure["data"]] for figure in figures(app)]


def test_spectra_and_landscapes_share_their_scales(open_page, started, runs) -> None:
    made = races(runs)
    for run, samples in zip(made, (50, 50), strict=True):
        make_run(runs, "spectrum", source=run.id, samples=samples)
        make_run(runs, "landscape", source=run.id)
    app = open_page("compare", runs=joined(made))
    assert not app.exception and not app.error
    panels = figures(app)
    stems = [panel for panel in panels if panel["layout"].get("yaxis", {}).get("title", {}).get(
        "text") == "Hessian eigenvalue λ"]
    assert len(stems) == 2 and stems[0]["layout"]["yaxis"]["range"] == \
        stems[1]["layout"]["yaxis"]["range"]
    planes = [panel for panel in panels if panel["layout"].get("coloraxis")]
    ends = [(panel["layout"]["coloraxis"]["cmin"], panel["layout"]["coloraxis"]["cmax"])
            for panel in planes]
    assert len(planes) == 2 and ends[0] == ends[1]
    assert {row for row in differences(app)["measure"]} >= {"λ_max", "trace"}


def test_a_spectrum_on_other_images_is_not_shown_beside(open_page, started, runs) -> None:
    made = races(runs)
    for run, seed in zip(made, (0, 4), strict=True):
        make_run(runs, "spectrum", source=run.id, seed=seed)
    app = open_page("compare", runs=joined(made))
    assert not app.exception
    assert "B is not shown: the seed of the images is 4 in B and 0 in A." in text_of(app)
    assert "B − A, sharpness: the seed of the images is 4 in B and 0 in A." in text_of(app)


def test_a_destroyed_model_and_a_value_that_is_not_finite_are_named(open_page, started, runs
                                                                    ) -> None:
    made = races(runs)
    for run in made:
        make_run(runs, "spectrum", source=run.id)
    broken = made[1]
    results = json.loads(json.dumps(broken.results))
    results["ngf"]["acc"] = {"hits": 101, "n": 1000}
    change_manifest(broken.path, results=results)
    spectrum = runs.list("spectrum")[0]
    results = json.loads(json.dumps(spectrum.results))
    results["sgd"]["lambda_max"] = None
    change_manifest(spectrum.path, results=results)
    app = open_page("compare", runs=joined(made))
    assert not app.exception and not app.error
    assert "B, NGF: ACC 10.1 % is at chance" in text_of(app)
    assert "λ_max" not in set(differences(app)["measure"])
    app = open_page("compare", runs=joined(made), compared="sgd")
    assert "B − A, λ_max of SGD: in B the value is not finite." in text_of(app)
    assert "trace" in set(differences(app)["measure"])


def test_races_of_different_methods_are_compared_as_purified(open_page, started, runs) -> None:
    source = make_run(runs, "train").id
    made = [make_run(runs, "purify", source=source, methods=(method,))
            for method in ("ngf", "sgd")]
    app = open_page("compare", runs=joined(made))
    assert not app.exception and not app.error
    assert differences(app)["measure"].tolist() == ["ACC", "ASR", "RA"]
    assert ["A ASR", "B ASR"] in [[t["name"] for t in figure["data"]] for figure in figures(app)]


def test_another_choice_of_runs_changes_the_address(open_page, started, runs) -> None:
    made = races(runs, bounds=(0.1, 0.2, 0.3))
    app = open_page("compare", runs=joined(made[:2]))
    app.multiselect(WIDGET).set_value([run.id for run in made[1:]]).run()
    assert not app.exception and address(app, "runs") == joined(made[1:])
    assert tables(app, "what it sets")[0]["A"].tolist() == ["0.2"]
    assert {"compare_csv"} <= {button.key for button in app.get("download_button")}


def test_a_run_that_is_deleted_meanwhile_is_no_longer_chosen(open_page, started, runs) -> None:
    made = races(runs, bounds=(0.1, 0.2, 0.3))
    app = open_page("compare", runs=joined(made))
    made[1].delete()
    app.run()
    assert not app.exception and not app.error
    assert app.multiselect(WIDGET).value == [made[0].id, made[2].id]


def test_landscapes_are_shown_of_every_model_that_they_measured(open_page, started, runs) -> None:
    made = [make_run(runs, "landscape", source=race.id) for race in races(runs)]
    app = open_page("compare", runs=joined(made), compared="sgd")
    assert not app.exception and not app.error and not app.toast
    assert len([panel for panel in figures(app) if panel["layout"].get("coloraxis")]) == 2
    assert "Loss of SGD on clean images over the random plane" in text_of(app)


def test_landscapes_without_their_races_still_show_the_received_model(open_page, started, runs
                                                                      ) -> None:
    sources = races(runs)
    made = [make_run(runs, "landscape", source=race.id) for race in sources]
    for race in sources:
        race.delete()
    app = open_page("compare", runs=joined(made))
    assert not app.exception and "There is no run" in text_of(app)
