"""Plans: their formulae against shards that are really built, their page, and numbers that make no sense."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.index.data_set import open_data_set
from benchmarks.index.filled_shard import fill
from benchmarks.index.joint_vectors import CorpusSpec
from contracts.errors import InvalidInput
from index_service.kinds.parameters import IndexParameters
from index_service.measures import memory_bytes
from stack.capacity import measured
from stack.capacity.index import graph_bytes, index_needs, searches_per_core
from stack.capacity.load import Load, Need
from stack.capacity.plan import markdown, plan, shown
from stack.capacity.prices import EXAMPLES, read_prices
from stack.home import CHECKOUT

PAGE = CHECKOUT / "docs" / "capacity.md"


def load(items: int = 1_000_000, **changes: object) -> Load:
    return Load(items=items, items_per_document=measured.ITEMS_PER_DOCUMENT, **changes)  # type: ignore[arg-type]


def amount(needs: list[Need], name: str) -> float:
    [found] = [need for need in needs if need.name.startswith(name)]
    return found.amount


def test_the_page_holds_the_table_that_the_command_makes() -> None:
    made = markdown([load(10**6), load(10**7), load(10**8)], read_prices(EXAMPLES))
    assert made in PAGE.read_text()


def test_every_constant_stands_on_the_page_that_it_names() -> None:
    pages = {
        name: (CHECKOUT / "docs" / "benchmarks" / f"{name}.md").read_text() for name in ("index", "gpu", "search")
    }
    assert "| 100,000 | 0.951 | 3578 | 1426 | 1492 |" in pages["index"]
    assert "(786 in batches of 16)" in pages["index"]
    assert "built in 148 s on one thread" in pages["index"]
    assert "Built in 12.4 s" in pages["gpu"]
    assert "1.67 GiB there" in pages["gpu"]
    assert "| 21,901 |" in pages["gpu"]
    assert "| batch 32 | 1,507 |" in pages["gpu"]
    assert "Triton 7.5 ms, Kafka 4.7 ms,\ngateway 4.5 ms" in pages["search"]
    assert searches_per_core(load(3 * 333_000)) == pytest.approx(786, rel=0.02)


def test_a_shard_that_is_built_takes_what_the_plan_says(tmp_path: Path) -> None:
    data = open_data_set(tmp_path / "data", CorpusSpec(), 6000, lambda _: None, n_queries=10)
    parameters = IndexParameters(flat_below=1)
    filled = fill(data, tmp_path / "shard", parameters)
    wanted = load(6000, shards=1, dim=filled.shard.spec.dim, index=parameters)
    held = memory_bytes(filled.shard)
    assert held["vectors"] == 6000 * 2 * wanted.dim
    assert graph_bytes(wanted) == pytest.approx(held["graph"], rel=0.05)


def test_ten_times_the_items_need_ten_times_the_memory_and_more_cores() -> None:
    small, large = list(index_needs(load(10**7))), list(index_needs(load(10**8)))
    assert amount(large, "memory of a shard") == pytest.approx(10 * amount(small, "memory of a shard"), rel=0.1)
    assert 1 < amount(large, "cores of all shards") / amount(small, "cores of all shards") < 10


def test_graphs_that_do_not_fit_the_memory_become_lists() -> None:
    tight = msgspec.structs.replace(IndexParameters(), memory_bytes=2**30)
    [name] = [
        need.name for need in index_needs(load(10**8, index=tight)) if need.name.startswith("memory of a shard")
    ]
    assert "ivf_pq" in name


def test_cards_come_one_a_shard_and_answers_ask_for_a_language_model() -> None:
    needs = plan(load(10**7, gpu=True, answers_per_s=2), read_prices(EXAMPLES))
    assert amount(needs, "GPUs of the shards") == 3
    assert amount(needs, "GPUs of an 8B language model") == 1
    assert amount(needs, "cards") == pytest.approx(4 * 3.0 * 730)


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": 10},
        {"items": 10**12},
        {"shards": 0},
        {"dim": -1},
        {"searches_per_s": -1},
        {"used": 0},
        {"used": 1.5},
    ],
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        load(**{"items": 10**6, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "currency"), ("currency = 1", "currency"), ("not toml", "as expected")],
)
def test_prices_that_are_not_whole_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        read_prices(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_prices(tmp_path / "none.toml")


def test_amounts_are_shown_as_people_read_them() -> None:
    assert shown(Need("", "", 3 * 2**40, "bytes", "")) == "3.0 TiB"
    assert shown(Need("", "", 5 * 2**20, "bytes", "")) == "5.0 MiB"
    assert shown(Need("", "", 7200, "seconds", "")) == "2.0 h"
    assert shown(Need("", "", 0.5, "cores", "")) == "0.50"
