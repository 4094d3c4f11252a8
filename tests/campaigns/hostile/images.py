"""Pictures of every mode, size and format, and files that only say they are pictures."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ngf_core.data.picture import fitted, paint
from ngf_core.data.source import decoded
from ngf_core.errors import NGFError
from tests.campaigns.hostile.case import TAKEN, Case, Give

NO_PICTURE, HUGE = "could not be read as a picture|cannot be read", "pixels, more than 50 million"
MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX",
         "RGBa", "La", "I;16", "I;16B", "I;16L", "I;16N")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SHAPE = (3, 32, 32)


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """A picture as a file."""
    content = io.BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def _modes() -> Iterator[tuple[str, bytes, str]]:
    for mode in MODES:
        picture = Image.new(mode, (20, 10))
        for form in FORMATS:
            try:
                content = saved(picture, form)
            except (OSError, KeyError, ValueError):
                continue  # a format that has no such mode
            yield f"{mode} as {form}", content, TAKEN if form in FORMATS[:5] else (
                f"{TAKEN}|{NO_PICTURE}")


def _sizes() -> Iterator[tuple[str, bytes, str]]:
    for size in ((1, 1), (1, 2), (65_535, 1), (1, 65_535), (8191, 3)):
        for form in ("PNG", "JPEG", "BMP"):
            if form == "JPEG" and max(size) > 65_500:
                continue
            yield f"{size[0]} x {size[1]} as {form}", saved(Image.new("RGB", size), form), TAKEN
    for width, height in ((0, 0), (0, 5), (50_000, 50_000), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1),
                          (10_000, 10_000), (100_000, 1)):
        says = HUGE if width * height > 50_000_000 and width * height < 10**12 else NO_PICTURE
        yield f"a PNG that says {width} x {height}", _png(width, height), f"{says}|{NO_PICTURE}"
    yield "a GIF of 0 x 0", b"GIF89a" + bytes(7) + b";", NO_PICTURE
    yield "a GIF of 65,535 x 65,535", b"GIF89a\xff\xff\xff\xff" + bytes(3) + b"," + bytes(
        4) + b"\xff\xff\xff\xff" + b"\0\2\0;", f"{HUGE}|{NO_PICTURE}"
    bitmap = bytearray(saved(Image.new("RGB", (4, 4)), "BMP"))
    bitmap[22:26] = struct.pack("<i", -4)
    yield "a BMP upside down", bytes(bitmap), TAKEN
    bitmap[18:26] = struct.pack("<ii", 2**31 - 1, -2**31)
    yield "a BMP of 2**62 pixels", bytes(bitmap), f"{HUGE}|{NO_PICTURE}"


def _png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(
            ">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*more) for more in chunks) + chunk(
        b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def _contents() -> Iterator[tuple[str, bytes, str]]:
    plain = Image.fromarray(np.arange(3 * 40 * 30, dtype=np.uint8).reshape(40, 30, 3))
    for form in FORMATS[:5]:
        content = saved(plain, form)
        yield f"half of a {form}", content[:len(content) // 2], f"{NO_PICTURE}|{TAKEN}"
        yield f"ten bytes of a {form}", content[:10], NO_PICTURE
        damaged = bytearray(content)
        damaged[len(content) // 2:len(content) // 2 + 20] = b"\xff" * 20
        yield f"a {form} with noise in it", bytes(damaged), f"{NO_PICTURE}|{TAKEN}"
        yield f"a {form} with a script behind", content + b"<script>alert(1)</script>", TAKEN
    for turn in (*range(9), 255, 65_535):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield f"turned by EXIF {turn}", saved(plain, "JPEG", exif=exif), TAKEN
    yield "EXIF that is noise", saved(plain, "JPEG", exif=b"Exif\0\0" + b"\xff" * 60), TAKEN
    frames = [Image.new("P", (9, 9), i) for i in range(200)]
    yield "an animation", saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), TAKEN
    yield "an animated PNG", saved(plain, "PNG", save_all=True, append_images=[plain] * 3), TAKEN
    yield "an animated WEBP", saved(plain, "WEBP", save_all=True, append_images=[plain] * 3), TAKEN
    yield "a text of 500 MB in a PNG", _png(4, 4, (b"zTXt", b"a\0\0" + zlib.compress(
        bytes(5 * 10**8), 1))), f"{NO_PICTURE}|{TAKEN}"
    yield "a profile of 500 MB in a PNG", _png(4, 4, (b"iCCP", b"a\0\0" + zlib.compress(
        bytes(5 * 10**8), 1))), f"{NO_PICTURE}|{TAKEN}"
    yield "a profile that is noise", saved(plain, "JPEG", icc_profile=b"\xff" * 999), TAKEN
    yield "see-through", saved(Image.new("RGBA", (9, 9), (9, 9, 9, 0)), "PNG"), TAKEN
    yield "a palette too short", saved(Image.new("P", (9, 9), 255), "PNG"), TAKEN
    for form in ("ICO", "TGA", "PCX", "SGI", "JPEG2000", "PDF", "EPS", "DDS", "IM", "MSP"):
        try:
            content = saved(plain.convert("1") if form == "MSP" else plain, form)
        except (OSError, KeyError):
            continue
        yield f"a {form}", content, NO_PICTURE
    for name, content in {
            "nothing": b"", "text": b"hello", "HTML": b"<html><script>alert(1)</script></html>",
            "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            "an EPS that runs a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
            b"%%EndComments\n(%pipe%touch EXECUTED) (w) file closefile\n%%EOF\n",
            "a TIFF that loops": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
            "a PSD": b"8BPS\0\1" + bytes(20), "a zip": b"PK\3\4" + bytes(30),
            "a PPM of 10**9 pixels": b"P6 100000 10000 255\n", "a PPM without numbers": b"P6 x",
            "a PPM of -1": b"P6 -1 -1 255\n", "a JPEG of one marker": b"\xff\xd8\xff\xd9",
            "a WEBP of nothing": b"RIFF\xff\xff\xff\xffWEBPVP8X"}.items():
        yield name, content, f"{NO_PICTURE}|{HUGE}"


def _read(content: bytes) -> Give:
    """As an upload of a picture; and the same file in a data set, whatever its name says."""
    def give(folder: Path) -> str:
        said = []
        (folder / "a.png").write_bytes(content)
        for door in (_upload, _in_a_data_set):
            try:
                door(content, folder / "a.png")
            except NGFError as error:
                said.append(str(error))
        return said[0] if said else TAKEN
    return give


def _upload(content: bytes, path: Path) -> None:
    picture = fitted(content, SHAPE)
    assert picture.shape == (1, *SHAPE) and picture.dtype == np.uint8, picture.shape


def _in_a_data_set(content: bytes, path: Path) -> None:
    picture = decoded(path)
    assert picture.mode == "RGB" and picture.width * picture.height <= 50_000_000, picture


def _drawings() -> Iterator[tuple[str, Callable[[], object], str]]:
    for name, content in {"nothing": "", "no base64": "<script>", "letters beyond": "é" * 9,
                          "one pixel": "AAAA", "too many": "A" * 10**7, "a NUL": "\0",
                          "a data URL": "data:image/png;base64,AAAA"}.items():
        yield (f"a drawing of {name}", lambda content=content: paint(content, *SHAPE[1:]),
               "The drawing")


def images() -> list[Case]:
    """Every picture."""
    found = [Case("images", name, _read(content), says)
             for part in (_modes, _sizes, _contents) for name, content, says in part()]
    return found + [Case("images", name, _drawn(draw), says) for name, draw, says in _drawings()]


def _drawn(draw: Callable[[], object]) -> Give:
    def give(folder: Path) -> str:
        try:
            draw()
        except NGFError as error:
            return str(error)
        return TAKEN
    return give
