"""PNG and JPEG files: the picture, and the words in it."""

import io

import numpy as np
import pytest
from PIL import Image

from contracts.media import JPEG, PNG
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
