"""What of the GPU path can be shown without one: the device's thread, and its graphs served by a CPU."""

import threading

import faiss
import numpy as np
import pytest

from contracts.errors import DeadlineExceeded, Overloaded
from index_service.kinds.gpu import CagraOnDevice, DeviceThread, gpu_count, on_gpu
from index_service.kinds.graph import Graph, read_graph
from index_service.kinds.parameters import IndexParameters
from index_service.kinds.searcher import build, read
from index_service.vectors import add_rows, flat_index
from tests.index_service.building import DIM, vectors

PARAMETERS = IndexParameters(m=8, ef_search=64, ef_growth=0.0, gpu=0)


def test_without_a_gpu_everything_is_on_the_cpu():
    if gpu_count():
        pytest.skip("there is a GPU")
    assert not on_gpu(PARAMETERS)


def test_all_work_is_done_by_one_thread_in_order():
    thread = DeviceThread("gpu-test")
    done = []

    def ask(number):
        thread.do(lambda: done.append((number, threading.get_ident())), 5)

    for number in range(20):
        ask(number)
    askers = [threading.Thread(target=ask, args=(number,)) for number in range(20, 40)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(5)
    assert [number for number, _ in done[:20]] == list(range(20))
    assert {number for number, _ in done} == set(range(40))
    assert len({ident for _, ident in done}) == 1
    assert done[0][1] != threading.get_ident()


def test_what_fails_there_fails_here_and_the_thread_goes_on():
    thread = DeviceThread("gpu-test")

    def fail():
        raise RuntimeError("out of memory on the device")

    with pytest.raises(RuntimeError, match="out of memory"):
        thread.do(fail, 5)
    assert thread.do(lambda: 7, 5) == 7


def test_waiting_has_an_end_and_a_bound():
    thread = DeviceThread("gpu-test", waiting=1)
    go_on, begun = threading.Event(), threading.Event()

    def hold():
        begun.set()
        go_on.wait(10)

    holder = threading.Thread(target=lambda: thread.do(hold, 10))
    holder.start()
    assert begun.wait(5)
    with pytest.raises(DeadlineExceeded):
        thread.do(lambda: None, 0.01)
    # The one that gave up still has its place until the thread comes to it.
    with pytest.raises(Overloaded):
        thread.do(lambda: None, 0.01)
    go_on.set()
    holder.join(5)


def test_a_graph_of_a_device_is_served_by_a_cpu_over_the_segments_own_rows(tmp_path):
    rows = vectors(np.random.default_rng(61), 1500, kind="picture")
    # As a device leaves it: one level, and rows that the segment has anyway.
    index = faiss.IndexHNSWCagra(DIM, PARAMETERS.m, faiss.METRIC_INNER_PRODUCT)
    index.add(rows.astype(np.float32))
    index.base_level_only = True
    assert Graph(index, None, PARAMETERS).write(tmp_path) == ["graph.faiss"]
    flat = flat_index(DIM)
    add_rows(flat, rows)

    graph = read_graph(tmp_path, PARAMETERS, flat, codes=False)

    assert not graph.can_grow
    queries = np.random.default_rng(62).standard_normal((20, DIM)).astype(np.float32)
    _, slots = graph.search(queries, 10, 1.0, None)
    expected = np.argsort(-(queries @ rows.astype(np.float32).T), axis=1)[:, :10]
    assert np.mean([np.isin(true, found).mean() for true, found in zip(expected, slots, strict=True)]) >= 0.9


if gpu_count():

    def test_a_device_builds_and_searches_a_segments_graph_and_a_cpu_serves_the_same_files(tmp_path):
        rows = vectors(np.random.default_rng(63), 5000, kind="picture")
        assert build("hnsw_fp16", rows, tmp_path, PARAMETERS, text_dim=DIM, trained=None, base=None)
        flat = flat_index(DIM)
        add_rows(flat, rows)
        queries = np.random.default_rng(64).standard_normal((20, DIM)).astype(np.float32)
        expected = np.argsort(-(queries @ rows.astype(np.float32).T), axis=1)[:, :10]

        device = read("hnsw_fp16", tmp_path, PARAMETERS, vectors=flat, text_dim=DIM)
        cpu = read_graph(tmp_path, PARAMETERS, flat, codes=False)

        assert isinstance(device, CagraOnDevice)
        for searcher in (device, cpu):
            _, slots = searcher.search(queries, 10, 1.0, None)
            hit = [np.isin(true, found).mean() for true, found in zip(expected, slots, strict=True)]
            assert np.mean(hit) >= 0.9
        selected = np.zeros(5000, dtype=np.bool_)
        selected[::3] = True
        _, slots = device.search(queries, 10, 3.0, np.packbits(selected, bitorder="little"))
        assert selected[slots[slots >= 0]].all()
