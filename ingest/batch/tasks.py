"""The two kinds of task of a batch, as functions of plain data: any process that can import Trireme runs them."""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from contracts.batches import BatchUpdate
from contracts.codec import decode, encode
from contracts.generations import Generation
from encoding.opening import open_encoders
from ingest.batch.checkpoint import Claim
from ingest.batch.files import store_shard_file
from ingest.batch.settings import BatchSettings
from ingest.batch.work import DocumentEnd, DocumentWork
from ingest.embedding.opening import open_embedding
from ingest.extraction.run import Extractor
from ingest.extraction.types import ExtractionLimits
from ingest.image_handler import ImageHandler
from ingest.live_encoders import LiveEncoders
from ingest.live_generations import LogGenerations
from ingest.service import patience
from ingest.text_handler import TextHandler
from runtime.object_store import ObjectStore
from runtime.space_files import SpaceBook
from runtime.telemetry import Metrics
from runtime.triton import TritonClient


class EmbedTask(msgspec.Struct, frozen=True, kw_only=True):
    """Some documents of a batch."""

    claims: tuple[Claim, ...]
    generations: tuple[Generation, ...]


class FileTask(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of a batch that belong to one shard."""

    batch_id: str
    generation: Generation
    shard: int
    ends: tuple[DocumentEnd, ...]


def embed(settings: BatchSettings, task: bytes) -> bytes:
    """Do an `EmbedTask`; returns its documents' ends."""
    told = msgspec.msgpack.decode(task, type=EmbedTask)
    return msgspec.msgpack.encode(asyncio.run(_embed(settings, told.claims, told.generations)))


def read_ends(data: bytes) -> list[DocumentEnd]:
    """What `embed` returned."""
    return msgspec.msgpack.decode(data, type=list[DocumentEnd])


def file(settings: BatchSettings, task: bytes) -> bytes:
    """Do a `FileTask`; returns the encoded record for the shard."""
    told = msgspec.msgpack.decode(task, type=FileTask)
    store = ObjectStore.from_url(settings.object_store_url)
    space = SpaceBook(settings.model_repository).of(told.generation.space_id)
    update = asyncio.run(store_shard_file(store, told.batch_id, told.generation, space, told.shard, told.ends))
    return encode(update)


def read_record(data: bytes) -> BatchUpdate:
    """What `file` returned."""
    return decode(BatchUpdate, data)


async def _embed(
    settings: BatchSettings, claims: Sequence[Claim], generations: Sequence[Generation]
) -> list[DocumentEnd]:
    store, metrics = ObjectStore.from_url(settings.object_store_url), Metrics()
    async with contextlib.AsyncExitStack() as parts:
        triton = TritonClient(settings.triton_url)
        parts.push_async_callback(triton.close)
        limits = ExtractionLimits(ocr_languages=settings.ocr_languages)
        reader = await parts.enter_async_context(Extractor(limits))
        encoders = await parts.enter_async_context(open_encoders(triton, settings))
        live = LiveEncoders(encoders, LogGenerations(settings.kafka_bootstrap))
        texts = await parts.enter_async_context(open_embedding(settings, "text", store, metrics))
        pictures = await parts.enter_async_context(open_embedding(settings, "image", store, metrics))
        waiting, timeout_s = patience(settings), settings.embed_timeout_s
        text = TextHandler(
            store, reader, live, texts.vectors, texts.checkpoints, patience=waiting, embed_timeout_s=timeout_s
        )
        image = ImageHandler(
            store,
            reader,
            live,
            pictures.vectors,
            pictures.checkpoints,
            patience=waiting,
            embed_timeout_s=timeout_s,
        )
        work = DocumentWork(store, text, image, encoders.book, generations, settings.concurrency)
        return await work.run(claims)
