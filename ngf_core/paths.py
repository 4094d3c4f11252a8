"""Where the files that ship with NGF Lab are: assets/, app/ and streamlit_app.py.

An installed package has them in ngf_core/shipped, where the build puts them (pyproject.toml).
In a checkout they are beside ngf_core, so that it runs without being installed.
"""

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("ngf_core")))


def shipped(*parts: str) -> Path:
    """A file or folder that ships, named from the top of the repository: "assets", "zoo"."""
    return (checkout() or _PACKAGE / "shipped").joinpath(*parts)


def checkout() -> Path | None:
    """The top folder of the checkout whose code this is; None for an installed package."""
    return None if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent
