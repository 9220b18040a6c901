"""How a command ends: exit codes for scripts, and errors as one message instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dagster_hevo.api.enums import JobCompletionStatus
    from dagster_hevo.api.errors import HevoError


class ExitCode(IntEnum):
    """What a command's end means to a script; documented in docs/cli.md."""

    OK = 0
    WRONG = 1
    USAGE = 2
    KEYS = 3
    NOT_FOUND = 4
    UNREACHABLE = 5
    BUSY = 6
    INTERRUPTED = 130


class CommandError(click.ClickException):
    """An end that is told in one message on stderr.

    Args:
        message: What is wrong and what to do.
        exit_code: What it means to a script.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.WRONG) -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)  # pyright: ignore[reportAttributeAccessIssue] (click reads it from the exception)

    def format_message(self) -> str:
        from dagster_hevo.api.foreign_text import escaped_lines

        return escaped_lines(self.message)


class HevoCommand(click.Command):
    """A command that talks to Hevo: its errors are messages, its log goes to stderr."""

    def invoke(self, ctx: click.Context) -> Any:
        from dagster_hevo.api.errors import HevoError

        with log_on_stderr():
            try:
                return super().invoke(ctx)
            except HevoError as error:
                raise CommandError(str(error), exit_code_of(error)) from error
            except KeyboardInterrupt:
                # Click would end with code 1, as if something were wrong.
                raise CommandError("interrupted.", ExitCode.INTERRUPTED) from None


def exit_code_of(error: HevoError) -> ExitCode:
    """What an error means to a script."""
    from dagster_hevo.api import errors
    from dagster_hevo.object_choice import ObjectChoiceError

    meanings: tuple[tuple[tuple[type[HevoError], ...], ExitCode], ...] = (
        ((errors.HevoAuthenticationError, errors.HevoPermissionError), ExitCode.KEYS),
        ((errors.HevoNotFoundError, ObjectChoiceError), ExitCode.NOT_FOUND),
        ((errors.HevoConfigurationError,), ExitCode.USAGE),
        (
            (
                errors.HevoConflictError,
                errors.HevoRateLimitError,
                errors.HevoPipelineBusyError,
                errors.HevoJobTimeoutError,
                errors.HevoJobNotFoundError,
            ),
            ExitCode.BUSY,
        ),
        (
            (
                errors.HevoConnectionError,
                errors.HevoOutageError,
                errors.HevoResponseError,
                errors.HevoServerError,
            ),
            ExitCode.UNREACHABLE,
        ),
    )
    for kinds, code in meanings:
        if isinstance(error, kinds):
            return code
    if isinstance(error, errors.HevoPipelineStateError) and error.can_retry:
        return ExitCode.BUSY
    return ExitCode.WRONG


def exit_code_of_job(completion: JobCompletionStatus, *, strict: bool = False) -> ExitCode:
    """What a job's end means to a script.

    Args:
        completion: How the job ended.
        strict: Whether a job that completed with failures counts as failed.
    """
    from dagster_hevo.api.enums import JobCompletionStatus

    if completion is JobCompletionStatus.COMPLETED_WITH_FAILURES and strict:
        return ExitCode.WRONG
    return ExitCode.OK if completion.has_loaded else ExitCode.WRONG


@contextmanager
def log_on_stderr() -> Generator[None]:
    """Show what the package tells, such as a long wait for the request budget, on stderr."""
    log = logging.getLogger("dagster_hevo")
    handler = _OnStderr()
    before, log.level, log.propagate = (log.level, log.propagate), logging.INFO, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before


class _OnStderr(logging.Handler):
    """Writes to the stderr of the moment, so that a progress bar can stand aside."""

    def emit(self, record: logging.LogRecord) -> None:
        from dagster_hevo.api.foreign_text import escaped

        click.echo(escaped(record.getMessage()), err=True)
