"""Which variant of which running experiment a request gets: a few hashes, nothing else. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from contracts.errors import InvalidInput
from contracts.experiments import Experiment, Unit
from gateway.core.policy import HIGH_VALUE
from gateway.core.query import SearchQuery
from gateway.core.route import Route

_SPAN = 2.0**64


@dataclass(frozen=True, slots=True)
class Member:
    """A request's part in one experiment.

    Args:
        variant: index of its variant; of an interleaved list, and of a shadow, 0.
        unit: hash of the unit's id.
        forced: the caller chose the variant, so that the request says nothing about it.
    """

    experiment: Experiment
    variant: int
    unit: str
    forced: bool = False

    @property
    def variant_name(self) -> str:
        """What is shown: the variant's name, and for an interleaved list both."""
        if self.experiment.kind == "interleave" and not self.forced:
            return "+".join(variant.name for variant in self.experiment.variants)
        return self.experiment.variants[self.variant].name


def members(experiments: Iterable[Experiment], query: SearchQuery, route: Route, request_id: str) -> list[Member]:
    """The experiments that a request takes part in.

    Args:
        experiments: running ones, and drafts, which only a caller who asks for them gets.
        request_id: the unit of experiments that divide requests.

    Raises:
        InvalidInput: the caller asks for a variant that does not exist.
    """
    forced = dict(query.caller.forced)
    found: list[Member] = []
    claimed: set[str] = set()
    for experiment in sorted(experiments, key=lambda one: (one.started_ms or 0, one.name)):
        wanted = forced.pop(experiment.name, None)
        member = (
            _forced(experiment, wanted) if wanted is not None else _assigned(experiment, query, route, request_id)
        )
        # Two gateways may have started two at the same moment that change the same: the earlier one counts.
        if member is None or claimed & experiment.claims:
            continue
        claimed |= experiment.claims
        found.append(member)
    if forced:
        raise InvalidInput("The header X-Experiment names an experiment that neither runs nor is a draft.")
    return found


def assigned_variant(experiment: Experiment, unit_id: str) -> int:
    """Index of a unit's variant: the same for the same id as long as weights stay as they are.

    Weighted rendezvous hashing (Thaler and Ravishankar, 1998; with weights as in Schindelhauer and Schomaker,
    "Weighted distributed hash tables", SPAA 2005): every variant draws a number for the unit, and the highest one
    wins. When weights change, a unit only ever moves to a variant that gained.
    """
    best, chosen = float("-inf"), 0
    for index, variant in enumerate(experiment.variants):
        if variant.weight > 0:
            draw = log(_draw(f"{experiment.salt}\0{variant.name}\0{unit_id}")) / variant.weight
            if draw > best:
                best, chosen = draw, index
    return chosen


def unit_hash(experiment: Experiment, unit_id: str) -> str:
    """What stands for a unit in events: tells nothing about it, and differs from experiment to experiment."""
    return hashlib.blake2b(f"{experiment.salt}\0unit\0{unit_id}".encode(), digest_size=8).hexdigest()


def _assigned(experiment: Experiment, query: SearchQuery, route: Route, request_id: str) -> Member | None:
    if experiment.state != "running" or not _concerns(experiment, query, route):
        return None
    unit_id = _unit_id(experiment.unit, query, request_id)
    if unit_id is None:
        return None
    if experiment.traffic < 1 and _draw(f"{experiment.salt}\0traffic\0{unit_id}") > experiment.traffic:
        return None
    variant = assigned_variant(experiment, unit_id) if experiment.kind == "split" else 0
    return Member(experiment, variant, unit_hash(experiment, unit_id))


def _forced(experiment: Experiment, wanted: str) -> Member:
    for index, variant in enumerate(experiment.variants):
        if variant.name == wanted:
            return Member(experiment, index, "", forced=True)
    raise InvalidInput(f"The experiment '{experiment.name}' has no variant of the name in X-Experiment.")


def _concerns(experiment: Experiment, query: SearchQuery, route: Route) -> bool:
    """Whether the variants could answer this request in different ways. Depends on no variant."""
    if experiment.audience != "all" and (query.tier == HIGH_VALUE) != (experiment.audience == HIGH_VALUE):
        return False
    changed = frozenset[str]().union(*(variant.changes.names for variant in experiment.variants))
    # While load is shed the cheaper models answer everyone.
    if ("weights" in changed and query.own_weights) or ("encoder" in changed and route.shed):
        return False
    return changed != {"encoder"} or (bool(query.pictures) and query.weights.image_image != 0)


def _unit_id(unit: Unit, query: SearchQuery, request_id: str) -> str | None:
    if unit == "user":
        return query.caller.user
    return query.caller.session if unit == "session" else request_id


def _draw(text: str) -> float:
    """A number above 0 and below 1 that depends on the text alone."""
    return (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") + 0.5) / (_SPAN + 1)
