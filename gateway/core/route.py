"""How one search is to be answered: which models, which generation, which weights, which order. Pure."""

from dataclasses import dataclass, replace

from contracts.experiments import Changes
from contracts.joint import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What policy and experiments decided about a search.

    Args:
        variant: models for the query's picture, "full" or "distilled".
        generation: name of the index generation; None for the one that serves.
        weights: instead of the query's; None leaves those.
        reranker: name in `gateway.core.reranking`.
        shed: much is going on, so that the policy chose the cheaper models.
    """

    variant: str
    generation: str | None = None
    weights: Weights | None = None
    reranker: str = "score"
    shed: bool = False

    def changed(self, changes: Changes) -> "Route":
        """The route with a variant's changes."""
        weights = changes.weights
        return replace(
            self,
            variant=changes.encoder or self.variant,
            generation=changes.generation or self.generation,
            weights=Weights(weights.text_text, weights.text_image, weights.image_image, weights.lexical)
            if weights
            else self.weights,
            reranker=changes.reranker or self.reranker,
        )
