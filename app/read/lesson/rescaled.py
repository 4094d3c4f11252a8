"""The shipped table of one layer rescaled, written by `python -m benchmarks.rescaled_layer`."""

import functools
import json
from typing import Any

from ngf_core.errors import NGFError
from ngf_core.paths import shipped


@functools.cache
def rescaled() -> dict[str, Any]:
    """The table: source, layer, images, test_images and a row per factor.

    Raises NGFError where it is not there.
    """
    path = shipped("assets", "benchmark") / "rescaled.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise NGFError("assets/benchmark/rescaled.json, the table of a rescaled layer, is missing "
                       "or damaged. `python -m benchmarks.rescaled_layer` writes it.") from None
