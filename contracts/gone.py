"""Documents that are gone: Redis keys that keep deleted documents out of cached answers.

Whoever emits a tombstone (delete or expiry) sets `gone_key` to the version of the delete, for `GONE_TTL_S`. Who
reads a cached answer removes hits whose version is not higher. Losing these keys is harmless once the cached
answers of that time have ended, which is why they outlive them by an hour.
"""

GONE_TTL_S = 25 * 3600


def answers_prefix(tenant: str) -> str:
    """Beginning of the Redis keys of a tenant's remembered answers."""
    return f"search:{tenant}:"


def gone_key(tenant: str, doc_id: str) -> str:
    """Redis key of a deleted document; its value is the decimal version of the delete."""
    return f"gone:{tenant}:{doc_id}"
