"""What a file cannot be, seen from its first bytes: no place in the queue of readers is needed."""

from pathlib import Path

from ngf_core.errors import ConfigError

ZIP, PICKLE, TAR = b"PK\x03\x04", b"\x80", b"ustar"
EMPTY_ZIP = b"PK\x05\x06"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
FORMATS = f"Give one of {', '.join(SUFFIXES)} with a model's weights."
PACK = "Pack the images as a zip, and send that."


def check_model(path: Path) -> None:
    """Raise ConfigError for a file that is empty, or neither safetensors nor a zip, pickle or tar,
    which torch.save writes or wrote."""
    start = _start(path)
    if not start:
        raise ConfigError("file", "is empty", FORMATS)
    if not (start.startswith((ZIP, PICKLE)) or start[8:9] == b"{" or start[257:262] == TAR):
        raise ConfigError("file", "is neither safetensors nor what torch.save writes", FORMATS)


def check_zip(path: Path) -> None:
    """Raise ConfigError for a file that is empty, or no zip."""
    start = _start(path)
    if not start.startswith((ZIP, EMPTY_ZIP)):
        raise ConfigError("zip", "is no zip" if start else "is empty", PACK)


def _start(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(262)
