"""Taking everything that waits in a consumer, without waiting for more."""

from typing import Any

import confluent_kafka as ck


def poll_batch(consumer: ck.Consumer, n: int, timeout_s: float) -> list[Any]:
    """Wait at most `timeout_s` for one message, then take what else is there already, up to `n` in all.

    `Consumer.consume(n, timeout)` would wait out its timeout to fill the batch.
    """
    first = consumer.poll(timeout_s)
    if first is None:
        return []
    return [first, *consumer.consume(n - 1, timeout=0)]
