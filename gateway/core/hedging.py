"""How many searches may ask a second group for late shards: a share of all, with a small reserve. Pure."""


class HedgeAllowance:
    """A token bucket that fills with searches instead of time.

    Args:
        share: searches that may be hedged, 0 to 1; each search puts that much into the bucket.
        reserve: what the bucket holds at most, so that a quiet hour does not pay for a storm.
    """

    def __init__(self, share: float, *, reserve: float = 5.0) -> None:
        self._share = share
        self._reserve = reserve
        self._tokens = min(1.0, reserve) if share > 0 else 0.0

    def earn(self) -> None:
        """A search begins."""
        self._tokens = min(self._reserve, self._tokens + self._share)

    def take(self) -> bool:
        """Whether this search may hedge; takes one token when it may."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
