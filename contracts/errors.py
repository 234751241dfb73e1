"""The one error tree of Trireme. It knows nothing of HTTP; `gateway/routes/problems.py` maps it once.

TriremeError
├── InvalidInput            the caller's request cannot be carried out as written
│   ├── PayloadTooLarge         more bytes, pixels or tokens than the limit
│   ├── UnsupportedMedia        a kind of file that Trireme does not read
│   ├── NotFound                no such document, model or experiment
│   └── Conflict                the request contradicts the present state
├── Unauthenticated         no key, or one that is not known
├── Forbidden               the key is for something else
├── Overloaded              a bounded queue is full: try again after `retry_after_s`
├── DeadlineExceeded        the time budget ran out
├── DependencyDown          Kafka, Triton, Redis or the object store cannot be reached
├── DependencyFailed        a dependency answered, but with an error
│   └── RequestRefused          it says that what it was asked for cannot be
├── DocumentFailed          the document's own fault: no retry will help; ends as a dead letter
├── Superseded              a newer version of the object exists; this work is void, nothing is wrong
├── BadMessage              a record that does not follow its contract
├── SpaceMismatch           vectors of two different embedding spaces met
└── ConfigurationError      settings or files that a process cannot start with

Every message is a sentence that a person outside the project understands, and is safe to show to a
caller: it holds no secrets, no paths and no library's own wording.
"""


class TriremeError(Exception):
    """Base of all errors that Trireme raises on purpose."""

    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(TriremeError):
    """The request is understood but cannot be carried out as written.

    Args:
        message: a sentence for the caller.
        param: name of the field that is at fault, where it is one.
    """

    code = "invalid_input"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PayloadTooLarge(InvalidInput):
    """More bytes, pixels or tokens than the limit allows."""

    code = "payload_too_large"


class UnsupportedMedia(InvalidInput):
    """A kind of file that Trireme does not read."""

    code = "unsupported_media"


class NotFound(InvalidInput):
    """No such document, model or object."""

    code = "not_found"


class Conflict(InvalidInput):
    """The request contradicts the present state."""

    code = "conflict"


class Unauthenticated(TriremeError):
    """The request needs a key, and brought none that is known."""

    code = "api_key_missing"


class Forbidden(TriremeError):
    """Who asks is known, and may not have this."""

    code = "forbidden"


class Overloaded(TriremeError):
    """A bounded queue is full.

    Args:
        message: a sentence for the caller.
        retry_after_s: seconds after which another try is sensible.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(TriremeError):
    """The request's time budget ran out before an answer was there."""

    code = "deadline_exceeded"


class DependencyDown(TriremeError):
    """A service that is needed cannot be reached. Passing: work is retried.

    Args:
        dependency: its short name, such as "kafka", "triton", "redis", "object_store".
        message: a sentence for the caller; made from the name when absent.
    """

    code = "dependency_down"

    def __init__(self, dependency: str, message: str | None = None, *, retry_after_s: float = 2.0) -> None:
        super().__init__(message or f"The service '{dependency}' cannot be reached at the moment.")
        self.dependency = dependency
        self.retry_after_s = retry_after_s


class DependencyFailed(TriremeError):
    """A service answered with an error that is not the caller's fault."""

    code = "dependency_failed"

    def __init__(self, dependency: str, message: str | None = None) -> None:
        super().__init__(message or f"The service '{dependency}' answered with an error.")
        self.dependency = dependency


class RequestRefused(DependencyFailed):
    """A service refused what it was asked for; asking again would not help.

    Args:
        reason: in the service's own words, which are not for callers.
    """

    def __init__(self, dependency: str, reason: str, message: str | None = None) -> None:
        super().__init__(dependency, message)
        self.reason = reason


class DocumentFailed(TriremeError):
    """The document itself cannot be processed; trying again would fail again.

    Args:
        cause: a short stable code, such as "corrupt", "encrypted", "too_many_pixels", "empty".
        message: the reason as a sentence for the document's owner.
    """

    code = "document_failed"

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class Superseded(TriremeError):
    """The object was replaced after the event; the newer event will do the work."""

    code = "superseded"


class BadMessage(TriremeError):
    """A record or file does not follow its contract (schema, hash, size, values)."""

    code = "bad_message"


class SpaceMismatch(TriremeError):
    """A vector, query or index names another embedding space than expected."""

    code = "space_mismatch"


class ConfigurationError(TriremeError):
    """A process cannot start with the settings or files that it was given."""

    code = "configuration"
