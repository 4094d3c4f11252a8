"""The model in hand: chosen once, carried through the pages and into their addresses."""

from app.read.model_in_hand import WIDGET, model_of
from app.widgets.runs.run_name import model_name
from ngf_core.paths import shipped
from ngf_core.runs import RunStore
from tests.support.fabricated_runs import make_run
from tests.support.pages import address, text_of


def pages(app):
    """Where the same session goes on, by the navigation."""
    return lambda page: app.switch_page(f"app/views/{page}.py").run()


def test_no_model_no_bar(open_page):
    assert not [box for box in open_page("start").selectbox if box.key == WIDGET]


def test_it_names_the_model_with_its_rates_and_what_was_done_to_it(runs, open_page):
    race = make_run(runs, "purify", attack="blend")
    app = open_page("spectrum", run=race.id)
    assert app.selectbox(WIDGET).value == race.config.source
    assert "Mini PreAct-ResNet · ACC 99.0 % (n = 1,000) · ASR 96.0 % (n = 900) · purified by " \
        "NGF, SGD on layer blocks.2.conv1" in text_of(app)
    race = make_run(runs, "purify", methods=("ngf", "finetune"))
    assert "purified by NGF on layer blocks.2.conv1; Fine-tuning" in \
        text_of(open_page("spectrum", run=race.id))
    trained = make_run(runs, "train")
    assert "not purified yet" in text_of(open_page("layers", run=trained.id))


def test_the_names_of_the_shipped_models_differ_and_fit_a_phone(tmp_path):
    store = RunStore(tmp_path, shipped("assets", "zoo"))
    names = [model_name(run, store) for run in store.list("train")]
    assert len(set(names)) == len(names) > 10 and max(map(len, names)) < 45


def test_the_first_is_the_shipped_scenario_and_not_the_newest_run(runs, open_page, tmp_path):
    shipped_race = make_run(RunStore(tmp_path / "shipped"), "purify")
    source = runs.find(shipped_race.config.source)
    make_run(runs, "purify", attack="blend")
    assert open_page("race").selectbox(WIDGET).value == source.id
    assert address(open_page("race"), "run") == shipped_race.id


def test_one_choice_carries_through_the_pages(runs, open_page, started):
    other = make_run(runs, "purify", attack="blend")
    own = make_run(runs, "purify")
    spectrum = make_run(runs, "spectrum", source=other.id)
    make_run(runs, "spectrum", source=own.id)
    app = open_page("start")
    go = pages(app)
    app.selectbox(WIDGET).select(other.config.source).run()
    assert address(app, "scenario") == "signs-blend"
    for page, word, value in (("race", "run", other.id), ("spectrum", "run", other.id),
                              ("layers", "run", other.config.source),
                              ("start", "scenario", "signs-blend")):
        go(page)
        assert not app.exception and not app.error
        assert app.selectbox(WIDGET).value == other.config.source, page
        assert address(app, word) == value, page
    assert model_of(spectrum, runs) == other.config.source


def test_another_model_on_a_page_of_a_run_leaves_that_run(runs, open_page, started):
    first, second = make_run(runs, "purify"), make_run(runs, "purify", attack="blend")
    app = open_page("race", run=first.id)
    app.selectbox(WIDGET).select(second.config.source).run()
    assert address(app, "run") == second.id
    assert len(app.selectbox("run_choice").options) == 1


def test_a_link_takes_its_model_in_hand(runs, open_page, started):
    first, second = make_run(runs, "purify"), make_run(runs, "purify", attack="blend")
    app = open_page("race", run=first.id)
    app.query_params["run"] = second.id
    app.run()
    assert app.selectbox(WIDGET).value == second.config.source
    assert address(app, "run") == second.id


def test_a_race_keeps_its_model_when_the_training_is_deleted(runs, open_page, started):
    race = make_run(runs, "purify")
    runs.find(race.config.source).delete()
    app = open_page("race")
    assert app.selectbox(WIDGET).value == race.config.source
    assert address(app, "run") == race.id


def test_start_says_where_the_model_in_hand_was_not_raced(runs, open_page):
    make_run(runs, "purify")
    trained = make_run(runs, "train", attack="blend")
    app = open_page("start")
    app.selectbox(WIDGET).select(trained.id).run()
    assert "No race was run on the model in hand yet" in text_of(app)
    assert app.selectbox(WIDGET).value == trained.id
    app.button_group("scenario_choice").set_value("signs-badnets").run()
    assert "No race was run" not in text_of(app)


def test_start_offers_an_own_race_beside_the_shipped_ones(runs, open_page, tmp_path, played):
    make_run(RunStore(tmp_path / "shipped"), "purify")
    own = make_run(runs, "purify", seed=1)
    app = open_page("start")
    app.selectbox(WIDGET).select(own.config.source).run()
    assert address(app, "run") == own.id
    assert played[-1]["id"] == own.id
