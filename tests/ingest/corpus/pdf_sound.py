"""PDFs that people write: all of them must be read."""

import io
from collections.abc import Callable, Iterator

from PIL import Image
from pypdfium2 import PdfDocument
from reportlab.lib import pdfencrypt
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tests.ingest.corpus.case import Case, well
from tests.ingest.corpus.raw_pdf import FONT, HELLO, mapped_font, one_page, packed, raw_pdf, stream
from tests.ingest.extraction.making import draw_picture, encoded, lines, pdf, picture, scan, written

PROSE = [f"Line {index} tells what the pilot saw from the bridge that night." for index in range(12)]
HEBREW = "הספינה הגיעה לנמל בבוקר"
ARABIC = "وصلت السفينة إلى الميناء"
CHINESE = "船在清晨抵达港口"
JAPANESE = "船は早朝に港に着いた"
KOREAN = "배는 이른 아침에 도착했다"


def prose(canvas: Canvas) -> None:
    lines(canvas, 60, 720, PROSE)


def sound_pdf() -> bytes:
    """Three pages with text and a picture: what most damage is done to."""

    def with_picture(canvas: Canvas) -> None:
        prose(canvas)
        draw_picture(canvas, picture(5), 60, 200, 200, 150)
        lines(canvas, 60, 180, ["Figure 1: Discs"])

    return pdf(prose, with_picture, prose)


def two_columns(canvas: Canvas) -> None:
    lines(canvas, 60, 720, ["left column begins", *PROSE[:9]], size=5)
    lines(canvas, 330, 720, ["right column begins", *PROSE[:9]], size=5)


def table(canvas: Canvas) -> None:
    for row in range(8):
        for column in range(4):
            lines(canvas, 60 + 120 * column, 700 - 20 * row, [f"cell {row}.{column}"])


def cid(font: str, words: str) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        pdfmetrics.registerFont(UnicodeCIDFont(font))
        lines(canvas, 60, 700, [words] * 3, font=font)

    return draw


def embedded_font(canvas: Canvas) -> None:
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    lines(canvas, 60, 700, ["Embedded letters", *PROSE], font="Vera")


def without_map() -> bytes:
    """A font whose codes mean nothing without the table that is taken out here: only its shapes tell."""
    return pdf(embedded_font, pageCompression=0).replace(b"/ToUnicode", b"/NoUnicode")


def right_to_left(words: str) -> bytes:
    font, table_of_letters = mapped_font(words)
    # Codes are drawn from the right: what comes last stands furthest to the left.
    codes = bytes(range(len(words), 0, -1)).hex().encode()
    content = b"BT /F1 18 Tf 72 600 Td <" + codes + b"> Tj ET"
    return one_page(content, more={5: font, 6: table_of_letters})


def with_object_streams() -> bytes:
    """What PDFium writes, with a compressed table of objects as of PDF 1.5 where it makes one."""
    document = PdfDocument(sound_pdf())
    out = io.BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


def form_fields(canvas: Canvas) -> None:
    prose(canvas)
    canvas.acroForm.textfield(name="who", x=60, y=100, width=200, height=20, value="Ada")
    canvas.bookmarkPage("here")
    canvas.addOutlineEntry("Chapter", "here")
    canvas.linkURL("https://example.org", (60, 700, 200, 720))


def cmyk(canvas: Canvas) -> None:
    prose(canvas)
    data = encoded(Image.merge("CMYK", [picture(n).convert("L") for n in range(4)]), "JPEG")
    canvas.drawImage(ImageReader(io.BytesIO(data)), 60, 200, 200, 150)


def scan_in(mode: str, kind: str) -> Callable[[Canvas], None]:
    image = written(["Harbour office", "Notice to all pilots"]).convert(mode)
    return lambda canvas: canvas.drawImage(ImageReader(io.BytesIO(encoded(image, kind))), 0, 0, 600, 800)


def scan_over_text(canvas: Canvas) -> None:
    text = canvas.beginText(60, 700)
    text.setTextRenderMode(3)
    text.setFont("Helvetica", 12)
    for line in PROSE:
        text.textLine(line)
    canvas.drawText(text)
    draw_picture(canvas, written(PROSE), 0, 0, 600, 800)


def vector_figure(canvas: Canvas) -> None:
    prose(canvas)
    for index in range(10):
        canvas.rect(80 + 30 * index, 200, 20, 20 + 15 * index, fill=1)
    lines(canvas, 80, 180, ["Figure 1: Yield by year"])


def pdf_sound() -> Iterator[Case]:
    """All of them."""
    hello = "Hello from a page"
    yield well("plain.pdf", lambda: pdf(prose), "the pilot saw")
    yield well("three-pages-and-picture.pdf", sound_pdf, "Figure 1: Discs", 1)
    yield well("two-columns.pdf", lambda: pdf(two_columns), "right column begins")
    yield well("table.pdf", lambda: pdf(table), "cell 7.0 | cell 7.1")
    yield well("two-hundred-pages.pdf", lambda: pdf(*[prose] * 200), "the pilot saw", 0)
    yield well("exactly-300-pages.pdf", lambda: pdf(*[prose] * 300), "the pilot saw", 0)
    for turn in (90, 180, 270):
        yield well(f"turned-{turn}.pdf", lambda turn=turn: one_page(page=b"/Rotate %d" % turn), hello)
    yield well("embedded-font.pdf", lambda: pdf(embedded_font), "Embedded letters")
    yield well("font-without-unicode-map.pdf", without_map, "the pilot saw")
    yield well("chinese.pdf", lambda: pdf(cid("STSong-Light", CHINESE)), CHINESE)
    yield well("japanese.pdf", lambda: pdf(cid("HeiseiMin-W3", JAPANESE)), JAPANESE)
    yield well("korean.pdf", lambda: pdf(cid("HYSMyeongJo-Medium", KOREAN)), KOREAN.split()[0])
    yield well("hebrew.pdf", lambda: right_to_left(HEBREW), HEBREW.split()[0])
    yield well("arabic.pdf", lambda: right_to_left(ARABIC), ARABIC.split()[0])
    yield well("with-object-streams.pdf", with_object_streams, "Figure 1: Discs", 1)
    yield well("form-outline-links.pdf", lambda: pdf(form_fields), "the pilot saw")
    yield well("print-colours.pdf", lambda: pdf(cmyk), "the pilot saw", 1)
    yield well("grey-scan.pdf", lambda: pdf(scan_in("L", "JPEG")), "Notice to all pilots", 1)
    yield well("black-and-white-scan.pdf", lambda: pdf(scan_in("1", "PNG")), "Notice to all pilots", 1)
    yield well("colour-scan.pdf", lambda: pdf(scan_in("RGB", "PNG")), "Notice to all pilots", 1)
    yield well(
        "two-scans.pdf",
        lambda: pdf(scan("First sheet of paper"), scan("Second sheet of paper")),
        "Second sheet",
        2,
    )
    yield well("scan-over-its-text.pdf", lambda: pdf(scan_over_text), "the pilot saw", 1)
    yield well("vector-figure.pdf", lambda: pdf(vector_figure), "Yield by year", 1)
    yield well(
        "may-not-be-printed.pdf",
        lambda: pdf(prose, encrypt=pdfencrypt.StandardEncryption("", "owner", canPrint=0)),
        "pilot",
    )
    yield well("bytes-before-it.pdf", lambda: b"mail gateway\r\n" * 20 + one_page(), hello)
    yield well("bytes-behind-it.pdf", lambda: one_page() + b"\r\n-- \r\nbye\r\n", hello)
    yield well("version-2.pdf", lambda: one_page(head=b"%PDF-2.0\n"), hello)
    yield well("without-table-of-objects.pdf", lambda: one_page(xref=False), hello)
    yield well("user-unit.pdf", lambda: one_page(page=b"/UserUnit 20"), hello)
    yield well("crop-box.pdf", lambda: one_page(page=b"/CropBox[50 50 400 780]"), hello)
    yield well("packed-five-times.pdf", lambda: one_page(content_object=packed(HELLO, times=5)), hello)
    yield well("blank-page.pdf", lambda: one_page(b""), "", 0)
    yield well(
        "three-contents.pdf",
        lambda: one_page(
            more={
                3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents[4 0 R 6 0 R 4 0 R]"
                b"/Resources<</Font<</F1 5 0 R>>>>>>",
                6: stream(b"BT /F1 24 Tf 72 500 Td (Second part) Tj ET"),
            }
        ),
        "Second part",
    )
    yield well(
        "attachment-and-script.pdf",
        lambda: raw_pdf(
            {
                1: b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(while(true){})>>"
                b"/Names<</EmbeddedFiles<</Names[(a.exe) 6 0 R]>>>>>>",
                2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
                3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
                b"/Resources<</Font<</F1 5 0 R>>>>>>",
                4: stream(HELLO),
                5: FONT,
                6: b"<</Type/Filespec/F(a.exe)/EF<</F 7 0 R>>>>",
                7: stream(b"MZ" + bytes(2000)),
            }
        ),
        hello,
    )
