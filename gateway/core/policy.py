"""Which variant of the models answers a request, before any experiment has its say. Pure."""

from collections.abc import Collection

FULL = "full"
DISTILLED = "distilled"
HIGH_VALUE = "high-value"

_BUSY = 0.75


def choose_variant(tier: str | None, loaded: Collection[str], *, shedding: bool = False) -> str:
    """Variant for a request by its X-Traffic-Tier: "high-value" gets the full models, all others distilled ones.

    Args:
        loaded: variants whose models are loaded; the full one always is.
        shedding: much is going on, so that everyone gets the cheaper models.
    """
    if DISTILLED in loaded and (tier != HIGH_VALUE or shedding):
        return DISTILLED
    return FULL


def is_shedding(free: int, places: int) -> bool:
    """Whether so few of the places for searches are free that searches get cheaper before one is refused."""
    return free < places * (1 - _BUSY)
