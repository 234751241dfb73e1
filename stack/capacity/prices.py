"""Prices that turn a plan into money: whoever plans brings them; the file in deploy/capacity holds examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from contracts.errors import InvalidInput
from stack.capacity.load import Need
from stack.home import CHECKOUT

EXAMPLES = CHECKOUT / "deploy" / "capacity" / "prices.toml"
_HOURS_A_MONTH = 730


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What things cost, in one currency.

    Args:
        currency: its name, only printed.
        core_hour, memory_gib_hour, gpu_hour: of a machine's processors, memory and cards.
        disk_gib_month, store_gib_month: of disks of shards and brokers, and of the object store.
    """

    currency: str
    core_hour: float
    memory_gib_hour: float
    gpu_hour: float
    disk_gib_month: float
    store_gib_month: float


def read_prices(path: Path) -> Prices:
    """Prices out of a TOML file.

    Raises:
        InvalidInput: there is no such file, or it does not hold exactly the prices.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Prices)
    except OSError as exc:
        raise InvalidInput(f"The prices in {path} cannot be read: {exc.strerror}.") from exc
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise InvalidInput(f"The prices in {path} are not as expected: {exc}.") from exc


def cost_needs(needs: Sequence[Need], shards: int, prices: Prices) -> Iterator[Need]:
    """What the needs cost a month."""

    def total(unit: str, *, names: str = "", but: str = "") -> float:
        return sum(n.amount for n in needs if n.unit == unit and names in n.name and not (but and but in n.name))

    cores, gpus = total("cores"), total("GPUs")
    memory = shards * (total("bytes", names="memory of a shard") + total("bytes", names="more while it merges"))
    memory += total("bytes", names="memory of the CPU replica") + total("bytes", names="memory of Redis")
    disk = shards * total("bytes", names="disk of a shard") + total("bytes", names="disk of all brokers")
    store = sum(need.amount for need in needs if need.part == "store")
    yield _cost("processors", cores * prices.core_hour * _HOURS_A_MONTH, prices)
    yield _cost("memory", memory / 2**30 * prices.memory_gib_hour * _HOURS_A_MONTH, prices)
    if gpus:
        yield _cost("cards", gpus * prices.gpu_hour * _HOURS_A_MONTH, prices)
    yield _cost("disks", disk / 2**30 * prices.disk_gib_month, prices)
    yield _cost("object store", store / 2**30 * prices.store_gib_month, prices)


def _cost(name: str, amount: float, prices: Prices) -> Need:
    return Need("cost a month", name, amount, prices.currency, "amounts above x prices")
