"""events.jsonl: one JSON object per line, appended while a run computes.

A reader keeps the byte offset it has reached and reads on from there. An unfinished line is left
for the next read; a finished line that is not an event is skipped.

Lines are not synced one by one, which would cost milliseconds each. They are on the disk before a
manifest or a part is that was written after them (`sync_events`); what a power cut takes beyond
that is computed again when the run goes on.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngf_core.runs.disk import telling_full

if TYPE_CHECKING:
    import pandas as pd

NAME = "events.jsonl"
# What those that are read by their type have to hold.
_ENTRIES = {"progress": {"done", "total", "text"},
            "point": {"method", "step", "seconds", "metrics", "n"}}


def append_event(folder: Path, kind: str, **entries: Any) -> None:
    """Append one event with the time. Raises DiskFull, and then the file is unchanged.

    Numbers that are not finite become null, since JSON cannot represent them.
    """
    event = {"t": round(time.time(), 3), "type": kind} | finite(entries)
    path = folder / NAME
    with telling_full(path), open(path, "ab", buffering=0) as file:
        end, content = file.tell(), json.dumps(event, allow_nan=False).encode() + b"\n"
        try:
            while content:
                content = content[file.write(content):]
        except OSError:
            if file.seekable() and path.is_file():
                file.truncate(end)
            raise


def sync_events(folder: Path) -> None:
    """Wait until all events so far are on the disk. Raises DiskFull."""
    path = folder / NAME
    if path.exists():
        with telling_full(path), open(path, "ab") as file:
            os.fsync(file.fileno())


def mend_events(folder: Path) -> None:
    """Cut off the unfinished line that a killed worker left, which would spoil the next one."""
    path = folder / NAME
    if path.exists():
        with open(path, "r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def finite(value: Any) -> Any:
    """The value with null in place of numbers that are not finite, in dicts and lists too."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_events(folder: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The events from byte `offset` on, and the offset to continue from."""
    try:
        with open(folder / NAME, "rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    whole = content[:content.rfind(b"\n") + 1]
    return [event for line in whole.splitlines() if (event := _parse(line))], offset + len(whole)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = event.get("type") if isinstance(event, dict) else None
    return event if isinstance(kind, str) and event.keys() >= _ENTRIES.get(kind, set()) else None


def curves(events: list[dict[str, Any]]) -> "pd.DataFrame":
    """The points as a long table: method, step, seconds, metric, value, n.

    Values are fractions, never percent; a value that was not finite is NaN, an n that does not
    apply (loss, KL) is missing.
    """
    import pandas as pd

    rows = [(point["method"], point["step"], point["seconds"], metric, value,
             point["n"].get(metric))
            for point in events if point["type"] == "point"
            for metric, value in point["metrics"].items()]
    table = pd.DataFrame(rows, columns=["method", "step", "seconds", "metric", "value", "n"])
    return table.astype({"method": "str", "step": "int64", "seconds": "float64", "metric": "str",
                         "value": "float64", "n": "Int64"})
