"""Attacks: images, sliders, quality, answers, pictures of one's own; nothing is trained.

The science is the real one, on the embedded digits; models are untrained networks.
"""

import base64
import io
import re
from unittest.mock import create_autospec

import numpy as np
import pytest
import streamlit
import torch
from PIL import Image
from streamlit.components.v2.bidi_component.state import ComponentResult
from streamlit.testing.v1 import AppTest

from app.widgets.attacks import own_picture, painter
from app.widgets.attacks.attack_card import idea, label_rule, lines, reference
from ngf_core.attacks import ATTACKS
from ngf_core.attacks.attack import attack_class
from ngf_core.attacks.drawing import to_text
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError
from ngf_core.evaluate.test_set import predict
from ngf_core.models.build import build_model
from ngf_core.runs import Run
from ngf_core.trained import poison_preview as preview
from ngf_core.trained.gallery import gallery
from ngf_core.trained.poison_preview import poison_preview
from tests.support.dataset_files import class_folders, written
from tests.support.faked import faked
from tests.support.pages import address, text_of
from tests.support.untrained_models import DIGITS, SHAPE, trained


@pytest.fixture
def models(runs) -> list[Run]:
    return [trained(runs), trained(runs, attack="none", seed=1)]


def tiles(app: AppTest) -> dict[str, str]:
    return {tile.label: tile.value for tile in app.metric}


def knob(app: AppTest, name: str):
    return next(slider for slider in app.slider if slider.label.startswith(f"**{name}**"))


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_has_its_page(runs, open_page, name):
    app = open_page("attacks", attack=name, **DIGITS)
    kind = attack_class(name)
    assert not app.exception and not app.error and not app.toast
    assert app.header[0].value == kind.title
    drawn = [line.value.strip("$\n ") for line in app.latex]
    assert "".join(drawn) == re.sub(r"[,;] \\; ?", "", kind.formula)
    told = {slider.label.strip("*").partition("*")[0] for slider in app.slider}
    for knob in kind.knobs:
        assert (knob in told) is not knob.endswith(("steps", "epochs"))
        if knob not in told:
            assert f"{knob} {kind.strengths['default'][knob]:g}" in text_of(app)
    text = text_of(app)
    if kind.learns:
        assert kind.learns in text
    if "has no trigger" in text:
        assert f"--attack {name}" in app.code[0].value and "PSNR" not in tiles(app)
    else:
        assert {"PSNR", "SSIM", "L∞"} <= set(tiles(app))
    poisoned = poison_preview(TrainConfig(attack=name, **DIGITS), 1)["poisoned"]
    assert f"{poisoned:,} of 3,800" in text and f"({100 * poisoned / 3800:.1f}\u00a0%)" in text


def test_without_models_it_says_so_and_where_to_train_them(runs, open_page):
    app = open_page("attacks", **DIGITS)
    assert [info.value for info in app.info] == [
        "No model with this attack was trained on Digits here yet, so no backdoored "
        "model can be shown.",
        "No benign model was trained on Digits here yet, so there is no floor to compare with."]
    assert set(tiles(app)) == {"PSNR", "SSIM", "L∞"}


def test_both_models_answer(models, open_page):
    app = open_page("attacks", **DIGITS)
    assert not app.exception and not app.error and not app.info
    assert {"ASR, backdoored", "ASR, benign"} <= set(tiles(app))
    text = text_of(app)
    assert models[0].id[-4:] in text and models[1].id[-4:] in text
    assert "ASR 97.8 % (n = 900)" in text and "ACC 99.0 % (n = 1,000)" in text
    table = next(frame.value for frame in app.dataframe if "confidence" in frame.value)
    assert len(table) == 8 * 2 * 2 and set(table["model"]) == {"Backdoored", "Benign"}
    assert table["confidence"].between(0.1, 1).all()


def test_the_tile_is_the_share_of_the_attackers_label(models, open_page):
    app = open_page("attacks", **DIGITS)
    shown = gallery(TrainConfig(**DIGITS))
    for name, seed in (("backdoored", 0), ("benign", 1)):
        model = build_model(TrainConfig.arch, SHAPE, 10, seed)
        said = predict(model, torch.from_numpy(shown.triggered)).argmax(1).numpy()
        share = 100 * (said == shown.wanted).mean()
        assert tiles(app)[f"ASR, {name}"] == f"{share:.1f} %"


