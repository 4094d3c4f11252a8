"""Your model: bring a file, say what it was trained on, take it in."""

import streamlit as st

from app import jobs, state
from app.text import sections
from app.text.outside import plain
from app.widgets.controls.address import choose
from app.widgets.controls.config_form import ConfigForm
from app.widgets.controls.notice import guarded, show_error
from app.widgets.controls.start_button import start_button
from app.widgets.imports.followed_import import followed_import
from app.widgets.imports.uploaded import MEGABYTES, uploaded_images, uploaded_model
from app.widgets.runs.run_name import titles
from ngf_core.attacks import EVERY_ATTACK
from ngf_core.config import ImportConfig
from ngf_core.config.imported import GIVEN, UNKNOWN
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.imports.take_in import Look
from ngf_core.runs import Run
from ngf_core.runs.server_settings import server_settings

TEXT = sections("import_model")
PIXELS = {
    "imagenet": "ImageNet's mean and deviation (torchvision, timm)",
    "cifar10": "CIFAR-10's (BackdoorBench)", "cifar100": "CIFAR-100's (BackdoorBench)",
    "tiny_imagenet": "Tiny-ImageNet's (BackdoorBench)", "mnist": "MNIST's",
    "none": "None: 0 to 1 (BackdoorBench's GTSRB)", "half": "-1 to 1", "ngf": "NGF Lab's own",
    "own": "Own numbers"}
OWN = "0.5,0.5,0.5/0.25,0.25,0.25"


def page() -> None:
    """The form, and the import it started."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    run = followed_import()
    if run is None:
        _form()
    elif not run.live:
        box = st.expander("Bring another model", icon=":material/add:", on_change="rerun",
                          key=f"another_{run.id}", expanded=run.state != "done")
        if box.open:
            with box:
                _form()


def _form() -> None:
    form = ConfigForm(ImportConfig)
    left, right = st.columns(2, gap="large")
    with left:
        uploader = st.container()
        with st.expander("Several models in the file, or a transformer", icon=":material/tune:"):
            inside = form.ask("inside", "State dict in the file")
            heads = form.ask("heads", "Attention heads")
        try:
            with uploader:
                brought = uploaded_model("model_file", TEXT["file"].format(megabytes=MEGABYTES),
                                         inside, heads)
        except NGFError as error:
            show_error(error)
            return
        if brought is None:
            st.caption(TEXT["file"].format(megabytes=MEGABYTES))
            return
        found, name = brought
        for sentence in found.sentences():
            st.markdown(f"- {plain(sentence)}")
    with right:
        _ask(form)
    form.give("file", name)
    form.give("file_sha", found.read.sha)
    form.give("arch", found.network.name if found.network else "")
    config = form.read()
    ready = config is not None and (config.attack != GIVEN or config.triggered)
    if start_button("Take it in", "import", type="primary", icon=":material/login:",
                    disabled=not ready):
        _start(config, found)


def _ask(form: ConfigForm) -> None:
    dataset = form.ask("dataset", "Data set", options=titles(DATASETS))
    if dataset == "folder":
        place = uploaded_images("Images by class (zip)", "data_zip", TEXT["data"])
        if place is not None:
            form.give("root", str(place))
            form.ask("size", "Side of the images", default=32)
        else:
            if not server_settings().for_many:
                form.ask("root", "Folder of images by class")
            form.ask("size", "Side of the images", default=32)
    elif not DATASETS[dataset].embedded:
        if not server_settings().for_many:
            form.ask("root", "Folder of your data sets")
        form.ask("size", "Side of the images")
    pixels = choose("pixels", "Pixels it was trained on", PIXELS, "imagenet", help=TEXT["pixels"])
    if pixels == "own":
        form.ask("normalisation", "Means and deviations", default=OWN)
    else:
        form.give("normalisation", pixels)
    _ask_attack(form)
    with st.expander("More", icon=":material/tune:", key="import_more"):
        form.ask("limit", "Images per class")
        form.ask("order", "Order of the channels", options={"rgb": "RGB", "bgr": "BGR"})
        form.ask("labels", "Output for each label")
        form.ask("anyway", "Take it in although its answers look wrong")


def _ask_attack(form: ConfigForm) -> None:
    ready = {name: f"{entry.title}: its trigger is made here"
             for name, entry in EVERY_ATTACK.items() if not entry.learns}
    attack = form.ask("attack", "Backdoor", options={
        UNKNOWN: "Unknown: ASR is not measured", GIVEN: "I have triggered images",
        "none": "None: the model is benign"} | ready)
    if attack == UNKNOWN:
        st.caption(TEXT["unknown"])
    if attack == GIVEN:
        place = uploaded_images("Triggered images (zip)", "triggered_zip", TEXT["images"])
        form.give("triggered", str(place) if place else "")
        st.caption(TEXT["images"])
    if attack in ready:
        form.ask("strength", "Strength of the trigger",
                 options={"default": "Default", "published": "As published"})
        form.ask("parameters", "Changed parameters of the attack")
    if attack not in (UNKNOWN, "none"):
        form.ask("target", "Target label")


def _start(config: ImportConfig, found: Look) -> None:
    try:
        found.check_labels(config.labels)
        run: Run = jobs.start(config, state.browser())
    except NGFError as error:
        show_error(error)
        return
    state.open_run(run)
    st.rerun()


guarded(page)()
