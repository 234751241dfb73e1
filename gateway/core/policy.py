"""Which variant of the models answers a request. Pure."""

from collections.abc import Collection

FULL = "full"
DISTILLED = "distilled"
HIGH_VALUE = "high-value"


def choose_variant(tier: str | None, loaded: Collection[str]) -> str:
    """Variant for a request by its X-Traffic-Tier: "high-value" gets the full models, all others distilled ones.

    Args:
        loaded: variants whose models are loaded; the full one always is.
    """
    if tier != HIGH_VALUE and DISTILLED in loaded:
        return DISTILLED
    return FULL
