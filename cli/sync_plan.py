"""What has to be done so that the documents of a collection are those of a listing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from contracts.api import DocumentView
from contracts.errors import Conflict

# States of documents that are not there, or will not be.
GONE = frozenset({"deleting", "deleted", "expired"})


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Names of files by what has to be done, in order.

    Args:
        add, change: to hand in, or to announce.
        delete: documents whose file is no longer listed, by name.
        unchanged: how many are as they should be.
        refused: files that no door would take, with the reason.
        known: how many documents there are now.
    """

    add: list[str] = field(default_factory=list)
    change: list[str] = field(default_factory=list)
    delete: dict[str, DocumentView] = field(default_factory=dict)
    unchanged: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    known: int = 0

    def require_modest(self, max_share: float) -> None:
        """Refuse to delete a large part of what there is: more often than not the listing is at fault.

        Raises:
            Conflict: more than this share would go.
        """
        if self.known and len(self.delete) > max_share * self.known:
            raise Conflict(
                f"{len(self.delete)} of {self.known} documents would be deleted, more than {max_share:.0%} of "
                "them. Nothing was done. If that is meant, say --yes."
            )


def make_plan(
    verdicts: Mapping[str, bool | str], views: Iterable[DocumentView], *, is_gone: frozenset[str] = GONE
) -> SyncPlan:
    """Compare a listing with the documents.

    Args:
        verdicts: of each listed name: True where its document is as it should be, False where it has to be handed
            in, a sentence where it is refused.
        views: all documents that the listing could name.
    """
    known = {view.source: view for view in views if view.source is not None and view.state not in is_gone}
    wanted = [name for name in sorted(verdicts) if verdicts[name] is False]
    return SyncPlan(
        add=[name for name in wanted if name not in known],
        change=[name for name in wanted if name in known],
        delete={name: known[name] for name in sorted(known.keys() - verdicts.keys())},
        unchanged=sum(verdict is True for verdict in verdicts.values()),
        refused={name: verdict for name, verdict in sorted(verdicts.items()) if isinstance(verdict, str)},
        known=len(known),
    )
