"""Index generations: which space, how many shards, in what state (compacted topic `index_generations`).

A generation is the whole index once: its space, number of shards and parameters never change. Another of any of
them is another generation beside it. The rules by which states follow each other are here, as pure functions.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from contracts.codec import Message
from contracts.errors import Conflict, NotFound

GenerationState = Literal["building", "ready", "serving", "retired"]
LIVE_STATES: frozenset[str] = frozenset({"building", "ready", "serving"})

_NEXT: dict[str, frozenset[str]] = {
    "building": frozenset({"ready", "retired"}),
    "ready": frozenset({"serving", "retired"}),
    # Another one was put in its place: it goes on taking updates, so that it can serve again.
    "serving": frozenset({"ready"}),
    "retired": frozenset(),
}


class GenerationParameters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a generation's shards build their index. Grows by fields with defaults: an older record stays readable.

    Args:
        segment_kind: kind of the sealed segments, by the index service's own names; "auto" lets size decide.
    """

    segment_kind: str = "auto"


class Generation(Message, frozen=True, kw_only=True):
    """One generation of the index (key = `name`).

    Args:
        name: part of topic names and object keys: lower-case letters, digits and '-'. Never used twice.
        n_shards: fixed for the generation's life; another number is another generation.
        created_ms: Unix time in ms, and above that of every older generation: it orders them.
        parameters: how its shards build their index.
        source: the generation that it is filled from; None for one that was filled by documents alone.
        turn: 0 until it has served; then the number of the cut-over that last made it serve. Of several in state
            "serving" the highest turn serves, so that one record decides a cut-over.
    """

    name: str
    space_id: str
    n_shards: int
    state: GenerationState
    created_ms: int
    parameters: GenerationParameters = GenerationParameters()
    source: str | None = None
    turn: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it takes updates."""
        return self.state in LIVE_STATES


def generation_name(space_id: str, n_shards: int, taken: Iterable[str] = ()) -> str:
    """Name of a generation for a space and a number of shards; a number follows where that name is taken."""
    plain = f"{space_id[:12]}-{n_shards}"
    used = set(taken)
    if plain not in used:
        return plain
    number = 2
    while f"{plain}-{number}" in used:
        number += 1
    return f"{plain}-{number}"


def oldest_first(generations: Iterable[Generation]) -> list[Generation]:
    """Generations in the order in which they were made. A generation comes after the one it is filled from."""
    return sorted(generations, key=lambda generation: (generation.created_ms, generation.name))


def serving_of(generations: Iterable[Generation]) -> Generation | None:
    """The generation that searches go to: the one that was made to serve last."""
    serving = [generation for generation in generations if generation.state == "serving"]
    return max(serving, key=lambda g: (g.turn, g.created_ms, g.name), default=None)


def planned(
    known: Iterable[Generation],
    *,
    tenant: str,
    space_id: str,
    n_shards: int,
    parameters: GenerationParameters,
    source: str | None,
    now_ms: int,
) -> Generation:
    """A new generation beside those known, in state "building"."""
    others = list(known)
    newest_ms = max((generation.created_ms for generation in others), default=0)
    return Generation(
        tenant=tenant,
        name=generation_name(space_id, n_shards, (generation.name for generation in others)),
        space_id=space_id,
        n_shards=n_shards,
        state="building",
        created_ms=max(now_ms, newest_ms + 1),
        parameters=parameters,
        source=source,
    )


def moved(generation: Generation, state: GenerationState) -> Generation:
    """The generation in its next state; the same where it is in that state already.

    Raises:
        Conflict: that state does not follow the one it is in.
    """
    if generation.state == state:
        return generation
    if state not in _NEXT[generation.state]:
        raise Conflict(f"The generation '{generation.name}' is {generation.state}: it cannot become {state}.")
    return msgspec.structs.replace(generation, state=state)


def cut_over(known: Iterable[Generation], name: str) -> tuple[Generation, ...]:
    """The records that make the generation `name` serve, in the order in which they have to be written.

    After the first one searches go to it; the others only put right what is no longer so, and a writer that dies
    between them has lost nothing. Empty where all is as it should be.

    Raises:
        NotFound: there is no such generation.
        Conflict: it is not ready, or retired.
    """
    generations = {generation.name: generation for generation in known}
    wanted = generations.get(name)
    if wanted is None:
        raise NotFound(f"There is no generation '{name}'.")
    current = serving_of(generations.values())
    records: list[Generation] = []
    if current is None or current.name != name:
        # One that serves has had a turn, though it was announced before turns were written down.
        turn = max(1, *(generation.turn for generation in generations.values())) + 1
        records.append(msgspec.structs.replace(moved(wanted, "serving"), turn=turn))
    records += [
        msgspec.structs.replace(moved(g, "ready"), turn=max(1, g.turn))
        for g in generations.values()
        if g.state == "serving" and g.name != name
    ]
    return tuple(records)


def previous_of(known: Iterable[Generation]) -> Generation | None:
    """The generation to go back to: the one that served before the one that serves now, if it is still kept."""
    served = [generation for generation in known if generation.state == "ready" and generation.turn > 0]
    return max(served, key=lambda g: (g.turn, g.created_ms), default=None)


def retired(known: Iterable[Generation], name: str) -> Generation:
    """The record that ends a generation; the same record again where it was ended before.

    Raises:
        NotFound: there is no such generation.
        Conflict: searches go to it.
    """
    generations = {generation.name: generation for generation in known}
    wanted = generations.get(name)
    if wanted is None:
        raise NotFound(f"There is no generation '{name}'.")
    if wanted.state == "serving":
        current = serving_of(generations.values())
        if current is None or current.name == name:
            raise Conflict(f"Searches go to the generation '{name}': switch to another one first.")
        wanted = moved(wanted, "ready")
    return moved(wanted, "retired")
