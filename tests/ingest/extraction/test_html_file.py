"""Web pages: what people see of them, and nothing from anywhere else."""

import base64
import io

import pytest
from PIL import Image

from contracts.errors import DocumentFailed
from contracts.media import HTML
from tests.ingest.extraction.making import encoded, picture, read_pictures, read_text


def kinds_and_texts(page: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in read_text(page.encode(), HTML).blocks]


def inside(picture_file: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture_file).decode()}"


def test_headings_paragraphs_lists_and_rows_come_in_order():
    page = """<!doctype html><title>Ships</title><body>
    <h1>Ships of <em>the</em> line</h1><p>Built of
    oak,&nbsp;mostly.<br>Some of teak.</p>
    <ul><li>masts<ul><li>fore<li>main</ul><li><p>sails</p></ul>
    <dl><dt>keel<dd>the lowest beam</dl>
    <table><caption>Guns</caption><tr><th>Rate<th>Guns<tr><td>first<td><p>100</p><p>or more</p></table>
    <pre>one
  two</pre><blockquote>England expects</blockquote>"""

    assert kinds_and_texts(page) == [
        ("heading", "Ships of the line"),
        ("paragraph", "Built of oak, mostly.\nSome of teak."),
        ("list_item", "masts"),
        ("list_item", "fore"),
        ("list_item", "main"),
        ("list_item", "sails"),
        ("list_item", "keel"),
        ("list_item", "the lowest beam"),
        ("caption", "Guns"),
        ("table_row", "Rate | Guns"),
        ("table_row", "first | 100 or more"),
        ("paragraph", "one\ntwo"),
        ("paragraph", "England expects"),
    ]


def test_what_nobody_sees_is_not_read():
    page = """<body>seen<script>no()</script><style>p{}</style><template>no</template><noscript>no</noscript>
    <p hidden>no</p><p style="color:red; display : none">no</p><span aria-hidden="true">no</span>
    <p style="opacity:0.5">half seen</p><!-- no --><select><option>no</select><textarea>no</textarea>
    <p>in\u202everted \u200bword\U000e0041</p>"""

    assert kinds_and_texts(page) == [
        ("paragraph", "seen"),
        ("paragraph", "half seen"),
        ("paragraph", "inverted word"),
    ]


def test_menus_and_frames_of_the_site_are_left_out():
    page = """<title>Ships - the site</title><header><a href=/>the site</a></header><nav>Home</nav>
    <div role=search>search</div><p>Text.</p><article><header><h2>In the article</h2></header></article>
    <aside>read also</aside><footer>imprint</footer>"""

    assert kinds_and_texts(page) == [
        ("heading", "Ships - the site"),
        ("paragraph", "Text."),
        ("heading", "In the article"),
    ]


def test_part_that_says_to_be_the_text_is_taken():
    page = "<div>teaser</div><main><h1>Ships</h1><aside>Note</aside></main><div>more</div>"

    assert kinds_and_texts(page) == [("heading", "Ships"), ("paragraph", "Note")]


def test_page_that_is_only_a_menu_is_read_as_such():
    assert kinds_and_texts("<title>Map</title><nav><a>Home</a></nav>") == [
        ("heading", "Map"),
        ("paragraph", "Home"),
    ]


def test_table_that_lays_out_a_page_is_no_table():
    page = "<table><tr><td><h2>Left</h2>words<td><table><tr><td>a<td>b</table></table>"

    assert kinds_and_texts(page) == [("heading", "Left"), ("paragraph", "words"), ("table_row", "a | b")]


def test_description_of_a_picture_stands_in_the_text():
    assert kinds_and_texts('<p>See <img src="https://example.org/x.png" alt="the harbour"> today.') == [
        ("paragraph", "See the harbour today.")
    ]


def test_words_of_a_drawing_are_read():
    assert kinds_and_texts("<p>Before</p><svg><title>Tides</title><text>high</text></svg><p>After</p>") == [
        ("paragraph", "Before"),
        ("paragraph", "high"),
        ("paragraph", "After"),
    ]


def test_pictures_inside_the_page_come_with_caption_or_description_and_place():
    page = f"""<p>Text.</p><figure><img src="{inside(encoded(picture(1)))}" alt="described"><figcaption>Figure 1: a
    disc</figcaption></figure><img alt="described too" src='{inside(encoded(picture(2), "JPEG"), "jpeg")}'>
    <img src="{inside(encoded(picture(1)))}">"""

    text = read_text(page.encode(), HTML)
    found = read_pictures(page.encode(), HTML)

    assert [picture.caption for picture in found] == ["Figure 1: a disc", "described too"]
    assert text.text[found[0].anchor or 0 :].startswith("described")
    assert text.text[found[1].anchor or 0 :].startswith("described too")
    assert Image.open(io.BytesIO(found[0].data)).size == (200, 150)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.png",
        "file:///etc/hostname",
        "//127.0.0.1/x.png",
        "data:text/html;base64,AAAA",
        "data:image/png;base64,@@@@",
        "data:image/png;base64,iVBORw0KGgo=",
    ],
)
def test_no_other_address_is_looked_at(address: str):
    assert read_pictures(f'<p>x</p><img src="{address}">'.encode(), HTML) == []


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("<meta charset=windows-1251>", "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ('<?xml version="1.0" encoding="iso-8859-5"?>', "iso-8859-5"),
        ("<meta charset=iso-8859-1>", "utf-8"),  # a page that says something untrue of itself
        ("<meta charset=no-such-encoding>", "cp1251"),
        ("", "utf-16"),
        ("", "utf-8-sig"),
    ],
)
def test_encoding_is_the_one_that_fits(head: str, encoding: str):
    words = "Судно пришло в порт рано утром, и матросы сошли на берег."

    assert words in read_text(f"{head}<p>{words}</p>".encode(encoding), HTML).text


@pytest.mark.parametrize(
    "page", ["", "   ", "<p></p>", "<script>x</script>", "<!-- -->", "<html><head></head></html>"]
)
def test_page_without_text_is_empty(page: str):
    with pytest.raises(DocumentFailed) as failure:
        read_text(page.encode() or b" ", HTML)
    assert failure.value.cause == "empty"


def test_page_that_is_nested_too_deep_is_refused_and_not_halved():
    with pytest.raises(DocumentFailed) as failure:
        read_text(b"<div>" * 5000 + b"the end", HTML)
    assert failure.value.cause == "too_deep"


def test_page_nested_deeper_than_python_recurses_is_read():
    assert read_text(b"<div>" * 2000 + b"the end", HTML).text == "the end"


def test_entities_are_not_expanded():
    page = '<!DOCTYPE html [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/hostname">]><p>x &a; &b;</p>'

    assert read_text(page.encode(), HTML).text.endswith("x &a; &b;")
