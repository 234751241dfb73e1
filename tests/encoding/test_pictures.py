import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from contracts.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from encoding.pictures import FORMATS, decode_picture, to_tensor


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (200, 10, 30), (200, 10, 30)),
        ("RGBA", (200, 10, 30, 0), (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (10, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_every_kind_of_pixel_becomes_rgb_over_white(mode: str, colour: object, expected: tuple[int, ...]) -> None:
    image = decode_picture(png(Image.new(mode, (5, 4), colour)))  # type: ignore[arg-type]
    assert image.mode == "RGB"
    assert image.getpixel((2, 2)) == expected


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    grey = Image.fromarray(np.full((4, 4), 0x8080, dtype=np.uint16))
    assert decode_picture(png(grey)).getpixel((1, 1)) == (128, 128, 128)


def test_a_photo_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, format="JPEG", exif=exif)
    assert decode_picture(buffer.getvalue()).size == (20, 40)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(PayloadTooLarge, match=r"1\.0 megapixels"):
        decode_picture(png(Image.new("L", (1000, 1000))), max_pixels=999_999)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InvalidInput),
        (b"not a picture", UnsupportedMedia),
        (png(Image.new("RGB", (64, 64)))[:60], InvalidInput),
        (b"%PDF-1.7 nothing", UnsupportedMedia),
    ],
)
def test_bytes_that_are_no_picture_get_a_clear_error(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_picture(data)


@pytest.mark.parametrize("rule", ["shortest_edge_center_crop", "pad_square", "stretch"])
@pytest.mark.parametrize("size", [(300, 20), (20, 300), (1, 1), (224, 224)])
def test_every_rule_gives_the_models_shape(rule: str, size: tuple[int, int]) -> None:
    tensor = to_tensor(Image.new("RGB", size, "red"), 96, rule)  # type: ignore[arg-type]
    assert tensor.shape == (96, 96, 3)
    assert tensor.dtype == np.uint8


def test_padding_keeps_the_whole_picture_on_white() -> None:
    tensor = to_tensor(Image.new("RGB", (100, 50), "black"), 100, "pad_square")
    assert (tensor[0] == 255).all()
    assert (tensor[50] == 0).all()


def gradient(width: int, height: int) -> Image.Image:
    """A picture whose red says the column and whose green says the row."""
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8))


def test_a_larger_shortest_edge_leaves_a_margin_that_the_crop_takes_off() -> None:
    tensor = to_tensor(gradient(40, 40), 20, "shortest_edge_center_crop", shortest_edge=40)
    assert tensor[0, 0].tolist() == [10, 10, 0]


def test_an_odd_margin_is_halved_as_the_checkpoints_own_library_does() -> None:
    picture = gradient(23, 20)
    by_rounding = {
        rounding: to_tensor(picture, 20, "shortest_edge_center_crop", crop_rounding=rounding)[0, 0, 0]
        for rounding in ("down", "nearest")
    }
    assert by_rounding == {"down": 1, "nearest": 2}


def test_the_interpolation_is_the_one_that_was_asked_for() -> None:
    nearest = to_tensor(gradient(40, 40), 20, "stretch", interpolation="nearest")
    assert set(np.unique(nearest[..., 0])) == set(range(1, 40, 2))


def test_every_orientation_is_turned_as_pillow_turns_it() -> None:
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (4, 6, 3), dtype=np.uint8))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = png(image, exif=exif)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert decode_picture(data).tobytes() == expected.tobytes()


def test_odd_exif_does_not_spoil_a_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "abc"
    # The height is said to be words; Pillow cannot write such a tag anew.
    odd = exif.tobytes().replace(b"\x01\x0e\x00\x02", b"\x01\x01\x00\x02")
    assert odd != exif.tobytes()
    assert decode_picture(png(Image.new("RGB", (6, 4)), exif=odd)).size == (4, 6)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=6))
@settings(max_examples=400, deadline=None)
def test_damage_of_any_kind_ends_in_a_picture_or_an_error_of_ours(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "abc"
    Image.linear_gradient("L").resize((9, 7)).save(out, kind, exif=exif)
    data = bytearray(out.getvalue())
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(InvalidInput):
        assert decode_picture(bytes(data)).mode == "RGB"


def test_a_long_strip_is_cropped_without_being_enlarged_whole() -> None:
    # Enlarged whole, this one would be 576,000,000 pixels wide.
    tensor = to_tensor(Image.new("RGB", (6_000_000, 1), "red"), 96, "shortest_edge_center_crop")
    assert (tensor == (255, 0, 0)).all()


def test_the_middle_of_a_long_strip_is_what_the_whole_strip_has_in_its_middle() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (8, 8 * 41, 3), dtype=np.uint8)
    whole = Image.fromarray(pixels).resize((16 * 41, 16), Image.Resampling.BICUBIC)
    left = (whole.width - 16) // 2
    expected = np.asarray(whole.crop((left, 0, left + 16, 16)), dtype=np.uint8)
    assert (to_tensor(Image.fromarray(pixels), 16, "shortest_edge_center_crop") == expected).all()
