"""Your model: a file goes up, is told about, and becomes the settings of an import."""

import io
import os
import zipfile
from contextlib import ExitStack

import pytest
import torch
from PIL import Image
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from app.widgets.imports import uploaded as uploaded_files
from ngf_core.data.uploads import FOLDER
from ngf_core.imports.aside import turn
from ngf_core.runs.disk import folder_size
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run
from tests.support.foreign_networks import backdoorbench, preact_resnet18
from tests.support.pages import text_of

pytestmark = pytest.mark.usefixtures("forked_readers")


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def foreign() -> bytes:
    return saved(backdoorbench(preact_resnet18(width=4)))


def uploaded(app: AppTest, key: str, content: bytes, name: str = "attack_result.pt") -> AppTest:
    app.file_uploader(key=key).set_value((name, content, "application/octet-stream"))
    return app.run()


def test_nothing_is_offered_before_there_is_a_file(open_page, started):
    app = open_page("import_model")
    assert not app.exception and not app.button
    assert "attack_result.pt" in text_of(app)


def test_a_file_is_told_about_and_taken_in(open_page, started, runs, foreign):
    app = uploaded(open_page("import_model", pixels="cifar10", attack="badnets", target="2"),
                   "model_file", foreign)
    assert not app.exception and not app.error
    assert "PreAct-ResNet-18, width 4: 10 classes, 3 channels" in text_of(app).replace("\\", "")
    app.button(key="import").click().run()
    (config,) = started
    assert (config.file, config.normalisation, config.attack, config.target) == (
        "attack_result.pt", "cifar10", "badnets", 2)
    assert config.arch == "PreAct-ResNet-18, width 4"
    kept = list((runs.root / FOLDER).glob(f"{config.file_sha}.*"))
    assert {path.suffix for path in kept} == {".json", ".safetensors"}
    assert not list((runs.root / FOLDER).glob("upload-*"))


@pytest.mark.parametrize("content, message", [
    (b"", "is empty"), (b"no model", "neither safetensors nor what torch.save writes"),
    (saved({"a.weight": torch.ones(2, 2), "b": torch.ones(1)}), "no network that is known here"),
    (saved({"epoch": 1}), "holds no state dict")], ids=["empty", "text", "tensors", "number"])
def test_what_is_wrong_with_a_file_is_a_sentence(open_page, started, content, message):
    app = uploaded(open_page("import_model"), "model_file", content)
    assert not app.exception and not app.button
    assert message in app.error[0].value


def test_text_of_a_file_is_no_markdown(open_page, started, foreign):
    state = preact_resnet18(width=4)
    loud = saved({"model": state, "model_name": "<b>**bold** [link](x)", "num_classes": 10})
    app = uploaded(open_page("import_model"), "model_file", loud)
    (line,) = [item.value for item in app.markdown if "bold" in item.value]
    assert "**bold**" not in line and "[link](" not in line and "<b>" not in line


class Loud:
    """Pickled as a call of a function whose name is a link and a picture in Markdown."""

    def __reduce__(self):
        return exec, ("1",)


def test_code_that_a_file_names_is_named_letter_for_letter(open_page, started):
    content = saved({"model": preact_resnet18(width=4), "x": Loud()})
    assert content.count(b"__builtin__\nexec\n") == 1
    content = content.replace(b"__builtin__\nexec\n", b"**b**\n[l](x)<b>_\n")
    app = uploaded(open_page("import_model"), "model_file", content)
    (line,) = [item.value for item in app.markdown if "was not run" in item.value]
    assert "**b**.[l](x)<b>" in line.replace("\\", "")
    assert "**b**" not in line and "[l](" not in line and "<b>" not in line


def test_a_full_server_takes_no_upload(open_page, started, runs, foreign, monkeypatch):
    (runs.root / FOLDER).mkdir(parents=True)
    (runs.root / FOLDER / "upload").write_bytes(bytes(2000))
    monkeypatch.setenv("NGF_STORE_GB", "1e-6")
    app = uploaded(open_page("import_model"), "model_file", foreign)
    assert app.error, "a store of 1 kB has no room"
    assert "new jobs and uploads are refused" in app.error[0].value
    assert not list((runs.root / FOLDER).glob("*.safetensors"))


