"""Tasks for `aside` that do not end as they should."""

from pathlib import Path


def loop(file: Path, folder: Path) -> None:
    """Never ends."""
    while True:
        pass


def fill(file: Path, folder: Path) -> None:
    """Takes all the disk that it gets."""
    with open(folder / "made", "wb") as made:
        while True:
            made.write(bytes(10**7))


def babble(file: Path, folder: Path) -> list[int]:
    """A report of another form."""
    return [1]
