"""Percentiles of a latency sample, as benchmark tables print them."""

from collections.abc import Sequence

import numpy as np


def percentile(values: Sequence[float], share: float) -> float:
    """The `share` percentile (0 to 100) by linear interpolation; NaN without values."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), share)) if values else float("nan")
