"""Takes feedback on responses, each once."""

from dataclasses import dataclass

from contracts.errors import Conflict, InvalidInput, TriremeError
from contracts.experiment_events import ExperimentEvent, FeedbackKind, Outcome
from contracts.ids import DEFAULT_TENANT
from gateway.core.clock import Clock
from gateway.core.impressions import Impression, ImpressionMember, ImpressionSigner
from gateway.flows.experiment_ports import ExperimentEvents, ExperimentMeter, OneUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody says about a response.

    Args:
        rank: of the hit that a click was on, from 1.
    """

    impression_id: str
    kind: FeedbackKind
    positive: bool
    rank: int | None


@dataclass(frozen=True, slots=True)
class Feedback:
    """Checks feedback and hands it to the experiments that the response took part in."""

    signer: ImpressionSigner
    once: OneUse
    events: ExperimentEvents
    meter: ExperimentMeter
    clock: Clock

    async def take(self, tenant: str, said: Said) -> int:
        """Take feedback in; returns for how many experiments it counts.

        An impression id can be used once for each kind, and once for a click on each hit.

        Raises:
            InvalidInput: not an id of ours, or a rank that the response does not have.
            Conflict: too late, or said before. DependencyDown: whether it was said before cannot be known now.
        """
        try:
            impression = self._impression(tenant, said)
            place = f"{said.kind}:{said.rank or 0}" if said.kind == "click" else said.kind
            key = f"feedback:{tenant}:{impression.nonce}:{place}"
            if not await self.once.use(key, ttl_s=self.signer.ttl_s):
                raise Conflict("This was said about the response before.", param="impression_id")
        except Conflict:
            self.meter.feedback(said.kind, "repeated")
            raise
        except TriremeError:
            self.meter.feedback(said.kind, "refused")
            raise
        for member in impression.members:
            self.events.tell(self._event(impression, member, said))
        self.meter.feedback(said.kind, "taken")
        return len(impression.members)

    def _impression(self, tenant: str, said: Said) -> Impression:
        impression = self.signer.read(said.impression_id, self.clock.unix_s())
        if impression.tenant != tenant:
            raise InvalidInput("This impression id was given to another tenant.", param="impression_id")
        if said.kind == "click":
            if said.rank is None or not 1 <= said.rank <= impression.n_hits:
                raise InvalidInput("A click names the rank of the hit that it was on, from 1.", param="rank")
            if not said.positive:
                raise InvalidInput("A click is never negative.", param="positive")
        return impression

    def _event(self, impression: Impression, member: ImpressionMember, said: Said) -> ExperimentEvent:
        clicked = said.rank is not None and said.kind == "click" and member.teams is not None
        return ExperimentEvent(
            tenant=DEFAULT_TENANT,
            experiment=member.experiment,
            run=member.run,
            unit=member.unit,
            at_ms=self.clock.unix_ms(),
            what=Outcome(
                impression=impression.nonce,
                kind=said.kind,
                positive=said.positive,
                team=member.teams[said.rank - 1] if clicked and member.teams and said.rank else None,
            ),
        )
