"""Pictures in PDFs: which count, what they look like, where they stand."""

import io

import msgspec
import numpy as np
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from contracts.documents import Box
from contracts.media import PDF
from ingest.extraction.types import ExtractedPicture
from tests.ingest.extraction.making import (
    PAGE,
    draw_picture,
    encoded,
    lines,
    pdf,
    pdf_pictures,
    pdf_text,
    picture,
    read_pictures,
    scan,
    written,
)

# JPEG at quality 90, and half a pixel of shift where a picture is cut from the rendered page, change a pixel by
# 2-4 levels of 255 on average.
ALIKE = 8.0


def difference(found: ExtractedPicture, original: Image.Image) -> float:
    """Mean difference of two pictures in levels of 255."""
    shown = Image.open(io.BytesIO(found.data)).convert("RGB").resize(original.size)
    return float(np.abs(np.asarray(shown, dtype=float) - np.asarray(original.convert("RGB"), dtype=float)).mean())


def test_picture_comes_out_as_it_went_in_with_its_place():
    original = picture(1)

    (found,) = pdf_pictures(lambda canvas: draw_picture(canvas, original, 150, 400, 300, 225))

    assert (found.page, found.width, found.height) == (1, 200, 150)
    assert msgspec.structs.astuple(found.box) == pytest.approx((0.25, 1 - 625 / 800, 0.75, 0.5), abs=1e-3)
    assert difference(found, original) < ALIKE


def test_thumbnail_has_at_most_256_pixels_a_side():
    (found,) = pdf_pictures(lambda canvas: draw_picture(canvas, picture(1, 800, 400), 50, 300, 500, 250))

    thumbnail = Image.open(io.BytesIO(found.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (256, 128))


def test_picture_larger_than_2048_pixels_is_reduced():
    (found,) = pdf_pictures(lambda canvas: draw_picture(canvas, picture(1, 3000, 2000), 0, 100, 600, 400))

    assert max(found.width, found.height) <= 2048


def test_caption_below_belongs_to_the_picture_and_is_its_anchor():
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 740, ["The text above speaks of something else entirely."])
        draw_picture(canvas, picture(1), 200, 500, 200, 150)
        lines(canvas, 220, 484, ["Figure 3: Valve of the pump"])
        lines(canvas, 60, 430, ["The text below as well."])

    (found,) = pdf_pictures(draw)

    assert found.caption == "Figure 3: Valve of the pump"
    assert pdf_text(draw).text[found.anchor :].startswith("Figure 3: Valve")


def test_two_pictures_side_by_side_keep_their_own_captions():
    def draw(canvas: Canvas) -> None:
        draw_picture(canvas, picture(1), 60, 500, 200, 150)
        draw_picture(canvas, picture(2), 340, 500, 200, 150)
        lines(canvas, 90, 484, ["Figure 1: Left"])
        lines(canvas, 370, 484, ["Figure 2: Right"])

    assert [found.caption for found in pdf_pictures(draw)] == ["Figure 1: Left", "Figure 2: Right"]


def test_short_line_centred_under_a_picture_is_its_caption():
    def draw(canvas: Canvas) -> None:
        draw_picture(canvas, picture(1), 200, 500, 200, 150)
        canvas.drawCentredString(300, 485, "Honeybee on clover")

    assert pdf_pictures(draw)[0].caption == "Honeybee on clover"


def test_running_text_below_a_picture_is_no_caption():
    def draw(canvas: Canvas) -> None:
        draw_picture(canvas, picture(1), 60, 500, 200, 150)
        lines(canvas, 60, 485, ["Figure 3 shows that the valve opens by itself when the pump is primed and runs."])

    assert pdf_pictures(draw)[0].caption is None


def test_anchor_without_caption_is_at_the_nearest_text_of_its_page():
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 740, ["Far above stands the introduction of this page."])
        lines(canvas, 60, 520, ["Right above stands what the picture is about."])
        draw_picture(canvas, picture(1), 60, 350, 200, 150)
        lines(canvas, 60, 100, ["Far below stands the end."])

    first = "Before the page with the picture."
    pages = (lambda canvas: lines(canvas, 60, 700, [first]), draw)

    (found,) = pdf_pictures(*pages)

    assert found.page == 2
    assert pdf_text(*pages).text[: found.anchor].endswith("what the picture is about.")


def test_picture_inside_a_reused_form_is_placed_where_the_form_is_drawn():
    def draw(canvas: Canvas) -> None:
        canvas.beginForm("stamp", 0, 0, 400, 400)
        canvas.drawImage(ImageReader(picture(1)), 40, 40, 200, 160)
        canvas.endForm()
        canvas.translate(100, 300)
        canvas.scale(0.5, 0.5)
        canvas.doForm("stamp")

    (found,) = pdf_pictures(draw)

    assert found.box is not None
    assert (found.box.left, found.box.bottom) == pytest.approx((120 / 600, 1 - 320 / 800), abs=1e-3)
    assert difference(found, picture(1)) < ALIKE


def test_transparent_picture_stands_on_the_page_as_people_see_it():
    image = picture(1).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    image.paste((255, 0, 0, 255), (50, 50, 150, 100))

    (found,) = pdf_pictures(lambda canvas: draw_picture(canvas, image, 150, 400, 200, 150))

    shown = Image.open(io.BytesIO(found.data)).convert("RGB")
    assert shown.getpixel((10, 10)) == pytest.approx((255, 255, 255), abs=6)
    assert shown.getpixel((100, 75)) == pytest.approx((255, 0, 0), abs=10)


