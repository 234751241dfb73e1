"""Exported items: what other engines read of them, and what comes back."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.documents import Box
from contracts.errors import BadMessage, NotFound
from index_service.exchange.parquet import ItemFile, ItemWriter
from tests.index_service.building import DIM, SPEC, doc, item_set

NARROW = pa.list_(pa.float32(), 3)


@pytest.fixture
def documents():
    rng = np.random.default_rng(5)
    made = [item_set(rng, doc(i), 2**40 + i, n_text=700, n_pictures=2, added_ms=i) for i in range(9)]
    rich = msgspec.structs.replace(
        made[0].items[0],
        box=Box(0.1, 0.2, 1 / 3, 0.4),
        char_start=5,
        char_end=2**40,
        heading="Überschrift",
        caption="a caption",
        thumbnail_key="derived/x",
        machine_caption="words of a machine",
        captioned_by="captioner@1",
    )
    first = msgspec.structs.replace(made[0], items=(rich, *made[0].items[1:]), readers=("board", "staff"))
    return [first, *made[1:]]


def export(path, documents, precision="float16"):
    with ItemWriter(path, SPEC, precision) as writer:
        for document in documents:
            writer.write(document)
    return ItemFile(path)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_everything_comes_back_as_it_was(tmp_path, documents, precision):
    file = export(tmp_path / "index.parquet", documents, precision)
    assert list(file.documents()) == documents
    assert (file.header().space_id, file.header().text_dim) == (SPEC.space_id, SPEC.text_dim)
    assert [path.name for path in tmp_path.iterdir()] == ["index.parquet"]


def test_arrow_reads_vectors_of_fixed_size_and_plain_columns(tmp_path, documents):
    export(tmp_path / "index.parquet", documents)
    table = pq.read_table(tmp_path / "index.parquet")
    assert table.schema.field("vector").type == pa.list_(pa.float16(), DIM)
    assert table.num_rows == 9 * 702
    row = table.slice(1, 1).to_pylist()[0]
    assert (row["doc_id"], row["item_id"], row["kind"], row["page"]) == (doc(0), "t1", "text", 2)
    expected = np.frombuffer(documents[0].items[1].vector, dtype="<f2")
    assert np.array_equal(np.array(row["vector"], dtype=np.float16), expected)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_duckdb_finds_the_nearest_rows_in_an_export(tmp_path, documents, precision):
    import duckdb

    export(tmp_path / "index.parquet", documents, precision)
    target = documents[4].items[700]
    asked = np.frombuffer(target.vector, dtype="<f2").astype(np.float32)
    [best] = duckdb.execute(
        f"SELECT doc_id, item_id FROM '{tmp_path / 'index.parquet'}' WHERE kind = 'picture' "
        f"ORDER BY list_inner_product(vector::FLOAT[], ?::FLOAT[]) DESC LIMIT 1",
        [asked.tolist()],
    ).fetchall()
    assert best == (documents[4].doc_id, target.item_id)


def test_a_failed_export_leaves_the_former_file(tmp_path, documents):
    file = export(tmp_path / "index.parquet", documents[:1])

    def fail():
        with ItemWriter(file.path, SPEC, "float16") as writer:
            writer.write(documents[1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(file.documents()) == documents[:1]
    assert [path.name for path in tmp_path.iterdir()] == ["index.parquet"]


def test_an_index_without_documents_gives_a_file_without_rows(tmp_path):
    assert list(export(tmp_path / "index.parquet", []).documents()) == []


def test_files_that_are_none_of_ours_are_refused_with_a_sentence(tmp_path, documents):
    path = tmp_path / "index.parquet"
    with pytest.raises(NotFound):
        ItemFile(path).header()
    path.write_bytes(b"no Parquet")
    with pytest.raises(BadMessage, match="Parquet"):
        ItemFile(path).header()
    pq.write_table(pa.table({"doc_id": ["a"]}), path)
    with pytest.raises(BadMessage, match="space"):
        ItemFile(path).header()


def altered(path, documents, change):
    """An export whose table was changed by somebody, metadata kept."""
    export(path, documents)
    table = pq.read_table(path)
    metadata = table.schema.metadata
    pq.write_table(change(table).replace_schema_metadata(metadata), path)
    return ItemFile(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop_columns(["item_id"]), "columns"),
        (lambda t: pa.concat_tables([t, t.slice(0, 1)]), "together"),
        (lambda t: t.set_column(t.schema.get_field_index("kind"), "kind", pa.array(["x"] * len(t))), "rows of"),
        (
            lambda t: t.set_column(
                t.schema.get_field_index("vector"),
                "vector",
                pa.array([[0.0] * 3] * len(t), pa.list_(pa.float32(), 3)),
            ),
            "values",
        ),
    ],
    ids=["column missing", "rows apart", "unknown kind", "narrow vectors"],
)
def test_altered_files_are_refused_with_a_sentence(tmp_path, documents, change, sentence):
    with pytest.raises(BadMessage, match=sentence):
        list(altered(tmp_path / "index.parquet", documents, change).documents())


def test_a_file_of_before_documents_had_readers_is_for_all(tmp_path, documents):
    export(tmp_path / "new.parquet", documents)
    table = pq.read_table(tmp_path / "new.parquet")
    pq.write_table(table.drop_columns(["readers"]), tmp_path / "old.parquet")
    assert {document.readers for document in ItemFile(tmp_path / "old.parquet").documents()} == {()}