def test_an_upload_tidies_up(open_page, started, runs, foreign):
    (runs.root / FOLDER).mkdir(parents=True)
    old = runs.root / FOLDER / f"{'0' * 64}.json"
    old.write_text("{}")
    os.utime(old, (0, 0))
    uploaded(open_page("import_model"), "model_file", foreign)
    assert not old.exists()


@pytest.mark.parametrize("variable", ["NGF_SHARED", "NGF_TOKEN"])
def test_a_server_for_many_reads_no_folder_from_an_address(open_page, started, runs, foreign,
                                                           tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    app = open_page("import_model", dataset="cifar10", root=str(tmp_path))
    if variable == "NGF_TOKEN":
        app.text_input(key="given_token").set_value("1")
        app.button(key="enter").click().run()
    app = uploaded(app, "model_file", foreign)
    assert "root" not in [item.key for item in app.text_input]
    app.button(key="import").click().run()
    assert started[0].dataset == "cifar10" and started[0].root == ""


def test_triggered_images_are_a_zip(open_page, started, runs, foreign):
    app = uploaded(open_page("import_model", attack="images"), "model_file", foreign)
    assert app.button(key="import").disabled
    content, picture = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "png")
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bd_test_dataset/1/0.png", picture.getvalue())
        archive.writestr("bd_test_dataset/2/1.png", picture.getvalue())
    app = uploaded(app, "triggered_zip", content.getvalue(), "bd_test.zip")
    app.button(key="import").click().run()
    (config,) = started
    assert config.attack == "images"
    assert config.triggered.startswith(str(runs.root / FOLDER))


def test_what_the_images_cannot_tell_is_said(open_page, runs):
    run = make_run(runs, "import")
    assert "Too few" not in text_of(open_page("import_model", run=run.id))
    change_manifest(run.path, results=run.results | {"untold": ["Too few images to tell this."]})
    app = open_page("import_model", run=run.id)
    assert not app.exception and app.info[0].value == "Too few images to tell this."
    earlier = {name: value for name, value in run.results.items() if name != "untold"}
    change_manifest(run.path, results=earlier)
    assert not open_page("import_model", run=run.id).exception


def test_labels_that_are_no_order_start_nothing(open_page, started, foreign):
    app = uploaded(open_page("import_model", labels="0,0,1"), "model_file", foreign)
    app.button(key="import").click().run()
    assert "does not name each of the 10 outputs once" in app.error[0].value and not started


def test_own_numbers(open_page, started, foreign):
    app = uploaded(open_page("import_model", pixels="own"), "model_file", foreign)
    app.button(key="import").click().run()
    assert started[0].normalisation == "0.5,0.5,0.5/0.25,0.25,0.25"


def test_an_attack_that_learns_is_not_offered(open_page, started, foreign):
    app = uploaded(open_page("import_model"), "model_file", foreign)
    offered = app.selectbox(key="attack_choice").options
    assert any("BadNets" in option for option in offered)
    assert not any("ISSBA" in option for option in offered)


def test_one_that_waits_reads_that_others_come_first(open_page, started, runs, foreign,
                                                     monkeypatch):
    held, said = ExitStack(), []
    caption = DeltaGenerator.caption

    def seen(self, body, *words, **options):
        if body == uploaded_files.WAITING:
            said.append(body)
            held.close()
        return caption(self, body, *words, **options)

    monkeypatch.setattr(DeltaGenerator, "caption", seen)
    held.enter_context(turn(runs.root / FOLDER))
    app = uploaded(open_page("import_model"), "model_file", foreign)
    assert len(said) == 1 and not app.exception and not app.error
    shown = text_of(app).replace("\\", "")
    assert "PreAct-ResNet-18" in shown and "one after the other" not in shown


def test_a_zip_that_has_no_room_is_refused_while_it_is_unpacked(open_page, started, runs, foreign,
                                                                tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    app = uploaded(open_page("import_model", dataset="folder"), "model_file", foreign)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cat", "dog"):
            archive.writestr(f"{name}/0.png", bytes(3_000_000))
    used = folder_size(runs.root)
    monkeypatch.setenv("NGF_STORE_GB", str((used + 4_000_000) / 1e9))
    app = uploaded(app, "data_zip", content.getvalue(), "set.zip")
    assert any("are left here (NGF_STORE_GB)" in error.value for error in app.error)
    assert folder_size(runs.root) < used + 100_000
