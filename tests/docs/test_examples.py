"""Every example in Python runs; the files that a page tells the reader to add do what it says."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from streamlit.testing.v1 import AppTest

from ngf_core.attacks import ATTACKS, AttackEntry
from ngf_core.attacks.attack import build_attack
from ngf_core.data import DATASETS, DatasetEntry
from ngf_core.data.dataset import Images, load_dataset
from ngf_core.library import purify
from ngf_core.purify import Budget, settings
from ngf_core.purify.registry import PURIFIERS, PurifierEntry
from tests.docs.pages import PAGES, ROOT, blocks, name

FILE = re.compile(r"# ((?:ngf_core|app)/\S+\.py)\n")
PROGRAMS = {name(page): [code for code in blocks(page, "python") if not FILE.match(code)]
            for page in PAGES}
PROGRAMS = {page: programs for page, programs in PROGRAMS.items() if programs}


def test_the_pages_have_examples():
    assert {"docs/library.md", "docs/runs.md", "docs/api/curvature.md", "docs/api/landscape.md",
            "docs/api/fisher.md", "docs/api/config.md"} <= set(PROGRAMS)


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_examples_of_a_page_run_in_order(page, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    namespace: dict = {}
    for code in PROGRAMS[page]:
        exec(compile(code, page, "exec"), namespace)  # noqa: S102
        assert capsys.readouterr().out.strip(), f"an example prints what it found:\n{code}"


def added(page: str) -> list[tuple[str, str]]:
    """The files that a page tells the reader to add: path and content of each."""
    return [(FILE.match(code)[1], code) for code in blocks(ROOT / page, "python")
            if FILE.match(code)]


def modules(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModuleType]:
    """Those files, imported under the names they would have."""
    return [_imported(path, code, folder / str(number), monkeypatch)
            for number, (path, code) in enumerate(added(page))]


def _imported(path: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    assert not (ROOT / path).exists()
    folder.mkdir()
    file = folder / Path(path).name
    file.write_text(code)
    found = path.removesuffix(".py").replace("/", ".")
    spec = importlib.util.spec_from_file_location(found, file)
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, found, loaded)
    spec.loader.exec_module(loaded)
    return loaded


def registered(page: str, registry: dict, entry: type, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's line, added to the registry; its key."""
    (line,) = (text for text in blocks(ROOT / page, "text") if entry.__name__ in text)
    known = {entry.__name__: entry, "settings": settings}
    ((key, value),) = eval("{" + line + "}", known).items()  # noqa: S307
    monkeypatch.setitem(registry, key, value)
    return key


def test_the_attack(tmp_path, monkeypatch):
    page = "docs/extend/attack.md"
    modules(page, tmp_path, monkeypatch)
    key = registered(page, ATTACKS, AttackEntry, monkeypatch)
    attack = build_attack(key, target=0, poison_rate=0.1, seed=0, shape=(3, 32, 32), classes=10)
    x = torch.randint(0, 256, (20, 3, 32, 32)).to(torch.uint8)
    stamped = attack.trigger(x)
    assert torch.equal(stamped[..., -6:, -6:], 255 - x[..., -6:, -6:])
    assert torch.equal(stamped[..., :-6, :], x[..., :-6, :])
    poisoned = attack.poison(Images(x, torch.arange(20) % 10), torch.Generator().manual_seed(0))
    assert len(poisoned.indices) == 2 and not poisoned.images.y[poisoned.indices].any()


def test_the_defense(tmp_path, monkeypatch):
    page = "docs/extend/defense.md"
    own, _ = modules(page, tmp_path, monkeypatch)
    monkeypatch.setattr(settings, "Decay", own.Decay, raising=False)
    key = registered(page, PURIFIERS, PurifierEntry, monkeypatch)
    assert PURIFIERS[key].settings is own.Decay and own.Decay.method == key
    x, y = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
    model = torch.nn.Linear(5, 2)
    weak, strong = (purify(model, (x, y), own.Decay(lr=0.1, strength=strength), Budget(steps=30))
                    for strength in (0.0, 1.0))
    assert strong.weight.norm() < 0.5 * weak.weight.norm()


def test_the_data_set(tmp_path, monkeypatch):
    page = "docs/extend/dataset.md"
    modules(page, tmp_path, monkeypatch)
    key = registered(page, DATASETS, DatasetEntry, monkeypatch)
    found = load_dataset(key)
    assert len(found.train) == DATASETS[key].train_images and len(found.test) == 1000
    assert found.class_names == ("horizontal", "vertical")
    rows = found.test.x.float().std(3).mean((1, 2))  # along a row: flat where bars are horizontal
    assert rows[found.test.y == 0].max() < rows[found.test.y == 1].min()


def test_the_page(monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    app = AppTest.from_string(added("docs/extend/page.md")[0][1], default_timeout=60).run()
    assert not app.exception and not app.error
    assert app.title[0].value == "Poisoned images"
    assert "badnets" in set(app.dataframe[0].value["attack"])
