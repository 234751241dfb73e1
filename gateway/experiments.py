"""Builds what experiments need from their clients; used by `gateway.app` alone."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from contracts.errors import TriremeError
from gateway.clients.experiment_log import ExperimentLog, Producer
from gateway.clients.experiment_meter import PrometheusExperimentMeter
from gateway.clients.one_use import RedisOneUse
from gateway.core.clock import Clock
from gateway.core.impressions import ImpressionSigner
from gateway.core.policy import DISTILLED
from gateway.flows.experiment_search import ExperimentSearch
from gateway.flows.experiments import Experiments
from gateway.flows.feedback import Feedback
from gateway.flows.ports import Generations, RoutedSearch
from gateway.flows.query_spaces import QuerySpaces
from gateway.flows.shadow import Shadow
from gateway.settings import GatewaySettings
from runtime.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class OnTrial:
    """The flows of experiments."""

    search: ExperimentSearch
    operators: Experiments
    feedback: Feedback


@asynccontextmanager
async def open_experiments(
    settings: GatewaySettings,
    *,
    secret: bytes,
    searches: RoutedSearch,
    shadows: RoutedSearch,
    producer: Producer,
    metrics: Metrics,
    clock: Clock,
    spaces: QuerySpaces,
    generations: Generations,
) -> AsyncIterator[OnTrial]:
    """The flows over real clients, for as long as the block lasts."""

    def new_id() -> str:
        return secrets.token_hex(8)

    def has_distilled() -> bool:
        try:
            return DISTILLED in spaces.of(generations.current().space_id).variants
        except TriremeError:
            return False

    log = ExperimentLog(settings.kafka_bootstrap, settings.process, producer, metrics, clock, new_nonce=new_id)
    meter = PrometheusExperimentMeter(metrics)
    signer = ImpressionSigner(secret, settings.feedback_s)
    once = RedisOneUse(settings.redis_url)
    shadow = Shadow(shadows, log, meter, clock)
    log.start()
    try:
        yield OnTrial(
            ExperimentSearch(searches, shadow, log, signer, meter, clock, new_id=new_id),
            Experiments(log, clock, has_distilled, generations.named, new_id),
            Feedback(signer, once, log, meter, clock),
        )
    finally:
        await shadow.finish()
        await once.close()
        await asyncio.to_thread(log.stop)
