"""Picture files: the picture, and the words in it."""

import io

import numpy as np
import pytest
from PIL import Image

from contracts.errors import DocumentFailed
from contracts.media import BMP, GIF, JPEG, PNG, TIFF, WEBP
from tests.ingest.extraction.making import encoded, picture, read_pictures, read_text, written


def shown(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_picture_keeps_its_pixels():
    (found,) = read_pictures(encoded(picture(1)), PNG)

    assert (found.page, found.box, found.anchor, found.ordinal) == (None, None, 0, 0)
    assert np.array_equal(np.asarray(shown(found.data)), np.asarray(picture(1)))


def test_photo_becomes_a_jpeg_and_a_diagram_a_png():
    noise = Image.effect_noise((100, 100), 60).convert("RGB")

    assert read_pictures(encoded(noise), PNG)[0].media_type == "image/jpeg"
    assert read_pictures(encoded(picture(1)), PNG)[0].media_type == "image/png"


def test_picture_taken_on_its_side_is_put_upright():
    image = Image.new("RGB", (200, 100), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to show it

    (found,) = read_pictures(encoded(image, "JPEG", exif=exif), JPEG)

    assert (found.width, found.height) == (100, 200)


def test_transparent_parts_are_white():
    image = Image.new("RGBA", (100, 100), (0, 0, 0, 0))

    (found,) = read_pictures(encoded(image), PNG)

    assert shown(found.data).getpixel((50, 50)) == (255, 255, 255)


def test_sixteen_bit_grey_keeps_its_brightness():
    image = Image.fromarray(np.full((100, 100), 32896, dtype=np.uint16))

    (found,) = read_pictures(encoded(image), PNG)

    assert shown(found.data).getpixel((50, 50)) == pytest.approx((128, 128, 128), abs=1)


def test_print_colours_become_screen_colours():
    image = Image.new("CMYK", (100, 100), (0, 255, 255, 0))  # no cyan: red

    (found,) = read_pictures(encoded(image, "JPEG"), JPEG)

    red, green, blue = shown(found.data).getpixel((50, 50))
    assert red > 200
    assert max(green, blue) < 80


def test_small_and_flat_pictures_count_when_somebody_uploads_them():
    assert len(read_pictures(encoded(Image.new("RGB", (8, 8), (0, 0, 255))), PNG)) == 1


def test_words_in_a_picture_are_read_with_their_places():
    text = read_text(encoded(written(["Opening hours of the museum", "Monday closed"], 900, 400)), PNG)

    assert "Opening hours of the museum" in text.text
    assert {block.kind for block in text.blocks} == {"ocr"}
    assert text.blocks[0].box is not None
    assert text.blocks[0].box.left == pytest.approx(100 / 900, abs=0.02)


def test_picture_without_words_has_no_text():
    assert read_text(encoded(picture(3, 600, 400)), PNG).text == ""


@pytest.mark.parametrize(("kind", "content_type"), [("TIFF", TIFF), ("WEBP", WEBP), ("GIF", GIF), ("BMP", BMP)])
def test_other_kinds_of_pictures_keep_what_they_show(kind: str, content_type: str):
    options = {"lossless": True} if kind == "WEBP" else {}

    (found,) = read_pictures(encoded(picture(1), kind, **options), content_type)

    difference = np.abs(np.asarray(shown(found.data), dtype=int) - np.asarray(picture(1), dtype=int))
    assert difference.mean() < 3  # a GIF has 256 colours


@pytest.mark.parametrize(("kind", "content_type"), [("GIF", GIF), ("WEBP", WEBP), ("PNG", PNG)])
def test_of_an_animation_the_first_picture_counts(kind: str, content_type: str):
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))

    (found,) = read_pictures(encoded(red, kind, save_all=True, append_images=[blue]), content_type)

    assert shown(found.data).getpixel((32, 32))[0] > 240


def test_pages_of_a_tiff_are_pictures_with_their_numbers():
    data = encoded(picture(1), "TIFF", save_all=True, append_images=[picture(2), picture(3, 100, 80)])

    found = read_pictures(data, TIFF)

    assert [(p.page, p.ordinal, p.width, p.anchor) for p in found] == [
        (1, 0, 200, 0),
        (2, 1, 200, None),
        (3, 2, 100, None),
    ]
    assert np.array_equal(np.asarray(shown(found[1].data)), np.asarray(picture(2)))


def test_words_on_the_pages_of_a_tiff_are_read_in_order():
    pages = [written([words], 700, 300) for words in ("Arrival at noon", "Departure at dusk")]

    text = read_text(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), TIFF)

    assert [(block.text, block.page) for block in text.blocks] == [
        ("Arrival at noon", 1),
        ("Departure at dusk", 2),
    ]


def test_tiff_with_too_many_pages_or_pixels_is_refused():
    data = encoded(picture(1), "TIFF", save_all=True, append_images=[picture(2), picture(3)])

    with pytest.raises(DocumentFailed, match="3 pages; at most 2") as pages:
        read_pictures(data, TIFF, max_pages=2)
    with pytest.raises(DocumentFailed, match="more than 0 megapixels together") as pixels:
        read_pictures(data, TIFF, max_document_pixels=70_000)
    assert (pages.value.cause, pixels.value.cause) == ("too_many_pages", "too_many_pixels")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "group4"])
def test_compressions_of_scanners_are_read(compression: str):
    image = written(["Harbour office"], 700, 300).convert("1" if compression == "group4" else "L")

    assert read_text(encoded(image, "TIFF", compression=compression), TIFF).text == "Harbour office"


def test_orientation_is_applied_once_in_every_kind():
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, content_type in (("TIFF", TIFF), ("WEBP", WEBP), ("PNG", PNG)):
        (found,) = read_pictures(encoded(picture(1), kind, exif=exif), content_type)
        assert (found.width, found.height) == (150, 200)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-5.0, 900.0)])
def test_grey_in_floats_is_brightness(low: float, high: float):
    ramp = np.tile(np.linspace(low, high, 100, dtype=np.float32), (100, 1))

    (found,) = read_pictures(encoded(Image.fromarray(ramp), "TIFF"), TIFF)

    assert shown(found.data).getpixel((0, 50))[0] < 5
    assert shown(found.data).getpixel((99, 50))[0] > 250