def test_a_slider_redraws_and_stands_in_the_address(models, open_page):
    app = open_page("attacks", **DIGITS)
    before = tiles(app)
    knob(app, "alpha").set_value(0.5).run()
    assert not app.exception
    assert float(tiles(app)["PSNR"].split()[0]) > float(before["PSNR"].split()[0])
    assert address(app, "parameters") == "alpha=0.5"
    assert "default strength, alpha=0.5" in text_of(app)
    app.button(key="put_back").click().run()
    assert tiles(app) == before and address(app, "parameters") is None
    assert "put_back" not in {button.key for button in app.button}


def test_an_invisible_trigger_has_infinite_psnr(runs, open_page):
    app = open_page("attacks", parameters="alpha=0", **DIGITS)
    assert tiles(app) == {"PSNR": "∞ dB", "SSIM": "1.000", "L∞": "0"}


def test_the_address_is_the_page(runs, open_page):
    app = open_page("attacks", attack="wanet", strength="published", parameters="s=3,k=6",
                    poison_rate="0.05", **DIGITS)
    assert not app.toast
    assert (knob(app, "s").value, knob(app, "k").value) == (3.0, 6)
    assert knob(app, "jitter").value == attack_class("wanet").strengths["published"]["jitter"]
    assert address(app, "parameters") == "s=3,k=6"
    assert "190 of 3,800" in text_of(app)


def test_a_parameter_of_learning_is_kept_and_not_asked(runs, open_page):
    name = next(n for n in ATTACKS if any(k.endswith("steps") for k in attack_class(n).knobs))
    steps = next(k for k in attack_class(name).knobs if k.endswith("steps"))
    low = attack_class(name).knobs[steps].low
    app = open_page("attacks", attack=name, parameters=f"{steps}={low:g}", **DIGITS)
    app.run()
    assert not app.toast and address(app, "parameters") == f"{steps}={low:g}"
    assert f"{steps} {low:g}" in text_of(app)


def test_a_change_that_only_acts_in_training_is_said(runs, open_page):
    app = open_page("attacks", attack="wanet", parameters="jitter=1", **DIGITS)
    assert "jitter: this change leaves the images as they are" in text_of(app)


@pytest.mark.parametrize(("asked", "why"), [
    ("alpha=7", "goes from 0 to 1"), ("beta=1", "no parameter beta"), ("alpha", "alpha=0.5,k=3"),
    ("alpha=nan", "goes from 0 to 1")])
def test_parameters_that_cannot_be_give_one_toast_and_the_usual_value(runs, open_page, asked, why):
    app = open_page("attacks", parameters=asked, **DIGITS)
    assert not app.exception and not app.error
    assert len(app.toast) == 1 and why in app.toast[0].value
    assert knob(app, "alpha").value == 1 and address(app, "parameters") is None
    app.run()
    assert not app.toast


def test_words_of_the_address_that_do_not_fit_give_the_default(runs, open_page):
    app = open_page("attacks", attack="zzz", strength="weak", poison_rate="7", **DIGITS)
    toasts = " ".join(toast.value for toast in app.toast)
    assert "attack=zzz" in toasts and "strength=weak" in toasts and "poison_rate=7" in toasts
    assert app.header[0].value == "BadNets"


def test_another_attack_leaves_the_changes_of_the_last_behind(runs, open_page):
    app = open_page("attacks", parameters="alpha=0.5", **DIGITS)
    app.selectbox(key="attack_choice").set_value("blend").run()
    assert not app.exception and not app.toast
    assert address(app, "parameters") is None
    assert knob(app, "alpha").value == attack_class("blend").strengths["default"]["alpha"]


def test_a_rate_that_cannot_be_is_said_beside_its_slider(runs, open_page):
    app = open_page("attacks", attack="sig", poison_rate="0.4", **DIGITS)
    assert "can poison 1 to" in app.error[0].value and "PSNR" in tiles(app)


def test_configure_takes_over_what_was_chosen(started, open_page, monkeypatch):
    # this page counts with the real one
    monkeypatch.setattr(preview, "poison_preview", poison_preview)
    gone = []
    faked(monkeypatch, streamlit, "switch_page", lambda page, query_params: gone.append(
        (page, query_params)))
    app = open_page("attacks", attack="blend", strength="published", parameters="alpha=0.1",
                    poison_rate="0.05", **DIGITS)
    app.button(key="train_this").click().run()
    assert gone == [("app/views/configure.py", {
        "dataset": "digits", "attack": "blend",
        "strength": "published", "parameters": "alpha=0.1", "poison_rate": "0.05"})]


