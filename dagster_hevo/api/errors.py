"""What can go wrong between us and Hevo, each with what was requested, what came back, what to do.

Raised by the client (`client.py`) and by the life of a job (`dagster_hevo.jobs`). How a request
fails is decided in `transport.py`; nothing here sends anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_hevo.api.models import Job

REGIONS = ("us", "us2", "eu", "in", "asia", "au", "us-gcp")


class HevoError(Exception):
    """Anything that this package raises about Hevo.

    Attributes:
        can_retry: Whether the same call may succeed later without anybody changing anything.
    """

    can_retry: bool = False


class HevoConfigurationError(HevoError):
    """A setting or argument that cannot work, found before anything was sent."""


class HevoConnectionError(HevoError):
    """No answer came: the name did not resolve, the connection failed or broke, or time ran out.

    Attributes:
        method: The HTTP method of the request.
        path: The path of the request.
        was_sent: Whether the request may have reached Hevo, and so may have taken effect.
    """

    can_retry = True

    def __init__(self, method: str, path: str, message: str, *, was_sent: bool) -> None:
        super().__init__(f"{method} {path}: {message}")
        self.method = method
        self.path = path
        self.was_sent = was_sent


class HevoResponseError(HevoError):
    """An answer came that this endpoint does not give: not JSON, of another shape, or too long.

    A redirect that is not followed counts, and so does a list without an end.

    Attributes:
        method: The HTTP method of the request.
        path: The path of the request.
    """

    def __init__(self, method: str, path: str, message: str) -> None:
        super().__init__(f"{method} {path}: {message}")
        self.method = method
        self.path = path


class HevoGarbledResponseError(HevoResponseError):
    """The body was not JSON: cut short on its way, or written by somebody in between."""

    can_retry = True


class HevoApiError(HevoError):
    """Hevo answered with an HTTP error.

    Attributes:
        status_code: The HTTP status code.
        method: The HTTP method of the request.
        path: The path of the request.
        message: What Hevo said, at most 500 characters.
        retry_after: Seconds to wait before the next request, as Hevo's answer says, or None.
        was_json: Whether the body was a JSON object. Then Hevo's own logic answered; otherwise it
            may have been a gateway before it.
    """

    advice = "Check the request against the pipeline's state in Hevo."

    def __init__(
        self,
        status_code: int,
        method: str,
        path: str,
        message: str,
        *,
        retry_after: float | None = None,
        was_json: bool = False,
    ) -> None:
        said = message or "no message"
        stop = "" if said.endswith((".", "!", "?")) else "."
        super().__init__(
            f"{method} {path}: Hevo answered {status_code}: {said}{stop} What to do: {self.advice}"
        )
        self.status_code = status_code
        self.method = method
        self.path = path
        self.message = message
        self.retry_after = retry_after
        self.was_json = was_json


class HevoAuthenticationError(HevoApiError):
    """401: the keys are wrong."""

    advice = (
        "check api_key and api_secret (environment variables HEVO_API_KEY and HEVO_API_SECRET), "
        "and that they were made in the account of this region."
    )


class HevoPermissionError(HevoApiError):
    """403: the keys may not do this; typically they were made by a member, not an owner."""

    advice = (
        "make the API keys with an owner account; a member's keys are not permitted to do this."
    )


class HevoNotFoundError(HevoApiError):
    """404: no such pipeline, job or object in this account and region."""

    advice = "check the id, the region and the account that the keys belong to."


class HevoConflictError(HevoApiError):
    """A job is in progress, so Hevo refuses another one; under whatever status code it comes."""

    can_retry = True
    advice = "wait until the running job ends, or cancel it; if_job_running decides this in a run."


class HevoRateLimitError(HevoApiError):
    """429: the user's 100 requests per minute are used up."""

    can_retry = True
    advice = (
        "wait a minute; other tools that use the same keys share the budget, so lower "
        "requests_per_minute here or make keys of a user of their own for them."
    )


class HevoServerError(HevoApiError):
    """5xx: Hevo, or a proxy before it, failed."""

    can_retry = True
    advice = "try again in a few minutes; if it stays, look at Hevo's status page."


class HevoJobError(HevoError):
    """A job that did not end well.

    Attributes:
        job: The job as last seen, or None if none was ever seen.
    """

    def __init__(
        self, message: str, job: Job | None = None, *, can_retry: bool | None = None
    ) -> None:
        super().__init__(message)
        self.job = job
        if can_retry is not None:
            self.can_retry = can_retry


class HevoPipelineBusyError(HevoError):
    """A foreign job is running, and the run was told to fail then."""

    can_retry = True


class HevoJobFailedError(HevoJobError):
    """The job ended FAILED, CANCELLED, SKIPPED or DEFERRED_WITH_FAILURES."""

    can_retry = True


class HevoJobTimeoutError(HevoJobError):
    """The job was still going on when ``poll_timeout`` ran out."""

    can_retry = True


class HevoJobNotFoundError(HevoJobError):
    """No job came of a trigger that Hevo accepted, or a job that was there vanished."""

    can_retry = True


class HevoPipelineStateError(HevoError):
    """The pipeline is in a state in which Hevo starts no job.

    Attributes:
        status: The pipeline's status.
    """

    def __init__(self, message: str, status: str, *, can_retry: bool) -> None:
        super().__init__(message)
        self.status = status
        self.can_retry = can_retry


class HevoOutageError(HevoError):
    """Hevo's API gave no usable answer for so long that waiting on makes no sense."""

    can_retry = True


class HevoRequestTakenOverError(HevoError):
    """Another run carries this request on: Dagster said that this one was gone."""

    can_retry = False
