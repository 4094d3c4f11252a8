"""The lesson: a prediction before each answer, the state in the address, a class that follows."""

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.read.lesson import scene as scene_files
from app.read.lesson.class_room import class_rooms
from app.read.lesson.scene import folder, scenes
from ngf_core.paths import shipped
from ngf_core.runs import RunStore
from tests.support.faked import faked
from tests.support.pages import address, text_of

ENTRY = Path(__file__).parents[2] / "streamlit_app.py"
NAMES = [scene.name for scene in scenes()]


@pytest.fixture(scope="module")
def none_of_my_own(tmp_path_factory):
    """One folder for all tests, so that what is read of the shipped runs is read once."""
    return tmp_path_factory.mktemp("lesson") / "runs"


@pytest.fixture
def lesson(none_of_my_own, monkeypatch):
    """Open the lesson over the shipped runs: lesson(scene="race")."""
    monkeypatch.setenv("NGF_RUNS", str(none_of_my_own))
    store = RunStore(none_of_my_own, shipped("assets", "zoo"))
    faked(monkeypatch, state, "default_store", lambda: store)
    class_rooms.clear()

    def open_it(**query: str) -> AppTest:
        app = AppTest.from_file(str(ENTRY), default_timeout=120)
        app.query_params.update({name.removesuffix("_"): value for name, value in query.items()})
        app.switch_page("app/views/lesson.py")
        return sound(app.run())

    return open_it


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [str(one.value) for one in app.error]
    return app


def scene_of(app: AppTest) -> tuple[str | None, bool]:
    return address(app, "scene"), address(app, "shown") == "yes"


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_asks_before_it_answers(name, lesson):
    scene = next(one for one in scenes() if one.name == name)
    app = lesson(scene=name)
    (question,) = (one for one in app.radio if one.key == f"guess_{name}")
    assert question.value is None and len(question.options) == len(scene.options)
    assert not app.info and scene.answer[:20] not in text_of(app)
    app = sound(question.set_value(1).run())
    app = sound(app.button("lesson_next").click().run())
    assert scene_of(app) == (name, True)
    assert app.info[0].value and "{" not in text_of(app)
    said = text_of(app)
    assert "You said: " in said if scene.right not in (0, 1) else "check_circle" in said
    assert app.title[0].value == scene.title


def test_next_leads_through_all_scenes_and_back(lesson):
    app, way = lesson(), []
    while not app.button("lesson_next").disabled:
        app = sound(app.button("lesson_next").click().run())
        way.append(scene_of(app))
    assert way == [(NAMES[0], True), *((name, shown) for name in NAMES[1:]
                                       for shown in (False, True))]
    assert "exercises" in app.success[0].value
    app = sound(app.button("lesson_back").click().run())
    assert scene_of(app) == (NAMES[-1], False)
    app = sound(app.button("lesson_back").click().run())
    assert scene_of(app) == (NAMES[-2], True)
    assert lesson().button("lesson_back").disabled


def test_the_way_to_the_exercises_and_back_is_in_the_address(lesson):
    """A solved exercise draws the whole page again, from the address."""
    app = lesson(scene="doubt", shown="yes")
    app = sound(app.button("lesson_go_on").click().run())
    assert address(app, "part") == "exercises" and app.title[0].value == "Exercises"
    app = sound(app.radio(key="answer_1").set_value("stop").run())
    assert app.title[0].value == "Exercises" and "Right: stop." in text_of(app)
    app = sound(app.button("lesson_from_exercises").click().run())
    assert address(app, "part") is None and scene_of(app) == ("doubt", True)


def test_the_contents_lead_to_a_scene_in_the_address(lesson):
    app = sound(lesson(scene="doubt", shown="yes").button("lesson_scene_race").click().run())
    assert scene_of(app) == ("race", False) and app.title[0].value == "The race"


