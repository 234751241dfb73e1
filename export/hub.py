"""Downloads a checkpoint from the Hugging Face hub, once: huggingface_hub's cache keeps it. No PyTorch.

HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE are read by huggingface_hub itself. Its own wording is never
handed on: it may quote addresses that are signed.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from httpx2 import Client, HTTPError, Request, Timeout
from huggingface_hub import HfApi, RepoFile, get_cached_repo_tree, set_client_factory, snapshot_download
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._http import default_client_factory

from contracts.errors import ConfigurationError, DependencyDown, DependencyFailed, NotFound, TriremeError
from export.checkpoint_files import WEIGHT_FILES, wanted_files
from export.request import Progress, quiet
from export.text_encoder.checkpoint import CheckpointError

ANSWER_TIMEOUT_S = 30.0
"""For each part of an answer; a download that moves has no limit as a whole."""

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TOKEN = "put a token of an account that may read it into HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Download:
    """A repository's files on this machine.

    Args:
        commit: the commit that they are of, whatever branch or tag was asked for.
    """

    folder: Path
    commit: str


def download(
    hub_id: str,
    revision: str | None = None,
    *,
    endpoint: str | None = None,
    cache: Path | None = None,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    progress: Progress = quiet,
) -> Download:
    """Fetch what an export reads of a repository, see `wanted_files`; without a hub, what was fetched before.

    Args:
        revision: branch, tag or commit; the main branch when absent.
        endpoint, cache: of the hub and of its files here; huggingface_hub's own where absent.

    Raises:
        NotFound: no such repository or revision, or it is private.
        ConfigurationError: it is gated, or the token is not accepted.
        CheckpointError: it has no weights of a known format.
        DependencyDown: the hub cannot be reached. DependencyFailed: it answers with an error, or the disk is full.
    """
    hub_logging.set_verbosity(logging.ERROR)
    set_client_factory(partial(_client, answer_timeout_s))
    with told_hub_errors(hub_id, revision):
        api = HfApi(endpoint=endpoint)
        at = api.resolve_revision(hub_id, revision=revision, cache_dir=cache)
        sizes = _listing(api, hub_id, at.resolved, cache)
        files = wanted_files(sizes)
        if not files:
            raise CheckpointError(f"'{hub_id}' has no weights on the hub: none of {', '.join(WEIGHT_FILES)}.")
        size = sum(sizes[name] for name in files) / 1e6
        progress(f"Fetching {hub_id} at {at.resolved[:12]}: {len(files)} files, {size:,.1f} MB")
        found = snapshot_download(hub_id, revision=at, allow_patterns=files, endpoint=endpoint, cache_dir=cache)
    return Download(Path(found), at.resolved)


def _client(timeout_s: float) -> Client:
    """huggingface_hub's own client, which waits for ever, with a deadline for requests that name none."""

    def limit(request: Request) -> None:
        times = request.extensions.get("timeout") or {}
        if all(each is None for each in times.values()):
            request.extensions["timeout"] = Timeout(timeout_s).as_dict()

    client: Client = default_client_factory()
    client.event_hooks = {**client.event_hooks, "request": [*client.event_hooks["request"], limit]}
    return client


@contextmanager
def told_hub_errors(hub_id: str, revision: str | None) -> Iterator[None]:
    """Turns what huggingface_hub raises into errors of ours, from the most to the least specific."""
    try:
        yield
    except TriremeError:
        raise
    except HFValidationError as exc:
        raise NotFound(f"'{hub_id}' is neither a folder nor a hub id (owner/name).") from exc
    except GatedRepoError as exc:
        raise ConfigurationError(
            f"'{hub_id}' is gated: accept its terms on its page on the hub, then {_TOKEN}."
        ) from exc
    except RepositoryNotFoundError as exc:
        raise NotFound(
            f"There is no folder '{hub_id}', and the hub has no model of that name; if it is private, {_TOKEN}."
        ) from exc
    except RevisionNotFoundError as exc:
        raise NotFound(f"'{hub_id}' has no revision '{revision}' on the hub.") from exc
    except DisabledRepoError as exc:
        raise NotFound(f"The hub has disabled '{hub_id}'.") from exc
    except RevisionResolutionError as exc:
        if isinstance(exc.__cause__, HfHubHTTPError):
            raise _refusal(hub_id, exc.__cause__.response.status_code) from exc
        raise _unreachable(hub_id) from exc
    except HfHubHTTPError as exc:
        raise _refusal(hub_id, exc.response.status_code) from exc
    except (HTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError) as exc:
        raise _unreachable(hub_id) from exc
    except OSError as exc:
        if exc.errno in _DISK_FULL:
            raise DependencyFailed("disk", f"'{hub_id}' could not be stored: {exc.strerror}.") from exc
        raise DependencyFailed("hub", f"'{hub_id}' could not be downloaded whole.") from exc


def _unreachable(hub_id: str) -> TriremeError:
    return DependencyDown(
        "hub", f"'{hub_id}' is no folder here, and the hub cannot be reached, or breaks off before all has come."
    )


def _refusal(hub_id: str, status: int) -> TriremeError:
    if status in (401, 403):
        return ConfigurationError(f"The hub does not let this account read '{hub_id}': {_TOKEN}.")
    return DependencyFailed("hub", f"The hub answered with an error ({status}) when asked for '{hub_id}'.")


def _listing(api: HfApi, hub_id: str, commit: str, cache: Path | None) -> dict[str, int]:
    """Sizes of all files of a commit by name. A commit never changes: one that is known is not asked for."""
    try:
        found = get_cached_repo_tree(hub_id, revision=commit, cache_dir=cache)
    except CachedRepoTreeNotFoundError:
        every = api.list_repo_tree(hub_id, revision=commit, recursive=True)
        found = [each for each in every if isinstance(each, RepoFile)]
    return {each.path: each.size for each in found}