def test_strips_of_one_picture_are_put_together():
    whole = picture(1, 400, 300)

    def draw(canvas: Canvas) -> None:
        for top in range(0, 300, 50):
            strip = whole.crop((0, top, 400, top + 50))
            draw_picture(canvas, strip, 100, 700 - top - 50, 400, 50)

    (found,) = pdf_pictures(draw)

    assert found.width == pytest.approx(400, abs=2)
    assert difference(found, whole) < ALIKE


def test_logo_on_every_page_counts_once():
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 500, ["Some text on this page."])
        draw_picture(canvas, picture(1), 450, 700, 80, 60)

    assert [found.page for found in pdf_pictures(draw, draw, draw)] == [1]


@pytest.mark.parametrize(
    "decoration",
    [picture(1, 24, 24), picture(1, 900, 33), Image.new("RGB", (200, 150), (200, 220, 240))],
    ids=["small", "thin", "flat"],
)
def test_decoration_is_no_picture(decoration: Image.Image):
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 500, ["Some text on this page."])
        draw_picture(canvas, decoration, 100, 300, 300, 200)

    assert pdf_pictures(draw) == []


def test_scanned_pages_are_pictures_of_whole_pages():
    first, second = pdf_pictures(scan("First page of the minutes"), scan("Second page of the minutes"))

    assert (first.page, second.page) == (1, 2)
    assert first.box == Box(0.0, 0.0, 1.0, 1.0)
    assert difference(first, written(["First page of the minutes"])) < ALIKE


def test_anchor_is_unknown_behind_a_page_that_only_tesseract_can_read():
    with_picture = lambda canvas: draw_picture(canvas, picture(1), 100, 300, 200, 150)  # noqa: E731

    first, second = pdf_pictures(scan("Read me with Tesseract"), with_picture)

    assert (first.anchor, second.anchor) == (0, None)


def test_scan_with_a_text_layer_beneath_is_a_picture_of_the_page():
    words = [f"The minutes of the meeting, sentence {n}, were read aloud." for n in range(8)]

    def draw(canvas: Canvas) -> None:
        layer = canvas.beginText(60, 700)
        layer.setTextRenderMode(3)  # invisible
        for line in words:
            layer.textLine(line)
        scan(*words)(canvas)
        canvas.drawText(layer)

    (found,) = pdf_pictures(draw)

    assert found.box == Box(0.0, 0.0, 1.0, 1.0)
    assert {block.kind for block in pdf_text(draw).blocks} == {"paragraph"}


def test_background_of_a_slide_is_left_out_where_a_figure_stands_on_it():
    def draw(canvas: Canvas) -> None:
        draw_picture(canvas, picture(5, 600, 800), 0, 0, *PAGE)
        lines(canvas, 60, 700, ["A slide with quite a few words on it, so that its text is taken to be text"] * 2)
        draw_picture(canvas, picture(1), 150, 300, 200, 150)

    (found,) = pdf_pictures(draw)

    assert difference(found, picture(1)) < ALIKE


def test_drawing_on_a_page_without_text_is_seen_as_a_picture():
    def draw(canvas: Canvas) -> None:
        for radius in range(20, 200, 20):
            canvas.circle(300, 400, radius)

    (found,) = pdf_pictures(draw)

    assert found.box == Box(0.0, 0.0, 1.0, 1.0)


def bars(canvas: Canvas, y: float) -> None:
    """A chart with axes, eight bars and labels; its lower edge is at `y`."""
    canvas.line(150, y, 450, y)
    canvas.line(150, y, 150, y + 160)
    for index in range(8):
        canvas.setFillColorRGB(0.1 * index, 0.4, 0.6)
        canvas.rect(160 + 35 * index, y, 25, 20 * (index + 1), fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        lines(canvas, 165 + 35 * index, y - 12, [str(2010 + index)], size=7)


def test_chart_drawn_with_lines_is_a_picture_where_a_caption_says_so():
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 740, ["The yield has grown from year to year."])
        bars(canvas, 400)
        lines(canvas, 200, 370, ["Figure 2: Yield by year"])

    (found,) = pdf_pictures(draw)

    assert found.caption == "Figure 2: Yield by year"
    left, top, right, bottom = msgspec.structs.astuple(found.box)
    assert left <= 150 / 600
    assert right >= 430 / 600
    assert top <= 1 - 560 / 800
    assert 1 - 400 / 800 < bottom < 1 - 378 / 800


@pytest.mark.parametrize("caption", ["Table 2: Yield by year", "The yield has grown."])
def test_lines_without_the_caption_of_a_picture_are_none(caption: str):
    def draw(canvas: Canvas) -> None:
        bars(canvas, 400)
        lines(canvas, 200, 370, [caption])

    assert pdf_pictures(draw) == []


def test_blank_page_has_no_picture():
    assert pdf_pictures(lambda canvas: None) == []


def test_pictures_beyond_the_limit_are_left_out():
    def draw(canvas: Canvas) -> None:
        for seed in range(4):
            draw_picture(canvas, picture(seed), 100, 50 + 180 * seed, 200, 150)

    assert len(read_pictures(pdf(draw), PDF, max_pictures=2)) == 2


def test_metadata_of_a_picture_does_not_get_out():
    image = picture(1)
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = encoded(image, "JPEG", exif=exif)
    assert b"taken at home" in data

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(io.BytesIO(data)), 100, 300, 200, 150)

    (found,) = pdf_pictures(draw)

    assert b"taken at home" not in found.data
