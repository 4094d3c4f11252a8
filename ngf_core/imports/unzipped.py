"""A zip of images by class, unpacked so that nothing in it can name a place of its own choosing."""

import lzma
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from math import inf
from pathlib import Path, PurePosixPath

from ngf_core.errors import ConfigError, NGFError, shown
from ngf_core.imports.aside import Lost, aside, turn
from ngf_core.imports.first_bytes import check_zip
from ngf_core.runs.disk import file_sha

MOST_FILES, MOST_BYTES, MOST_BYTES_EACH = 200_000, 4_000_000_000, 50_000_000
# Those of torchvision's ImageFolder, which this does not import: it is read in another process.
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
DEPTH = 3  # part, class, image
# Memory for the directory of an archive, which may list millions of files.
MEMORY_GB, SECONDS = 1.0, 120.0
IMAGES = "images"
PLAIN = re.compile(r"[^\w .-]")


def unzipped(archive: Path, into: Path, room: Callable[[], float] = lambda: inf,
             waiting: Callable[[], object] = lambda: None) -> Path:
    """The folder with the archive's images, below `into`, named by the archive's SHA-256.

    Folders keep their names, as classes do, with odd characters replaced; images are numbered. A
    folder that holds all the others is left out, as is what is no image by its ending. Raises
    ConfigError for anything but a zip with images, for links, for names that lead elsewhere, and
    for more than MOST_FILES, MOST_BYTES or MOST_BYTES_EACH; nothing is left then. `room()` are the
    bytes that may be written, asked when its turn has come; `waiting()` is called until then.
    """
    check_zip(archive)
    into.mkdir(parents=True, exist_ok=True)
    folder = into / file_sha(archive)
    if folder.is_dir():  # whole, as it is renamed to this; a class sends one file many times
        return folder
    with turn(into, waiting=waiting):
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory(dir=into) as draft:
            try:
                aside("ngf_core.imports.unzipped:unzip_here", archive, Path(draft), str(room()),
                      memory_gb=MEMORY_GB, seconds=SECONDS)
            except Lost:
                raise NGFError(f"The zip could not be unpacked within {MEMORY_GB:g} GB of memory "
                               f"and {SECONDS:g} seconds. Pack fewer images.") from None
            (Path(draft) / IMAGES).rename(folder)
    return folder


def unzip_here(archive: Path, folder: Path, room: str = "inf") -> dict[str, int]:
    """Unpack the archive into `folder`/IMAGES, at most `room` bytes; how many images there are.

    Raises as `unzipped`.
    """
    most = min(MOST_BYTES, float(room))
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = _wanted(opened, most)
            _unpack(opened, wanted, folder / IMAGES, most)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError,
            zlib.error, lzma.LZMAError, struct.error) as error:
        raise ConfigError("zip", f"cannot be unpacked ({shown(error)})",
                          "Give an intact, unencrypted zip of images.") from error
    return {"images": len(wanted)}


def _wanted(opened: zipfile.ZipFile, most: float
            ) -> list[tuple[zipfile.ZipInfo, tuple[str, ...]]]:
    """The images with the folders that they are in, as the archive's directory has them."""
    found, size = [], 0
    for info in opened.infolist():
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in info.filename:
            raise ConfigError("zip", f"{_name(info)} leads out of the archive",
                              "Pack the folder with the images itself.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ConfigError("zip", f"{_name(info)} is a link", "Pack the images.")
        if info.is_dir() or path.name.startswith(".") or not path.name.lower().endswith(ENDINGS) \
                or "__MACOSX" in path.parts:
            continue
        size += info.file_size
        found.append((info, path.parts[:-1]))
        if len(found) > MOST_FILES or size > MOST_BYTES or info.file_size > MOST_BYTES_EACH:
            raise ConfigError("zip", "is larger than can be taken", f"At most {MOST_FILES:,} "
                              f"images, {MOST_BYTES / 1e9:g} GB together and "
                              f"{MOST_BYTES_EACH / 1e6:g} MB each.")
    if size > most:
        raise ConfigError("zip", f"needs {size / 1e9:.3g} GB, and {max(0.0, most) / 1e9:.3g} GB "
                          "are left here (NGF_STORE_GB)",
                          "Pack fewer images, or delete some runs on the Runs page.")
    if not found:
        raise ConfigError("zip", f"holds no image ({', '.join(ENDINGS)})",
                          "Pack folders of images, one per class.")
    while len({folders[:1] for _, folders in found}) == 1 and found[0][1]:
        if len({folders for _, folders in found}) == 1:
            break  # the only class there is
        found = [(info, folders[1:]) for info, folders in found]
    deep = next((info for info, folders in found if len(folders) >= DEPTH), None)
    if deep is not None:
        raise ConfigError("zip", f"{_name(deep)} lies too deep",
                          "Pack folders of images by class, or train and test with such folders.")
    return found


def _unpack(opened: zipfile.ZipFile, wanted: list[tuple[zipfile.ZipInfo, tuple[str, ...]]],
            draft: Path, most: float) -> None:
    left = most
    for number, (info, folders) in enumerate(wanted):
        place = draft.joinpath(*(_plain(name) for name in folders))
        place.mkdir(parents=True, exist_ok=True)
        with opened.open(info) as source:
            # The directory's sizes may lie, so what really comes is bounded too.
            content = source.read(MOST_BYTES_EACH + 1)
        left -= len(content)
        if len(content) > MOST_BYTES_EACH or left < 0:
            raise ConfigError("zip", "unpacks to more than it says", "Pack the images again.")
        ending = PurePosixPath(info.filename).suffix.lower()
        (place / f"{number:06}{ending}").write_bytes(content)


def _plain(name: str) -> str:
    return PLAIN.sub("_", name)[:80].strip(" .") or "_"


def _name(info: zipfile.ZipInfo) -> str:
    return ascii(info.filename[:80])
