"""Everything that the routes may call, built once in `gateway.app` and found at `request.app.state.services`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contracts.joint import Weights
from gateway.core.clock import Clock
from gateway.core.links import Links
from gateway.core.readiness import Readiness
from gateway.flows.answer import AnswerFlow
from gateway.flows.chat import ChatFlow
from gateway.flows.dead_letters import DeadLetters
from gateway.flows.document_ports import Store
from gateway.flows.documents import Documents
from gateway.flows.embeddings import EmbeddingsFlow
from gateway.flows.experiments import Experiments
from gateway.flows.feedback import Feedback
from gateway.flows.pages import Pages
from gateway.flows.pictures import PictureReader
from gateway.flows.ports import CallerQuotas, Search
from runtime.telemetry import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the routes accept, and what they fill in.

    Args:
        query_chars, chat_chars: longest question, and longest conversation.
        embeddings: most inputs of one request.
        weights: of a search that brings none.
    """

    query_chars: int
    chat_chars: int
    embeddings: int
    weights: Weights


@dataclass(slots=True, kw_only=True)
class Services:
    """The gateway's flows and what its routes need beside them.

    Args:
        search: answers as the policy has it; `experiment_search` as experiments do.
        pictures: reads uploaded query pictures, bounded and off the event loop.
        pages: draws pages of documents, bounded and in processes of their own.
        readiness: asks every dependency.
        models: names of the models that answer now.
        store, links: pictures and originals, and the short-lived links to them.
        quotas: what callers may use.
    """

    clock: Clock
    metrics: Metrics
    limits: Limits
    search: Search
    experiment_search: Search
    experiments: Experiments
    feedback: Feedback
    pictures: PictureReader
    readiness: Callable[[], Awaitable[Readiness]]
    models: Callable[[], Awaitable[list[str]]]
    answers: AnswerFlow
    chat: ChatFlow
    embeddings: EmbeddingsFlow
    documents: Documents
    pages: Pages
    dead_letters: DeadLetters
    store: Store
    links: Links
    quotas: CallerQuotas