def test_what_is_trained_is_the_folder_that_is_shown(runs, open_page, monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "my pictures"
    class_folders(folder, written(20, 2, (3, 32, 32), 0), ("one", "two"))
    trained(runs, dataset="folder", root=str(folder), size=32, attack="none")
    source = trained(runs, dataset="folder", root=str(folder), size=32)
    gone = []
    faked(monkeypatch, streamlit, "switch_page", lambda page, query_params: gone.append(
        dict(query_params)))
    app = open_page("attacks", dataset="folder")
    app.button(key="train_this").click().run()
    assert source.config.root and gone == [
        {"dataset": "folder", "attack": "badnets",
         "root": str(folder), "size": "32"}]


def test_a_model_that_cannot_be_read_is_a_sentence(models, open_page):
    (models[0].path / "model.safetensors").write_bytes(b"broken")
    app = open_page("attacks", **DIGITS)
    assert not app.exception
    assert "model.safetensors" in app.error[0].value and "PSNR" in tiles(app)


def test_a_set_that_is_not_here_is_a_sentence(runs, open_page, monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_DATA", str(tmp_path))
    app = open_page("attacks", dataset="cifar10")
    assert not app.exception and "CIFAR-10" in app.error[0].value
    assert "download" in {button.key for button in app.button}


def picture(format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), (200, 30, 30)).save(buffer, format)
    return buffer.getvalue()


def answers(app: AppTest) -> list[str]:
    """The lines with the answers to an uploaded picture: without a true label nothing is marked."""
    return [text.value for text in app.markdown if re.match(r"Backdoored: \d", text.value)]


def test_an_uploaded_picture_is_answered_for(models, open_page):
    app = open_page("attacks", **DIGITS)
    assert not answers(app)
    app.file_uploader(key="upload").upload("mine.jpg", picture("JPEG")).run()
    assert not app.exception and not app.error
    backdoored, benign = answers(app)[0].split("  \n")
    assert re.fullmatch(r"Backdoored: \d \d+\u00a0% → \d \d+\u00a0%", backdoored)
    assert benign.startswith("Benign: ")


def test_a_bad_file_is_a_sentence(models, open_page):
    app = open_page("attacks", **DIGITS)
    app.file_uploader(key="upload").upload("mine.png", b"no picture").run()
    assert not app.exception and not answers(app)
    assert "could not be read as a picture" in app.error[0].value


@pytest.fixture
def canvas(monkeypatch) -> list[dict]:
    """What the canvas was given, newest last; it answers with `canvas.paint` on its layer."""
    class Given(list):
        paint: np.ndarray | None = None

    given = Given()

    def draw(*, key, data, default, on_painted_change):
        given.append(data)
        if given.paint is None:
            return ComponentResult({"painted": None})
        return ComponentResult({"painted": {
            "of": data["layer"], "pixels": base64.b64encode(given.paint.tobytes()).decode()}})

    monkeypatch.setattr(painter, "_canvas", create_autospec(painter._canvas, side_effect=draw))
    return given


def dab() -> np.ndarray:
    """Paint of two pixels: white in one corner, red in the other."""
    paint = np.zeros((32, 32, 4), np.uint8)
    paint[0, 0], paint[31, 31] = 255, (255, 0, 0, 255)
    return paint


def test_a_painted_picture_is_answered_for(models, open_page, canvas, monkeypatch):
    asked = []
    ask = own_picture.ask_models
    faked(monkeypatch, own_picture, "ask_models",
          lambda show, images: asked.append(images) or ask(show, images))
    canvas.paint = dab()
    app = open_page("attacks", **DIGITS)
    assert not app.exception and not app.error
    assert (canvas[0]["width"], canvas[0]["height"], canvas[0]["paint"]) == (32, 32, None)
    clean, painted = asked
    assert painted[0, 0, 0, 0] == 255 and painted[0, 0, 31, 31] == 76
    assert (painted != clean).sum() == 2


def test_paint_stays_while_images_change(models, open_page, canvas):
    app = open_page("attacks", **DIGITS)
    app.pills(key="paint_over").set_value(2).run()
    first, second = canvas
    assert first["layer"] == second["layer"] and first["id"] != second["id"]


def test_from_paint_to_the_settings_of_a_run(started, open_page, canvas, monkeypatch):
    monkeypatch.setattr(preview, "poison_preview", poison_preview)
    gone = []
    faked(monkeypatch, streamlit, "switch_page", lambda page, query_params: gone.append(
        (page, query_params)))
    canvas.paint = dab()
    app = open_page("attacks", poison_rate="0.05", parameters="alpha=0.5", **DIGITS)
    app.button(key="train_painted").click().run()
    # of BadNets' opacity nothing is left: it is another attack's
    picture = f"picture={to_text(dab())}"
    assert gone == [("app/views/configure.py", {
        "dataset": "digits", "attack": "painted",
        "parameters": picture, "poison_rate": "0.05"})]
    there = open_page("configure", **gone[0][1])
    assert not there.exception and not there.error
    assert not [c for c in there.segmented_control if "Strength" in c.label]
    there.button(key="train").click().run()
    config = TrainConfig(dataset="digits", attack="painted", parameters=picture, poison_rate=0.05,
                         epochs=12)
    assert started == [config]


@pytest.mark.parametrize("button", ["train_painted", "train_this"])
def test_the_attackers_label_that_is_shown_goes_to_configure(runs, open_page, canvas, monkeypatch,
                                                             button):
    gone = []
    faked(monkeypatch, streamlit, "switch_page", lambda page, query_params: gone.append(
        query_params))
    trained(runs, target=3)
    canvas.paint = dab()
    open_page("attacks", **DIGITS).button(key=button).click().run()
    assert gone[0]["target"] == "3"


def test_the_opacity_does_not_count_the_images_again(models, open_page, canvas, monkeypatch):
    counted = []
    faked(monkeypatch, preview, "poison_preview", lambda config, count: counted.append(
        config.parameters) or {"poisoned": 1, "train_images": 10})
    picture = f"picture={to_text(dab())}"
    for alpha in ("0.5", "0.6"):
        open_page("attacks", attack="painted", parameters=f"{picture},alpha={alpha}", **DIGITS)
    assert counted == [picture]


def test_nothing_painted_is_nothing_to_train_on(models, open_page, canvas):
    app = open_page("attacks", **DIGITS)
    assert app.button(key="train_painted").disabled and app.button(key="see_painted").disabled
    assert "Paint something to train on it." in text_of(app)


def test_paint_that_is_too_detailed_is_a_sentence(models, open_page, canvas):
    canvas.paint = np.zeros((32, 32, 4), np.uint8)
    canvas.paint[..., 3] = 255
    canvas.paint[..., :2] = np.stack(np.divmod(np.arange(1024), 32), -1).reshape(32, 32, 2)
    app = open_page("attacks", **DIGITS)
    assert "the picture has 1,024 colours" in app.error[0].value.lower()
    assert "PSNR" in tiles(app)


def test_a_painted_trigger_has_its_page(models, open_page, canvas):
    picture = f"picture={to_text(dab())}"
    app = open_page("attacks", attack="painted", parameters=f"alpha=0.5,{picture}", **DIGITS)
    assert not app.exception and not app.error and not app.toast
    assert app.header[0].value == "Painted trigger" and "drawn by the user" in text_of(app)
    assert {"PSNR", "SSIM", "L∞", "ASR, benign"} <= set(tiles(app))
    assert not [c for c in app.segmented_control if "Strength" in c.label]
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(canvas[-1]["paint"]), np.uint8).reshape(32, 32, 4), dab())
    # nothing was painted since: what it begins with is the trigger, already shown
    assert app.button(key="see_painted").disabled and not app.button(key="train_painted").disabled
    assert address(app, "parameters") == f"{picture},alpha=0.5"
    app.button(key="put_back").click().run()
    assert address(app, "parameters") == picture, "the picture is no slider"
    assert "put_back" not in {button.key for button in app.button}


