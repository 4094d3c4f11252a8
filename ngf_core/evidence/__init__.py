"""All attacks x all defenses x several seeds under one protocol, and the resulting tables.

`python -m ngf_core benchmark` computes; `load` reads the tables that ship in assets/benchmark.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ngf_core.errors import NGFError
from ngf_core.paths import shipped

if TYPE_CHECKING:
    import pandas as pd

TABLES = shipped("assets", "benchmark")
COMMAND = "python -m ngf_core benchmark"
LAYERS_COMMAND = "python -m benchmarks.auto_layer"


def tables_folder() -> Path:
    """The folder of the tables: the one NGF_BENCHMARK names, else assets/benchmark."""
    return Path(os.environ.get("NGF_BENCHMARK") or TABLES)


def load(name: str, folder: Path | None = None, command: str = "") -> "pd.DataFrame":
    """The table `name`.parquet of `folder`, or of `tables_folder`: cells, path, claim or layers.

    Raises NGFError where it is missing or cannot be read, which names the `command` that computes
    it, if that is not the usual one.
    """
    import pandas as pd

    path = (folder or tables_folder()) / f"{name}.parquet"
    command = command or (LAYERS_COMMAND if name == "layers" else COMMAND)
    if not path.is_file():
        raise NGFError(f"The table “{name}” has not been computed yet. `{command}` computes it.")
    try:
        return pd.read_parquet(path)
    except Exception as error:
        raise NGFError(f"{path.name} is damaged. Restore it from a copy, or remove it and compute "
                       f"it again with `{command}`.") from error
