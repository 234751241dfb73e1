"""Headers that experiments read and write."""

from collections.abc import Mapping, Sequence

from contracts.errors import InvalidInput
from contracts.experiments_view import ExperimentPart
from gateway.core.query import Caller

EXPERIMENT_HEADER = "X-Experiment"
USER_HEADER = "X-User-Id"
SESSION_HEADER = "X-Session-Id"
_LONGEST_ID = 200
_MOST_FORCED = 8


def caller_from(headers: Mapping[str, str]) -> Caller:
    """Who asks, as far as the headers tell, and which variants they ask for.

    Raises:
        InvalidInput: an id that is too long, or an X-Experiment that is not `name=variant, name=variant`.
    """
    user, session = headers.get(USER_HEADER), headers.get(SESSION_HEADER)
    if any(len(value) > _LONGEST_ID for value in (user, session) if value):
        raise InvalidInput(f"{USER_HEADER} and {SESSION_HEADER} have at most {_LONGEST_ID} characters.")
    return Caller(user=user or None, session=session or None, forced=_forced(headers.get(EXPERIMENT_HEADER, "")))


def told(parts: Sequence[ExperimentPart]) -> str:
    """The variants that answered, as the header shows them."""
    return ", ".join(f"{part.experiment}={part.variant}" for part in parts)


def _forced(header: str) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for part in header.split(",") if header.strip() else ():
        name, sign, variant = (piece.strip() for piece in part.partition("="))
        if not name or not sign or not variant or len(wanted) == _MOST_FORCED:
            raise InvalidInput(f"{EXPERIMENT_HEADER} is written 'experiment=variant', with commas between.")
        wanted[name] = variant
    return wanted
