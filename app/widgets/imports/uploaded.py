"""Files that a browser sent, kept in the store under their content's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app import state
from ngf_core.data.uploads import FOLDER
from ngf_core.imports.take_in import Look, look, plain_name
from ngf_core.imports.tidy import tidy
from ngf_core.imports.unzipped import unzipped
from ngf_core.runs import default_store
from ngf_core.runs.room import refuse_full, room
from ngf_core.runs.server_settings import refuse_readonly, server_settings

MEGABYTES = 256
WAITING = ("Others sent files before you. They are read one after the other, each in some ten "
           "seconds. Keep this page open: yours follows.")


def uploaded_model(key: str, help: str, inside: str, heads: int) -> tuple[Look, str] | None:
    """The uploader for a model's file; what it holds and its name, or None while there is none.

    inside, heads: which of its state dicts is meant, and a transformer's attention heads.

    Raises ConfigError, NGFError for a file that cannot be used, RunError on a full server.
    """
    readonly = server_settings().readonly
    file = st.file_uploader("Model file", key=key, max_upload_size=MEGABYTES, help=help,
                            disabled=readonly)
    if file is None or readonly:
        return None
    store = default_store()
    return _kept(key, file, lambda path, waiting: look(path, store, inside, heads, "", waiting),
                 f"{inside} {heads}"), plain_name(file.name)


def uploaded_images(label: str, key: str, help: str) -> Path | None:
    """The uploader for a zip of images; the folder with them, or None while there is none.

    Raises ConfigError for a zip that cannot be used, RunError on a full server.
    """
    readonly = server_settings().readonly
    file = st.file_uploader(label, ["zip"], key=key, max_upload_size=MEGABYTES, help=help,
                            disabled=readonly)
    if file is None or readonly:
        return None
    root = default_store().root
    return _kept(key, file, lambda path, waiting: unzipped(path, root / FOLDER, lambda: room(root),
                                                           waiting))


def _kept(key: str, file: Any, take: Callable[[Path, Callable[[], object]], Any], how: str = ""
          ) -> Any:
    """What `take` made of the file, once per upload and way `how`.

    take: called with the file and with what says on the page that others' files come first.
    """
    known = state.remembered(f"taken_{key}")
    if known is not None and known[0] == (file.file_id, how):
        return known[1]
    refuse_readonly()
    store = default_store()
    store.prepare()
    folder = store.root / FOLDER
    folder.mkdir(exist_ok=True)
    tidy(store)
    refuse_full(store.root, file.size)
    # A name of our own: that of the upload comes from outside.
    draft = folder / f"upload-{file.file_id}"
    said = st.empty()
    try:
        draft.write_bytes(file.getbuffer())
        with st.spinner("Reading the file"):
            taken = take(draft, lambda: said.caption(WAITING))
    finally:
        draft.unlink(missing_ok=True)
        said.empty()
    state.remember(f"taken_{key}", ((file.file_id, how), taken))
    return taken