def test_paint_without_opacity_is_no_trigger_and_the_page_says_so(models, open_page, canvas):
    picture = f"picture={to_text(dab())}"
    app = open_page("attacks", attack="painted", parameters=f"{picture},alpha=0", **DIGITS)
    assert not app.exception and not app.error
    assert tiles(app)["L∞"] == "0" and "with these values there is no trigger" in text_of(app)
    assert "ASR, benign" in tiles(app), "the floor stands beside it"


def test_new_paint_can_be_shown_on_the_images(models, open_page, canvas, monkeypatch):
    gone = []
    faked(monkeypatch, streamlit, "switch_page", lambda page, query_params: gone.append(
        (page, query_params)))
    app = open_page("attacks", attack="painted", parameters=f"picture={to_text(dab())},alpha=0.5",
                    **DIGITS)
    canvas.paint = np.ascontiguousarray(dab()[:, ::-1])
    app.run()
    app.button(key="see_painted").click().run()
    assert gone == [("app/views/attacks.py", {
        "run": models[1].id, "attack": "painted",
        "parameters": f"picture={to_text(canvas.paint)},alpha=0.5"})]


def test_before_a_trigger_is_painted_the_page_says_where_to_paint(runs, open_page, canvas):
    app = open_page("attacks", attack="painted", **DIGITS)
    assert not app.exception and not app.error and "No trigger is painted yet" in text_of(app)
    assert not tiles(app) and canvas[-1]["paint"] is None
    there = open_page("configure", attack="painted", **DIGITS)
    assert "Painted trigger has no picture. Paint one on the Attacks page" in text_of(there)
    assert "train" not in {button.key for button in there.button}


