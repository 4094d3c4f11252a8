"""Where the files that ship with NGF Lab are: assets/, app/ and streamlit_app.py; and its caches.

An installed package has them in ngf_core/shipped, where the build puts them (pyproject.toml).
In a checkout they are beside ngf_core, so that it runs without being installed.
"""

import os
from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("ngf_core")))


def shipped(*parts: str) -> Path:
    """A file or folder that ships, named from the top of the repository: "assets", "zoo"."""
    return (checkout() or _PACKAGE / "shipped").joinpath(*parts)


def checkout() -> Path | None:
    """The top folder of the checkout whose code this is; None for an installed package."""
    return None if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent


def cache_folder() -> Path:
    """Where caches are kept.

    The folder that NGF_CACHE names, else `.cache` at the top of a checkout; for an installed
    package `ngf-lab` in the user's cache folder.
    """
    if named := os.environ.get("NGF_CACHE"):
        return Path(named)
    if here := checkout():
        return here / ".cache"
    users = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(users) if users else Path.home() / ".cache") / "ngf-lab"
