"""Has a batch job's tasks done by Spark. pyspark is loaded here alone; its requirements are their own file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

from contracts.errors import ConfigurationError, DependencyDown
from ingest.batch.settings import BatchSettings

_TRIES = 4


class SparkRunner:
    """Runs tasks on a Spark cluster, one a partition; a task that fails is done again, four times at most.

    Args:
        master: "local[2]", "spark://host:7077", "yarn", "k8s://...". The workers need Trireme installed.

    Raises:
        ConfigurationError: pyspark or Java is missing.
    """

    def __init__(self, master: str) -> None:
        try:
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError as exc:
            raise ConfigurationError(
                "The batch job needs pyspark: install requirements/spark.txt (`make spark-environment`)."
            ) from exc
        local = master.startswith("local")
        # Spark repeats tasks in local mode only where the master says so.
        if master.startswith("local[") and "," not in master:
            master = f"{master[:-1]},{_TRIES}]"
        if local:
            # Spark has no other way to be told which Python its tasks run in here, and which address is its own.
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder: Any = SparkSession.builder
        try:
            self._session: Any = (
                builder.master(master)
                .appName("trireme-batch")
                .config("spark.ui.enabled", "false")
                .config("spark.ui.showConsoleProgress", "false")
                .config("spark.log.level", "ERROR")
                .config("spark.driver.bindAddress", "127.0.0.1" if local else "0.0.0.0")
                .config("spark.task.maxFailures", str(_TRIES))
                .getOrCreate()
            )
        except (PySparkException, RuntimeError) as exc:
            raise ConfigurationError("Spark does not start: is Java 17 there, and the master right?") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.stop()

    def run(
        self, do: Callable[[BatchSettings, bytes], bytes], settings: BatchSettings, tasks: Sequence[bytes]
    ) -> list[bytes]:
        """See `ingest.batch.job.Runner`.

        Raises:
            DependencyDown: a task failed four times; Spark's log says of what.
        """
        from py4j.protocol import Py4JJavaError

        numbered = self._session.sparkContext.parallelize(list(tasks), len(tasks))
        try:
            return [bytes(data) for data in numbered.map(lambda task: do(settings, bytes(task))).collect()]
        except Py4JJavaError as exc:
            raise DependencyDown(
                "spark", "A task of the batch failed again and again; Spark's log says why."
            ) from exc
