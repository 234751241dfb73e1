"""The embedded Triton with our ONNX Runtime backend, really started."""

import asyncio
import os
import signal
import time

import numpy as np
import psutil
import pytest
import tritonclient.grpc.aio as grpc
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tritonclient.utils import InferenceServerException

from contracts.tensors import CLIP_IMAGE, EMBEDDING, PRIORITY_QUERY, PRIORITY_UPLOAD, TEXT_ENCODER
from export.text_encoder.parity import compare, reference_texts, reference_vectors
from stack.process import ProcessSpec
from stack.servers.triton_probe import ModelHealth, probe_models, read_model_config
from tests.stack.servers.conftest import DEMO_MODELS, PATHS

pytestmark = pytest.mark.integration

PICTURE = tuple(read_model_config(PATHS.repository / CLIP_IMAGE / "config.pbtxt").input[0].dims)

Array = NDArray[np.generic]


def tokens(*rows: list[int]) -> dict[str, Array]:
    ids = np.array(rows, dtype=np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


async def infer(
    client: grpc.InferenceServerClient, model: str, feeds: dict[str, Array], priority: int = PRIORITY_UPLOAD
) -> NDArray[np.float32]:
    names = {"int64": "INT64", "uint8": "UINT8"}
    inputs = []
    for name, value in feeds.items():
        tensor = grpc.InferInput(name, value.shape, names[value.dtype.name])
        tensor.set_data_from_numpy(value)
        inputs.append(tensor)
    result = await client.infer(model, inputs, priority=priority, client_timeout=20)
    vectors: NDArray[np.float32] = result.as_numpy(EMBEDDING)
    return vectors


def client_of(spec: ProcessSpec) -> grpc.InferenceServerClient:
    return grpc.InferenceServerClient(f"127.0.0.1:{spec.ports['grpc']}")


async def test_the_served_text_encoder_gives_pytorchs_vectors(triton: ProcessSpec) -> None:
    tokenizer = Tokenizer.from_file(str(PATHS.repository / TEXT_ENCODER / "1" / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    async with client_of(triton) as client:
        rows = [
            await infer(client, TEXT_ENCODER, tokens(tokenizer.encode(text).ids)) for text in reference_texts()
        ]
    assert compare(np.concatenate(rows), reference_vectors()).min_cosine > 0.9999


async def test_requests_at_once_are_batched_and_answered_each_with_its_own_vector(triton: ProcessSpec) -> None:
    rng = np.random.default_rng(7)
    requests = [tokens(*rng.integers(1000, 20000, (1 + n % 3, 24)).tolist()) for n in range(24)]
    async with client_of(triton) as client:
        alone = [await infer(client, TEXT_ENCODER, feeds) for feeds in requests]
        before = await execution_count(client)
        together = await asyncio.gather(*(infer(client, TEXT_ENCODER, feeds) for feeds in requests))
        runs = await execution_count(client) - before
    assert runs < len(requests)
    for one, other in zip(alone, together, strict=True):
        # Another batch size adds in another order.
        np.testing.assert_allclose(one, other, atol=2e-6)


async def test_texts_of_mixed_lengths_are_batched_and_keep_their_own_vectors(triton: ProcessSpec) -> None:
    rng = np.random.default_rng(11)
    lengths = [(8, 200, 16, 64, 8, 24, 120, 16)[n % 8] for n in range(32)]
    requests = [tokens(rng.integers(1000, 20000, length).tolist()) for length in lengths]
    async with client_of(triton) as client:
        alone = [await infer(client, TEXT_ENCODER, feeds) for feeds in requests]
        before = await execution_count(client)
        together = await asyncio.gather(*(infer(client, TEXT_ENCODER, feeds) for feeds in requests))
        batches = await execution_count(client) - before
    # Were lengths not joined, neighbours would share none, and there would be a batch for each request.
    assert batches <= len(requests) / 2
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=2e-6)


async def execution_count(client: grpc.InferenceServerClient) -> int:
    statistics = await client.get_inference_statistics(TEXT_ENCODER)
    return int(statistics.model_stats[0].execution_count)


async def test_one_bad_request_of_a_batch_fails_alone(triton: ProcessSpec) -> None:
    good, bad = tokens([101, 2000, 102]), tokens([101, 999_999, 102])
    async with client_of(triton) as client:
        wanted = await infer(client, TEXT_ENCODER, good)
        answers = await asyncio.gather(
            *(infer(client, TEXT_ENCODER, bad if n == 5 else good) for n in range(12)), return_exceptions=True
        )
    assert isinstance(answers[5], InferenceServerException)
    for n, answer in enumerate(answers):
        if n != 5:
            np.testing.assert_allclose(answer, wanted, atol=2e-6)


async def test_pictures_are_encoded_to_unit_vectors(triton: ProcessSpec) -> None:
    pictures = np.random.default_rng(3).integers(0, 256, (8, *PICTURE), dtype=np.uint8)
    async with client_of(triton) as client:
        vectors = await infer(client, CLIP_IMAGE, {"image": pictures})
    assert vectors.shape == (8, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


async def test_no_request_waits_for_the_batchers_half_second(triton: ProcessSpec) -> None:
    """Without the backend's waker about one in ten batches of eight callers waited 500 ms (see waker.py).

    A stall shows as a pause in which nobody is answered, however fast the machine is.
    """
    answered: list[float] = []

    async def caller(client: grpc.InferenceServerClient) -> None:
        for _ in range(30):
            await infer(client, TEXT_ENCODER, tokens([101, *range(2000, 2014), 102]))
            answered.append(time.monotonic())

    async with client_of(triton) as client:
        await asyncio.gather(*(caller(client) for _ in range(8)))
    pauses = np.diff(np.array(answered))
    assert pauses.max() < 0.45


async def test_no_request_waits_for_the_half_second_behind_a_queue_of_mixed_lengths(triton: ProcessSpec) -> None:
    """The waker's own requests stand behind everybody's there."""
    answered: list[float] = []

    async def caller(client: grpc.InferenceServerClient, seed: int) -> None:
        for n in range(12):
            await infer(client, TEXT_ENCODER, tokens([101, *range(2000, 2000 + 8 * ((seed + n) % 8)), 102]))
            answered.append(time.monotonic())

    async with client_of(triton) as client:
        await asyncio.gather(*(caller(client, seed) for seed in range(16)))
    assert np.diff(np.array(answered)).max() < 0.45


async def test_a_query_overtakes_uploads_that_wait(triton: ProcessSpec) -> None:
    order: list[str] = []

    async def send(client: grpc.InferenceServerClient, who: str, priority: int, length: int) -> None:
        await infer(client, TEXT_ENCODER, tokens([101] * length), priority)
        order.append(who)

    async with client_of(triton) as client:
        # Several batches of the longest texts, so that some wait however long the look at the queue takes.
        uploads = [asyncio.create_task(send(client, "upload", PRIORITY_UPLOAD, 400 + n)) for n in range(48)]
        deadline = time.monotonic() + 20
        while await pending(triton) < 6:
            assert time.monotonic() < deadline
        await send(client, "query", PRIORITY_QUERY, 12)
        waiting = sum(not task.done() for task in uploads)
        await asyncio.gather(*uploads)
    assert waiting >= 4, order


async def pending(spec: ProcessSpec) -> int:
    """Requests that wait in the text encoder's queue, from the server's own metrics."""
    reader, writer = await asyncio.open_connection("127.0.0.1", spec.ports["metrics"])
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    start = f'nv_inference_pending_request_count{{model="{TEXT_ENCODER}"'
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines() if line.startswith(start))


async def test_a_model_whose_process_is_killed_is_seen_and_comes_back(triton: ProcessSpec) -> None:
    address = f"127.0.0.1:{triton.ports['grpc']}"
    (stub,) = (process for process in stubs(triton) if any(TEXT_ENCODER in part for part in process.cmdline()))
    stub.send_signal(signal.SIGKILL)
    health = await probe_models(address, sorted(DEMO_MODELS))
    assert health == ModelHealth(failed=(TEXT_ENCODER,), dead=(TEXT_ENCODER,))
    assert triton.ready is not None
    deadline = time.monotonic() + 30
    while not await triton.ready():
        assert time.monotonic() < deadline
    async with client_of(triton) as client:
        assert (await infer(client, TEXT_ENCODER, tokens([101, 102]))).shape == (1, 384)


def stubs(spec: ProcessSpec) -> list[psutil.Process]:
    return [each for each in psutil.Process(server_pid(spec)).children(recursive=True) if each.cmdline()]


def server_pid(spec: ProcessSpec) -> int:
    return next(
        each.pid
        for each in psutil.Process(os.getpid()).children(recursive=True)
        if f"--grpc-port={spec.ports['grpc']}" in each.cmdline()
    )


def test_every_port_is_on_loopback_only(triton: ProcessSpec) -> None:
    listening = {
        each.laddr.port: each.laddr.ip
        for each in psutil.Process(server_pid(triton)).net_connections(kind="tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert set(triton.ports.values()) == set(listening)
    assert {ip.removeprefix("::ffff:") for ip in listening.values()} == {"127.0.0.1"}
