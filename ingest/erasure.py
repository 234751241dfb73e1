"""What object store and cache still keep of a removed document, and how it is taken out of them now."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.gone import answers_prefix
from contracts.keys import embedding_checkpoint_key, half_key, item_prefix, picture_key
from runtime.object_store import ObjectStore

_WAIT_S = 5.0
_AT_ONCE = 500


async def kept_objects(
    store: ObjectStore, doc_id: str, file_key: str | None, generations: Sequence[Generation]
) -> dict[str, list[str]]:
    """Keys that are kept of a document, by place.

    Args:
        file_key: of the file itself, where its name is known.
        generations: all that the log knows, retired ones too.
    """
    prefixes: dict[str, list[str]] = {
        "file": [file_key] if file_key else [],
        "halves": sorted({half_key(one.space_id, doc_id, 0, "text").rsplit("/", 2)[0] for one in generations}),
        "items": [item_prefix(one.name, doc_id) for one in generations],
        "checkpoints": [embedding_checkpoint_key(doc_id, 0, "text").rsplit("/", 2)[0]],
        "pictures and thumbnails": [picture_key(doc_id, 0, 0).rsplit("/", 2)[0]],
    }
    found: dict[str, list[str]] = {}
    for place, wanted in prefixes.items():
        found[place] = []
        for prefix in wanted:
            # The file's own key is no folder: a listing would not show it.
            parent = prefix.rsplit("/", 1)[0] if place == "file" else prefix
            listed = [meta.key async for meta in store.list(parent)]
            found[place] += [key for key in listed if place != "file" or key == prefix]
    return found


async def remembered_answers(redis_url: str, tenant: str, doc_id: str, *, remove: bool) -> int:
    """How many remembered answers show a document; with `remove` they are forgotten.

    Raises:
        DependencyDown: Redis does not answer.
    """
    client: Any = aioredis.from_url(redis_url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S)
    found = 0
    try:
        async for key in client.scan_iter(match=f"{answers_prefix(tenant)}*", count=_AT_ONCE):
            value = await client.get(key)
            if value is not None and doc_id.encode() in value:
                found += 1
                if remove:
                    await client.delete(key)
    except (RedisError, OSError, TimeoutError) as exc:
        raise DependencyDown("redis") from exc
    finally:
        await client.aclose()
    return found
