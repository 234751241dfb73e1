"""Names that documents get from the paths that a person types."""

from pathlib import Path

import pytest

from cli.files import listed_paths, named_files, read_file
from contracts.errors import InvalidInput, NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "manuals"
    (root / "pumps").mkdir(parents=True)
    (root / "b.txt").write_text("b")
    (root / "pumps" / "a.pdf").write_text("a")
    (root / ".hidden").write_text("no")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("no")
    return root


def test_a_folder_gives_its_files_with_its_own_name_and_without_hidden_ones(folder: Path) -> None:
    assert [file.name for file in named_files([folder])] == ["manuals/b.txt", "manuals/pumps/a.pdf"]


def test_a_file_keeps_its_relative_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert [file.name for file in named_files([Path("pumps/a.pdf")])] == ["pumps/a.pdf"]


@pytest.mark.parametrize("typed", ["{folder}/pumps/a.pdf", "../manuals/pumps/a.pdf"])
def test_a_path_from_elsewhere_gives_the_files_name_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.chdir(folder)
    assert [file.name for file in named_files([Path(typed.format(folder=folder))])] == ["a.pdf"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        named_files([tmp_path / "nowhere"])
    with pytest.raises(NotFound, match="nowhere"):
        read_file(tmp_path / "nowhere")


def test_an_empty_folder_is_no_ingestion(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        named_files([tmp_path])


def test_a_pattern_finds_files_and_what_finds_nothing_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert [file.name for file in named_files([Path("**/*.pdf")])] == ["pumps/a.pdf"]
    with pytest.raises(NotFound, match="Nothing matches"):
        named_files([Path("*.docx")])


def test_two_files_that_would_be_one_document_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("another")
    with pytest.raises(InvalidInput, match=r"a\.pdf"):
        named_files([folder / "pumps" / "a.pdf", tmp_path / "a.pdf"])


def test_a_list_has_a_path_a_line_or_ends_each_with_a_zero_byte() -> None:
    assert listed_paths("a.txt\nb c.txt\n\n") == [Path("a.txt"), Path("b c.txt")]
    assert listed_paths("a\nb.txt\0c.txt\0") == [Path("a\nb.txt"), Path("c.txt")]
