"""A folder for fabricated data sets, with a cache of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ngf_core.data.dataset import load_dataset, outline


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to put data sets into; neither cache nor memory knows any yet."""
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NGF_DATA", str(tmp_path / "elsewhere"))
    load_dataset.cache_clear()
    outline.cache_clear()
    folder = tmp_path / "sets"
    folder.mkdir()
    yield folder
    load_dataset.cache_clear()
    outline.cache_clear()
