"""Which models and which index answer a query, as the policy has it or as a route says."""

from dataclasses import dataclass

from contracts.errors import TriremeError
from contracts.generations import Generation
from gateway.core.policy import choose_variant
from gateway.core.query import SearchQuery
from gateway.core.route import Route
from gateway.flows.ports import Generations
from gateway.flows.query_spaces import QuerySpaces


@dataclass(frozen=True, slots=True)
class Routing:
    """Finds routes among the generations and spaces that there are. Waits for nothing."""

    spaces: QuerySpaces
    generations: Generations

    def route(self, query: SearchQuery, *, shedding: bool) -> Route:
        """Full or distilled models by tier and load, and nothing else changed.

        Raises:
            DependencyDown, SpaceMismatch, ConfigurationError: no index, or one of a space without models here.
        """
        generation = self._serving(query)
        variants = self.spaces.of(generation.space_id).variants
        variant = choose_variant(query.tier, variants, shedding=shedding)
        return Route(variant=variant, shed=variant != choose_variant(query.tier, variants))

    def generation(self, route: Route, query: SearchQuery) -> Generation:
        """The generation that a route leads to. Raises DependencyDown: it is not there."""
        return self._serving(query) if route.generation is None else self.generations.named(route.generation)

    def serves(self, route: Route, query: SearchQuery) -> bool:
        """Whether a query can be answered by this route now: the generation is there, and its models are.

        A picture was made for the models of one space, and no other space can read it.
        """
        try:
            generation = self.generation(route, query)
            variants = self.spaces.of(generation.space_id).variants
        except TriremeError:
            return False
        same_space = all(picture.space_id == generation.space_id for picture in query.pictures)
        return same_space and route.variant in variants

    def _serving(self, query: SearchQuery) -> Generation:
        return self.generations.current(query.pictures[0].space_id if query.pictures else None)
