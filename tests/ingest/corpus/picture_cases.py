"""Picture files: of every kind and mode, damaged, and of absurd sizes."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

from tests.ingest.corpus.case import ANY_DAMAGE, Case, bad, cut, either, flipped, well
from tests.ingest.extraction.making import black_png, encoded, picture, written

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
# Where the first bytes, which say what the file is, end.
_SIGNATURE = 16


def photo(kind: str) -> bytes:
    """A picture file that most damage is done to."""
    return encoded(picture(7, 320, 240), kind)


def modes() -> Iterator[Case]:
    """Every way in which pixels are stored."""
    base = picture(3, 240, 180)
    wide = Image.fromarray(np.asarray(base.convert("L"), dtype=np.uint16) * 257)
    floats = Image.fromarray(np.asarray(base.convert("L"), dtype=np.float32) / 255)
    kinds: dict[str, tuple[Image.Image, tuple[str, ...]]] = {
        "grey": (base.convert("L"), ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")),
        "colour": (base, ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")),
        "alpha": (base.convert("RGBA"), ("PNG", "TIFF", "WEBP")),
        "grey-alpha": (base.convert("LA"), ("PNG", "TIFF")),
        "palette": (base.quantize(16), ("PNG", "TIFF", "GIF", "BMP")),
        "one-bit": (base.convert("1"), ("PNG", "TIFF", "BMP")),
        "print": (base.convert("CMYK"), ("JPEG", "TIFF")),
        "sixteen-bit": (wide, ("PNG", "TIFF")),
        "lab": (base.convert("LAB"), ("TIFF",)),
        "video": (base.convert("YCbCr"), ("JPEG", "TIFF")),
        "float": (floats, ("TIFF",)),
    }
    for name, (image, formats) in kinds.items():
        for kind in formats:
            yield well(
                f"{name}.{EXTENSIONS[kind]}", lambda image=image, kind=kind: encoded(image, kind), pictures=1
            )
    for turn in range(1, 9):
        yield well(f"turned-{turn}.jpg", lambda turn=turn: turned(turn), pictures=1)
    yield well("progressive.jpg", lambda: encoded(base, "JPEG", progressive=True), pictures=1)
    yield well("interlaced.gif", lambda: encoded(base, "GIF", interlace=1), pictures=1)
    for kind in ("GIF", "WEBP", "PNG"):
        frames = [picture(n, 120, 90) for n in range(5)]
        yield well(
            f"animated.{EXTENSIONS[kind]}",
            lambda kind=kind, frames=frames: encoded(frames[0], kind, save_all=True, append_images=frames[1:]),
            pictures=1,
        )
    for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield well(
            f"packed-{packing}.tif", lambda packing=packing: encoded(base, "TIFF", compression=packing), pictures=1
        )
    yield well(
        "fax.tif",
        lambda: encoded(written(["Fax of the harbour"], 900, 300).convert("1"), "TIFF", compression="group4"),
        "Fax of the harbour",
        1,
    )
    yield well("three-pages.tif", lambda: pages(3), "Sheet number 2", 3)
    yield well(
        "words.png",
        lambda: encoded(written(["Opening hours of the museum"], 900, 300)),
        "Opening hours of the museum",
        1,
    )


def turned(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return encoded(picture(4, 200, 100), "JPEG", exif=exif)


def pages(count: int) -> bytes:
    sheets = [written([f"Sheet number {index}"], 700, 250) for index in range(count)]
    return encoded(
        sheets[0], "TIFF", save_all=True, append_images=sheets[1:], compression="group4" if count > 50 else "raw"
    )


def png(width: int, height: int, body: bytes, *, depth: int = 8, colour: int = 2, before: bytes = b"") -> bytes:
    """A PNG whose header says what it likes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + before + part(b"IDAT", body) + part(b"IEND", b"")


def part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def jpeg_saying(width: int, height: int) -> bytes:
    data = bytearray(photo("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A little-endian TIFF of one directory at 8: tag, type, count, value."""
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<I", 8) + body + struct.pack("<I", following) + bytes(4096)


def tiff_saying(width: int, height: int, following: int = 0, bits: int = 8) -> bytes:
    return tiff(
        [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, bits),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, 200),
            (277, 3, 1, 1),
            (278, 4, 1, height),
            (279, 4, 1, min(width * height, 2**32 - 1)),
        ],
        following,
    )