def test_the_first_prediction_stays_with_its_scene(lesson):
    app = lesson(scene="race")
    app = sound(app.radio(key="guess_race").set_value(2).run())
    for _ in range(3):
        app = sound(app.button("lesson_next").click().run())
    for _ in range(3):
        app = sound(app.button("lesson_back").click().run())
    assert app.radio(key="guess_race").value == 2


def test_controls_go_to_the_address_and_stay_with_their_scene(lesson):
    app = lesson(scene="race", shown="yes", at="30")
    assert address(app, "at") == "30"
    app = sound(app.button("lesson_next").click().run())
    assert scene_of(app) == ("flatter", False) and address(app, "at") is None


@pytest.mark.parametrize(("name", "value"), [("scene", "nonsense"), ("shown", "no"),
                                             ("present", "2")])
def test_an_address_that_is_none_gives_one_toast_and_the_first_scene(name, value, lesson):
    app = lesson(**{name: value})
    assert f"{name}={value}" in app.toast[0].value and app.title[0].value == scenes()[0].title


def test_a_scene_that_is_added_removed_or_edited_needs_no_code(lesson, tmp_path, monkeypatch):
    mine = tmp_path / "lesson"
    shutil.copytree(folder(), mine)
    text = (mine / "01_backdoor.md").read_text(encoding="utf-8")
    (mine / "02_poison.md").unlink()
    (mine / "11_mine.md").write_text(text.replace("What a backdoor is", "A scene of mine"),
                                     encoding="utf-8")
    faked(monkeypatch, scene_files, "folder", lambda: mine)
    app = lesson(scene="mine", shown="yes")
    assert app.title[0].value == "A scene of mine" and app.button("lesson_next").disabled
    labels = [button.label for button in app.button]
    assert "10. A scene of mine" in labels and not any("poison" in label for label in labels)
    (mine / "11_mine.md").write_text(text.replace("picture =", "pictures ="), encoding="utf-8")
    app = app.run()
    assert not app.exception and "11_mine.md" in app.error[0].value
    labels = [button.label for button in app.button]
    assert "9. How to doubt a sharpness plot, and what to read" in labels, "the others stay"
    (mine / "11_mine.md").write_text(text.replace("train asr", "train nothing"), encoding="utf-8")
    app = app.run()
    assert not app.exception and "nothing stands at “nothing”" in app.error[0].value
    assert not app.button("lesson_back").disabled, "a wrong fact leaves the ways on"


def test_without_shipped_runs_there_is_a_sentence(runs, open_page):
    app = open_page("lesson")
    assert not app.exception and "signs-badnets-s0-train" in app.error[0].value


def test_a_hall_sees_no_menu_and_the_class_its_scene(lesson, monkeypatch):
    monkeypatch.setenv("NGF_SHARED", "1")
    hall = lesson(present="1", scene="accuracy")
    code = address(hall, "class")
    assert code and not hall.get("selectbox")
    pupil = lesson(class_=code)
    assert scene_of(pupil) == ("accuracy", False)
    hall = sound(hall.button("lesson_next").click().run())
    pupil = sound(pupil.run())
    assert scene_of(pupil) == ("accuracy", True)
    pupil = sound(pupil.button("lesson_next").click().run())
    assert scene_of(pupil) == ("layer", False), "one may look around by oneself"
    assert scene_of(sound(pupil.run())) == ("layer", False)


def test_a_held_class_stays(lesson):
    hall = lesson(present="1", scene="accuracy")
    hall = sound(hall.toggle("lesson_hold").set_value(True).run())
    hall = sound(hall.button("lesson_next").click().run())
    assert class_rooms().place(address(hall, "class")).shown is False
    sound(hall.toggle("lesson_hold").set_value(False).run())
    assert class_rooms().place(address(hall, "class")).shown is True


