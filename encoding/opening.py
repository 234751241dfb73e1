"""Opens the encoder of a process: pictures and CLIP's text by Triton, the text half by whom the space names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.errors import ConfigurationError, TriremeError
from encoding.batches import Inference
from encoding.embeddings_api import ApiModel, EmbeddingsApi
from encoding.encoder import Encoder
from encoding.encoders import Encoders
from encoding.manifests import TEXT_API, TextApiManifest, load_space, read_manifest
from encoding.text_api import ApiTextEncoder
from runtime.settings import ProcessSettings
from runtime.telemetry import get_logger

_log = get_logger(__name__)

# A process need not wait for the API to be up; one that answers at once is checked at once.
_FIRST_CHECK_S = 3.0


@asynccontextmanager
async def open_encoder(inference: Inference, settings: ProcessSettings) -> AsyncIterator[Encoder]:
    """The encoder of the space that `settings.model_repository` describes, for as long as the block lasts.

    Raises:
        ConfigurationError: models are not exported, a URL is missing, or is given where none is needed; or the
            embeddings API answers already, with other vectors than the space's.
    """
    repository = settings.model_repository
    space = load_space(repository)
    if not space.text_by_api:
        if settings.text_api_url:
            raise ConfigurationError(
                "TRIREME_TEXT_API_URL is set, but Triton serves the text half of this joint space: remove it, "
                "or make a space with `trireme export text-api`."
            )
        yield Encoder(inference, repository)
        return
    if not settings.text_api_url:
        raise ConfigurationError(
            f"The text half of this joint space comes from '{space.encoders['text']}': set TRIREME_TEXT_API_URL."
        )
    manifest = read_manifest(repository, TEXT_API, TextApiManifest)
    model = ApiModel(manifest.api_model, manifest.dimensions, manifest.encoding, settings.text_api_batch)
    api = EmbeddingsApi(settings.text_api_url, settings.text_api_key, model, in_flight=settings.text_api_in_flight)
    text = ApiTextEncoder(api, manifest, repository / TEXT_API, space)
    try:
        await _check(text)
        yield Encoder(inference, repository, text)
    finally:
        await text.close()


@asynccontextmanager
async def open_encoders(inference: Inference, settings: ProcessSettings) -> AsyncIterator[Encoders]:
    """The encoders of every space in the repository; that of the first is open. Raises as `open_encoder`."""
    async with open_encoder(inference, settings) as first:
        yield Encoders(inference, settings.model_repository, first)


async def _check(text: ApiTextEncoder) -> None:
    try:
        await text.check(_FIRST_CHECK_S)
    except ConfigurationError:
        raise
    except TriremeError as exc:
        _log.warning("text_api_not_checked", reason=exc.message)