def absurd() -> Iterator[Case]:
    """Sizes and structures that no camera makes."""
    row = zlib.compress(bytes(100))
    yield bad("60-megapixels.png", lambda: black_png(60), "too_many_pixels")
    yield bad("four-gigapixels.png", lambda: png(65535, 65535, row), "too_many_pixels")
    yield bad("beyond-integers.png", lambda: png(2**31 - 1, 2**31 - 1, row), "too_many_pixels", "corrupt")
    yield bad("no-width.png", lambda: png(0, 10, row), "corrupt")
    yield either(
        "strip.png", lambda: png(39_000_000, 1, zlib.compress(bytes(39_000_001), 9), depth=8, colour=0), "corrupt"
    )
    yield bad("four-gigapixels.jpg", lambda: jpeg_saying(65535, 65535), "too_many_pixels")
    yield bad("no-size.jpg", lambda: jpeg_saying(0, 0), "corrupt")
    yield either("wrong-size.jpg", lambda: jpeg_saying(3000, 3000), "corrupt")
    yield bad(
        "four-gigapixels.gif",
        lambda: photo("GIF")[:6] + b"\xff\xff\xff\xff" + photo("GIF")[10:],
        "too_many_pixels",
        "corrupt",
    )
    yield either(
        "frame-outside.gif", lambda: photo("GIF")[:6] + b"\x05\x00\x05\x00" + photo("GIF")[10:], "corrupt"
    )
    yield bad(
        "four-gigapixels.bmp",
        lambda: photo("BMP")[:18] + struct.pack("<ii", 65535, 65535) + photo("BMP")[26:],
        "too_many_pixels",
    )
    yield either(
        "upside-down.bmp", lambda: photo("BMP")[:22] + struct.pack("<i", -240) + photo("BMP")[26:], "corrupt"
    )
    yield bad(
        "negative.bmp",
        lambda: photo("BMP")[:18] + struct.pack("<ii", -320, -240) + photo("BMP")[26:],
        "corrupt",
        "too_many_pixels",
    )
    yield bad("four-gigapixels.tif", lambda: tiff_saying(65535, 65535), "too_many_pixels")
    yield bad("beyond-integers.tif", lambda: tiff_saying(2**32 - 1, 2**32 - 1), "too_many_pixels", "corrupt")
    yield either("directory-in-a-loop.tif", lambda: tiff_saying(16, 16, following=8), "corrupt", "too_many_pages")
    yield bad("directory-missing.tif", lambda: b"II*\x00" + struct.pack("<I", 999_999), "corrupt")
    yield bad("65535-entries.tif", lambda: b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(200), "corrupt")
    yield bad("odd-bits.tif", lambda: tiff_saying(16, 16, bits=77), "corrupt")
    yield bad("two-thousand-pages.tif", lambda: pages_of_dots(2000), "too_many_pages")
    yield bad(
        "huge-canvas.webp",
        lambda: (
            photo("WEBP")[:12]
            + b"VP8X"
            + struct.pack("<I", 10)
            + b"\x00" * 4
            + b"\xff\x3f\x00\xff\x3f\x00"
            + photo("WEBP")[12:]
        ),
        "too_many_pixels",
        "corrupt",
    )
    yield well("words-of-a-gigabyte.png", lambda: png_with_text(b"zTXt"), "", 1)
    yield well("profile-of-a-gigabyte.png", lambda: png_with_text(b"iCCP"), "", 1)
    yield either("200-scans.jpg", many_scans, "corrupt", "timeout")
    yield either("without-end.png", lambda: photo("PNG")[:-12], "corrupt")
    yield either("wrong-checksum.png", lambda: photo("PNG")[:-20] + b"\x00\x01" + photo("PNG")[-18:], "corrupt")
    yield either(
        "huge-part.png",
        lambda: (
            b"\x89PNG\r\n\x1a\n"
            + part(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
            + b"\x7f\xff\xff\xffIDAT"
        ),
        "corrupt",
    )
    yield either(
        "animation-control-lies.png",
        lambda: png(9, 9, zlib.compress(bytes(9 * 28)), before=part(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        "corrupt",
    )


def pages_of_dots(count: int) -> bytes:
    dot = Image.new("1", (8, 8))
    return encoded(dot, "TIFF", save_all=True, append_images=[dot] * (count - 1))


def png_with_text(kind: bytes) -> bytes:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(1000)) + packer.flush()
    return png(9, 9, zlib.compress(bytes(9 * 28)), before=part(kind, b"Comment\x00\x00" + packed))


def many_scans() -> bytes:
    """A progressive JPEG whose refinement comes 200 times; each takes a pass over all pixels."""
    data = encoded(picture(1, 2000, 2000), "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:start] + data[start:end] * 200 + data[end:]


def odd_exif() -> Iterator[Case]:
    """Notes of cameras, which are TIFF directories of their own."""
    loop = b"Exif\x00\x00" + tiff([(0x8769, 4, 1, 8), (0x0112, 3, 1, 6)], following=8)[:100]
    values = {
        "in-a-loop": loop,
        "of-rubbish": b"Exif\x00\x00" + bytes(range(256)),
        "empty": b"Exif\x00\x00",
        "orientation-99": b"Exif\x00\x00" + tiff([(0x0112, 3, 1, 99)])[:60],
        "orientation-in-words": b"Exif\x00\x00" + tiff([(0x0112, 2, 4, 0x636261)])[:60],
        "orientation-of-gigabytes": b"Exif\x00\x00" + tiff([(0x0112, 4, 2**31, 8)])[:60],
        "fraction-by-zero": b"Exif\x00\x00" + tiff([(0x011A, 5, 1, 26)])[:60],
    }
    for name, exif in values.items():
        yield well(f"exif-{name}.jpg", lambda exif=exif: encoded(picture(2), "JPEG", exif=exif), pictures=1)

    def huge_note() -> bytes:
        info = PngImagePlugin.PngInfo()
        info.add_text("note", "x" * 5_000_000, zip=True)
        return encoded(picture(2), "PNG", pnginfo=info)

    yield well("long-note.png", huge_note, "", 1)


def fragments() -> Iterator[Case]:
    """Truncated, flipped, misnamed and mixed files."""
    for kind, extension in EXTENSIONS.items():
        yield from cut("photo", extension, lambda kind=kind: photo(kind), (0.5, 0.9), "corrupt")
        yield from flipped(
            "photo",
            extension,
            lambda kind=kind: photo(kind),
            3,
            *ANY_DAMAGE,
            "too_many_pixels",
            "too_many_pages",
            start=_SIGNATURE,
        )
        yield bad(f"signature-only.{extension}", lambda kind=kind: photo(kind)[:13], "corrupt", "wrong_extension")
        yield bad(f"empty.{extension}", lambda: b"", "empty")
    yield bad("really-a.png", lambda: photo("JPEG"), "wrong_extension")
    yield bad("really-a.jpg", lambda: photo("WEBP"), "wrong_extension")
    yield bad("really-words.gif", lambda: b"just words", "wrong_extension")
    yield well("without-extension", lambda: photo("PNG"), pictures=1)
    yield well(
        "jpeg-and-archive.jpg",
        lambda: photo("JPEG") + b"PK\x03\x04" + bytes(200) + b"PK\x05\x06" + bytes(18),
        pictures=1,
    )
    yield well("png-and-page.png", lambda: photo("PNG") + b"<html><script>alert(1)</script></html>", pictures=1)
    yield either(
        "gif-and-script.gif",
        lambda: b"GIF89a/*" + photo("GIF")[8:] + b"*/=1;alert(1)",
        "corrupt",
        "too_many_pixels",
    )
    yield bad("jpeg-named-as.pdf", lambda: photo("JPEG") + b"%PDF-1.7\n%%EOF", "wrong_extension")


def picture_cases() -> Iterator[Case]:
    """All of them."""
    for some in (modes, absurd, odd_exif, fragments):
        yield from some()