def test_votes_are_counted_on_a_shared_server_and_gone_at_the_end(lesson, monkeypatch):
    monkeypatch.setenv("NGF_SHARED", "1")
    hall = lesson(present="1", scene="accuracy")
    code = address(hall, "class")
    assert "No answers yet" in text_of(hall)
    for option in (1, 3, 3):
        pupil = lesson(class_=code)
        sound(pupil.radio(key="guess_accuracy").set_value(option).run())
    assert "**3** answered" in text_of(sound(hall.run()))
    hall = sound(hall.button("lesson_next").click().run())
    shown = [bar.proto.text for bar in hall.get("progress")]
    assert [text.partition(" of 3: ")[0] for text in shown] == [
        "1", "0", ":material/check_circle: **2"]
    hall = sound(hall.button("lesson_end").click().run())
    assert address(hall, "class") is None and not class_rooms().counts(code, "accuracy")
    assert "none with this code" in text_of(lesson(class_=code))


def test_alone_one_sees_only_one_s_own(lesson):
    hall = lesson(present="1", scene="accuracy")
    sound(hall.radio(key="guess_accuracy").set_value(2).run())
    assert not class_rooms().counts(address(hall, "class"), "accuracy")
    assert not hall.get("progress") and "answered" not in text_of(hall)


def test_the_presenter_s_own_answer_is_none_of_the_class(lesson, monkeypatch):
    monkeypatch.setenv("NGF_SHARED", "1")
    hall = lesson(present="1", scene="accuracy")
    sound(hall.radio(key="guess_accuracy").set_value(2).run())
    assert not class_rooms().counts(address(hall, "class"), "accuracy")


def test_a_hall_without_votes_keeps_all_options_beside_the_answer(lesson):
    said = text_of(lesson(present="1", scene="accuracy", shown="yes"))
    assert "right on 99.9" in said and ":material/check_circle: **Network C, right on" in said


def test_another_browser_cannot_take_a_class_over(lesson):
    code = address(lesson(present="1", scene="race"), "class")
    other = lesson(present="1", scene="fails", class_=code)
    assert "led from another browser" in other.title[0].value
    assert [one.key for one in other.button] == ["lesson_own", "lesson_other"]
    assert class_rooms().place(code).scene == "race"
    follower = sound(other.button("lesson_other").click().run())
    assert address(follower, "present") is None and address(follower, "class") == code


def test_going_back_to_an_ended_class_opens_no_other(lesson):
    hall = lesson(present="1", scene="race")
    code = address(hall, "class")
    hall = sound(hall.button("lesson_end").click().run())
    hall.query_params.update({"present": "1", "class": code})
    hall = sound(hall.run())
    assert hall.title[0].value == f"The class {code} has ended"
    assert address(hall, "class") == code and class_rooms().place(code) is None
    alone = sound(hall.button("lesson_other").click().run())
    assert address(alone, "class") is address(alone, "present") is None
    assert alone.button("lesson_next")
    new = lesson(present="1", class_=code)  # a link that the presenter has kept
    assert class_rooms().place(address(new, "class")) and code in new.toast[0].value


def test_a_single_reader_is_led_back_from_the_page_that_computes(lesson):
    page = lesson(lesson="poison")
    words = "Back to the lesson"
    assert words not in [link.label for link in page.get("page_link")]  # it is the lesson
    left = sound(page.switch_page("app/views/layers.py").run())
    link = next(one for one in left.get("page_link") if one.label == words)
    assert link.query_string == "scene=poison"


def test_a_code_may_be_typed_in_small_letters(lesson):
    code = address(lesson(present="1", scene="race"), "class")
    assert scene_of(lesson(class_=code.lower())) == ("race", False)


def test_a_reload_shows_what_one_answered(lesson, monkeypatch):
    monkeypatch.setenv("NGF_SHARED", "1")
    monkeypatch.setattr(state, "browser", lambda: "the same browser")
    code = class_rooms().open("another", "accuracy")
    sound(lesson(class_=code, scene="accuracy").radio(key="guess_accuracy").set_value(2).run())
    again = lesson(class_=code, scene="accuracy")
    assert again.radio(key="guess_accuracy").value == 2 and "is counted" in text_of(again)