def test_the_trigger_of_a_trained_model_is_offered_and_another_named(runs, open_page, canvas):
    picture = f"picture={to_text(dab())}"
    trained(runs, attack="painted", parameters=picture)
    in_hand = trained(runs)
    app = open_page("attacks", attack="painted", run=in_hand.id)
    assert "Show the one that your newest model was trained on" in {
        link.label for link in app.get("page_link")}
    moved = dab()
    moved[16, 16] = 255
    other = f"picture={to_text(moved)},alpha=0.5"
    said = text_of(open_page("attacks", attack="painted", parameters=other, **DIGITS))
    own, shown = re.search(r"was trained with (picture \w{6}), the images carry (picture \w{6}), "
                           r"?alpha=0.5: ", said).groups()
    assert own != shown and picture not in said
    assert other[:20] == picture[:20], "these two begin alike"


def test_a_bad_picture_in_the_address_is_one_toast(runs, open_page, canvas):
    app = open_page("attacks", attack="painted", parameters="picture=AAAA", **DIGITS)
    assert not app.exception and not app.error
    assert "the picture ends before its size is told" in app.toast[0].value
    assert address(app, "parameters") is None
    app = open_page("attacks", parameters=f"picture={to_text(dab())}", **DIGITS)
    assert "BadNets has no parameter 'picture'" in app.toast[0].value


@pytest.mark.parametrize(("drawn", "said"), [
    (None, None), ({"of": "another", "pixels": ""}, None), ("nonsense", None),
    ({"of": "it", "pixels": base64.b64encode(bytes(64)).decode()}, None),
    ({"of": "it", "pixels": "AAAAAA=="}, "has 1 pixels")])
def test_what_a_browser_may_send_back(drawn, said, monkeypatch):
    answer = ComponentResult({"painted": drawn})
    monkeypatch.setattr(painter, "_canvas", create_autospec(painter._canvas, return_value=answer))
    image = np.zeros((1, 4, 4), np.uint8)
    if said is None:
        assert painter.painter(image, "it", "it", label="it", key="it") is None
    else:
        with pytest.raises(NGFError, match=said):
            painter.painter(image, "it", "it", label="it", key="it")


@pytest.mark.parametrize("mode", ["all-to-one", "all-to-all", "clean-label"])
def test_every_label_mode_has_words(mode):
    words = label_rule(mode, 2, ("cat", "dog", "fox"))
    assert ("fox" in words) is (mode != "all-to-all") and "{" not in words
    assert mode != "all-to-all" or ("cat" in words and "dog" in words and "mod 3" in words)


def test_an_unknown_label_mode_is_named():
    assert "half-to-half" in label_rule("half-to-half", 0, ("cat",))


def test_papers_on_arxiv_are_linked():
    assert reference("Nguyen, Tran 2021, arXiv 2102.10369") == (
        "Nguyen, Tran 2021, [arXiv 2102.10369](https://arxiv.org/abs/2102.10369)")
    assert reference("Somebody, CVPR 2020") == "Somebody, CVPR 2020"


def test_the_idea_is_the_first_paragraph():
    class Attack:
        """One thing
        and another.

        The rest.
        """

    assert idea(Attack) == ("**Images, sliders, quality, answers, pictures of one's own; nothing "
                            "is trained.** One thing and another.")


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_says_what_it_is_in_a_line(name):
    assert re.match(r"\*\*[A-Z].{10,70}\.\*\* [A-Z]", idea(attack_class(name)))


def test_formulas_break_where_they_list():
    assert lines(r"x' = E(x), \; \min_{E, D} \; L(E, D)") == [
        "x' = E(x)", r"\min_{E, D} \; L(E, D)"]
    assert lines("x' = x") == ["x' = x"]
