"""A button to fetch a missing data set: only on a press, with size and progress."""

import threading
import time

import streamlit as st

from app.text import sections
from app.text.outside import plain, unlinked
from app.widgets.controls.start_button import start_button
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError

TEXT = sections("configure")
LOOK = 0.5


class Fetching(threading.Thread):
    """One download in the background: its progress, and the error it ended with, if any."""

    def __init__(self, name: str, root: str) -> None:
        super().__init__(daemon=True)
        self.dataset, self.root = name, root
        self.done, self.total = 0, DATASETS[name].download_bytes
        self.error: NGFError | None = None

    def run(self) -> None:
        from ngf_core.data.download import download

        try:
            download(self.dataset, self.root, self._report)
        except NGFError as error:
            self.error = error

    def _report(self, done: int, total: int) -> None:
        self.done, self.total = done, total


def missing_data(config: TrainConfig) -> None:
    """Where the config's data set is missing and can be fetched: a button that fetches it."""
    from ngf_core.data.dataset import find_source
    from ngf_core.data.source import data_folder

    entry = DATASETS[config.dataset]
    if not entry.download_bytes:
        return
    try:
        find_source(config.dataset, config.root)
        return
    except NGFError:
        pass  # missing: offered below
    st.markdown(TEXT["download"].format(title=entry.title, megabytes=entry.download_bytes / 1e6,
                                        folder=plain(str(data_folder(config.root)))))
    if not start_button(f"Download {entry.title}", "download", icon=":material/download:"):
        return
    fetching = Fetching(config.dataset, config.root)
    fetching.start()
    bar = st.progress(0.0)
    while fetching.is_alive():
        share = min(1.0, fetching.done / fetching.total)
        bar.progress(share, f"{fetching.done / 1e6:,.0f} of {fetching.total / 1e6:,.0f} MB")
        time.sleep(LOOK)
    if fetching.error is None:
        st.rerun()
    bar.empty()
    st.error(unlinked(str(fetching.error)), icon=":material/error:")
