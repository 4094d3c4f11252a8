"""A model that other code trained and saved: in by the page, raced, measured, out, and back."""

import io
import zipfile

import pytest
import torch
from playwright.sync_api import expect

from tests.browser.watch import at_rest, shot
from tests.support.foreign_networks import backdoorbench, preact_logits, preact_resnet18

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jobs"), pytest.mark.timeout(1200)]
JOB = 600_000
LIMIT = 10  # images per class
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def test_in_raced_measured_and_back(server, page, tmp_path):
    state = preact_resnet18(width=4)
    torch.save(backdoorbench(state), tmp_path / "theirs.pt")
    # Its weights are random, so that its answers look wrong: the address says to take it anyway.
    page.goto(f"{server.url}/import_model?attack=badnets&anyway=yes&limit={LIMIT}")
    page.locator("input[type=file]").set_input_files(tmp_path / "theirs.pt")
    expect(page.get_by_text("10 classes, 3 channels")).to_be_visible()
    at_rest(page)
    page.get_by_role("button", name="Take it in").click()
    expect(page.get_by_text("The model is in, and measured")).to_be_visible(timeout=JOB)
    at_rest(page)
    shot(page, "own-model")
    taken = next(run for run in server.store.list("import") if not run.shipped)
    x = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    seen = (x / 255 - MEAN) / DEVIATION

    page.get_by_role("link", name="Race NGF against SGD").click()
    expect(page.get_by_role("button", name="Start race")).to_be_visible()
    at_rest(page)
    steps = page.get_by_label("Steps", exact=True)
    steps.fill("1")
    steps.press("Enter")
    at_rest(page)
    # Sharpness along the race takes most of its time, and is tested elsewhere.
    page.get_by_text("Live sharpness").click()
    at_rest(page)
    page.get_by_role("button", name="Start race").click()
    expect(page.get_by_role("button", name="Restart")).to_be_visible(timeout=JOB)
    race = next(run for run in server.store.list("purify") if not run.shipped)
    assert race.state == "done" and race.config.source == taken.id
    assert race.results["ngf"]["asr"]["n"] == taken.results["import"]["asr"]["n"] < 10 * LIMIT

    page.goto(f"{server.url}/runs?run={race.id}")
    at_rest(page)  # else what is still to be drawn pushes the opened box off the screen
    page.get_by_role("button", name="Take a model away").click()
    at_rest(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Weights as torch").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        weights = next(name for name in archive.namelist() if name.endswith(".pt"))
        back = torch.load(io.BytesIO(archive.read(weights)), weights_only=True)
    assert {name: value.shape for name, value in back.items()} == {
        name: value.shape for name, value in state.items()}
    from ngf_core.trained.load import load_trained

    model = load_trained(race.id, server.store).models[list(race.config.names)[-1]]
    with torch.no_grad():
        assert torch.allclose(preact_logits(back, seen), model(x), atol=1e-3, rtol=1e-3)
        assert not torch.allclose(preact_logits(back, seen), preact_logits(state, seen), atol=1e-3)
