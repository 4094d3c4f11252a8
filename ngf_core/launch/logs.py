"""What workers write: a file per task, whose last line is the reason where one failed."""

from pathlib import Path

LOGS = "logs"


def log_of(folder: Path, name: str) -> Path:
    """The file that the worker of that task writes its output to."""
    return folder / LOGS / f"{name}.log"


def clear(log: Path) -> None:
    """Remove what an earlier worker wrote, whose last line would be taken for the new one's."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)


def last_line(log: Path) -> str:
    """The last line that is not empty; "" where there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
