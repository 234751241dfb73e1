"""CPU use of this process in percent of its limit: what `faiss_index_cpu` shows."""

import time


class CpuMeter:
    """Measures from one reading to the next.

    Args:
        limit_cores: cores that stand for 100 percent.
    """

    def __init__(self, limit_cores: float) -> None:
        self._limit_cores = limit_cores
        self._wall_s = time.monotonic()
        self._cpu_s = time.process_time()

    def percent(self) -> float:
        """Percent of the limit since the last call, 0 to 100."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        elapsed_s = wall_s - self._wall_s
        used = (cpu_s - self._cpu_s) / (elapsed_s * self._limit_cores) if elapsed_s > 0 else 0.0
        self._wall_s, self._cpu_s = wall_s, cpu_s
        return min(100.0, max(0.0, 100.0 * used))
