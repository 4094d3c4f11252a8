"""What was uploaded and is no longer needed goes, decoded images included."""

import shutil
import time
from pathlib import Path

from ngf_core.data.stored import forget_unused
from ngf_core.data.uploads import FOLDER, UPLOAD
from ngf_core.runs import RunStore

HOURS = 24.0  # that an upload is kept for a form that is being filled in
SHA = 64      # names begin with the SHA-256 of what was sent


def tidy(store: RunStore) -> None:
    """Delete what the store's FOLDER holds, where it is older than HOURS and no run's settings name
    it: as its model's file, its data set or its triggered images. Decoded images of uploads go a
    day after their last use."""
    forget_unused(UPLOAD)
    folder = store.root / FOLDER
    old = [path for path in folder.glob("*")
           if path.lstat().st_mtime < time.time() - 3600 * HOURS]
    named = _named(store) if old else set()
    for path in old:
        if path.name[:SHA] in named:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _named(store: RunStore) -> set[str]:
    """The SHA-256 of every upload that a run's settings name."""
    settings = [run.manifest["config"] for run in store.list()]
    return {Path(str(config[name])).name for config in settings
            for name in ("file_sha", "root", "triggered") if config.get(name)}