def test_a_reader_is_told_where_the_class_is_not(lesson):
    code = address(lesson(present="1", scene="race"), "class")
    pupil = lesson(class_=code)
    assert "follows the presenter" in text_of(pupil)
    assert "by yourself" in text_of(sound(pupil.button("lesson_next").click().run()))


def test_other_pages_lead_back_to_the_lecture_until_it_ends(lesson):
    hall = lesson(present="1", scene="race", shown="yes")
    words = "Back to the lecture"
    assert words not in [link.label for link in hall.get("page_link")]
    hall.query_params.clear()
    left = sound(hall.switch_page("app/views/layers.py").run())
    assert words in [link.label for link in left.get("page_link")]
    class_rooms.clear()
    assert words not in [link.label for link in sound(left.run()).get("page_link")]


def test_the_notes_follow_the_class(lesson):
    hall = lesson(present="1", scene="race", shown="yes")
    notes = lesson(notes="1", class_=address(hall, "class"))
    assert notes.title[0].value == "Notes: The race" and "stopping at a lucky" in text_of(notes)
    assert "Scene 6 of 10 · The hall sees the answer · **0 min**" in text_of(notes)
    assert "**Next:** Did it get flatter?" in text_of(notes)


def test_the_notes_stay_with_the_hall_while_the_class_is_held(lesson):
    hall = lesson(present="1", scene="race", shown="yes")
    hall = sound(hall.toggle("lesson_hold").set_value(True).run())
    code = address(hall, "class")
    sound(hall.button("lesson_next").click().run())
    notes = lesson(notes="1", class_=code)
    assert notes.title[0].value == "Notes: Did it get flatter?"
    assert "The hall sees the question" in text_of(notes)
    assert "held at “The race”, answer" in text_of(notes)
    assert scene_of(lesson(class_=code)) == ("race", True)


def test_exercises_are_checked_and_counted(lesson):
    app = lesson(part="exercises")
    assert app.get("progress")[0].proto.text == "0 of 10 solved"
    app = sound(app.radio(key="answer_1").set_value("yield").run())
    assert "Not this one" in app.warning[0].value
    app = sound(app.radio(key="answer_1").set_value("stop").run())
    app = sound(app.number_input(key="answer_4").set_value(33.0).run())
    assert "Too large" in app.warning[0].value
    app = sound(app.number_input(key="answer_4").set_value(32.2).run())
    app = sound(app.selectbox(key="answer_8").set_value("stem").run())
    assert "points more" in app.warning[0].value
    app = sound(app.selectbox(key="answer_8").set_value("linear").run())
    assert app.get("progress")[0].proto.text == "3 of 10 solved"
    assert not app.warning


def test_a_trigger_is_measured_where_it_is_asked_for(lesson):
    app = lesson(part="exercises")
    app = sound(app.button("measure_pixels").click().run())
    assert "PSNR 25." in app.warning[0].value and "of 100 signs" in app.warning[0].value
    app = sound(app.button_group("pixels").set_value([1, 2, 4]).run())
    app = sound(app.button("measure_pixels").click().run())
    assert "PSNR 35." in app.success[0].value


@pytest.mark.parametrize("name", ["fooled", "doubt"])
def test_a_sharpness_stands_beside_those_of_the_other_networks(name, lesson):
    paths = sorted(Path(shipped("assets", "zoo")).glob("signs-*-s0-spectrum/manifest.json"))
    values = [json.loads(path.read_text(encoding="utf-8"))["results"]["before"]["lambda_max"]
              for path in paths if "-none-" not in str(path)]
    said = f"The {len(values)} backdoored networks of this lesson have {min(values):.0f} to " \
           f"{max(values):.0f}."
    assert any(said in caption.value for caption in lesson(scene=name).caption)


def test_a_share_too_small_for_the_pictures_shown_is_not_called_clean(lesson):
    app = lesson(scene="poison", share="2")
    assert "None of these" in text_of(app) and "the set is clean" not in text_of(app)
    assert "the set is clean" in text_of(lesson(scene="poison", share="0"))
