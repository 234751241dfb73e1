"""Files of questions for `trireme warm`: what they may hold, and what is said of a line that is none."""

import pytest

from cli.warm import WarmQuery, read_queries
from contracts.errors import InvalidInput


def test_plain_lines_and_json_are_questions_and_comments_are_none() -> None:
    text = (
        '# most asked first\nripe compost\n\n{"query": "a cactus", "k": 5, "collections": ["garden"], "id": "x"}\n'
    )
    assert read_queries(text.encode()) == [
        (2, WarmQuery(query="ripe compost")),
        (4, WarmQuery(query="a cactus", k=5, collections=("garden",))),
    ]


def test_a_file_for_evaluation_serves_as_it_is() -> None:
    line = '{"id": "1", "kind": "picture", "query": null, "image": "a.png", "expected": "b.pdf"}'
    assert read_queries(line.encode()) == [(1, WarmQuery(image="a.png"))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no questions"),
        ("# nothing\n\n", "no questions"),
        ('fine\n{"query": ', "Line 2 is no question"),
        ('{"query": 5}', "Line 1 is no question"),
        ("{}", "Line 1 asks for nothing"),
        ('{"query": "a", "k": 11}', "asks for 11 hits"),
        ('{"query": "a", "k": 0}', "asks for 0 hits"),
    ],
)
def test_a_line_that_is_no_question_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_queries(text.encode())
