"""The shared request budget: Hevo gives a user so many requests a minute, over all processes.

Waiting, and what the client and the watchers of jobs call, live here. Who goes first is decided in
`budget_board.py`; where the budget is kept is in `budget_stores.py` and `budget_servers.py`.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dagster_hevo.api.budget_board import (
    LONGEST_NAP_MS,
    LONGEST_PAUSE_MS,
    TICKET_GRACE_MS,
    WATCHER_LIFETIME_MS,
    BudgetRules,
    Ticket,
)
from dagster_hevo.api.budget_choice import in_process_store, store_for
from dagster_hevo.api.budget_stores import (
    BudgetStore,
    Session,
    StoreUnavailable,
    hash_of_key,
)
from dagster_hevo.api.confidential import Hidden
from dagster_hevo.api.errors import HevoConfigurationError

if TYPE_CHECKING:
    from logging import Logger

_Answer = TypeVar("_Answer")

SECONDS_UNTIL_LOGGED = 5.0
SECONDS_UNTIL_STORE_IS_TRIED_AGAIN = 300.0
SHORTEST_NAP_SECONDS = 0.005
_CLOCK_WAS_SET_BACK = -1


class Asker(NamedTuple):
    """A request that wants to be sent.

    Attributes:
        id: Tells it from all others, in all processes.
        urgent: Whether it goes before others: a trigger or a cancel.
        queues: Whether it takes a place in the queue if it cannot be sent at once.
    """

    id: str
    urgent: bool = False
    queues: bool = True


class RequestBudget:
    """At most so many requests in any window, over all that share the store.

    Made by `open_budget`. Threads share one; a forked child may go on using it.

    Args:
        store: Where the budget is kept.
        in_process: Takes over while the store is out of order.
        rules: How many requests in how long.
        name: What log lines call it; it must not tell the key.
        clock: The time in epoch seconds.
        sleep: Waits for a number of seconds.
        log: Where a long wait or a broken store is reported.
    """

    def __init__(
        self,
        store: BudgetStore,
        in_process: BudgetStore,
        *,
        rules: BudgetRules,
        name: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        log: Logger,
    ) -> None:
        self._store = store
        self._in_process = in_process
        self._rules = rules
        self._name = name
        self._clock = clock
        self._sleep = sleep
        self._log = log
        self._store_tried_again_at: float | None = None
        self._has_warned = False
        self._tidied_at = 0.0

    def acquire(self, urgent: bool = False, timeout: float | None = None) -> bool:
        """Wait until one request may be sent. It must then be sent at once.

        Args:
            urgent: Whether to go before requests that are not.
            timeout: The longest wait in seconds; 0 does not wait; None waits for as long as it
                takes.

        Returns:
            Whether the request may be sent; False only if ``timeout`` ran out.
        """
        if not self._rules.limit:
            return True
        asker_id = os.urandom(6).hex()
        left = sys.float_info.max if timeout is None else max(0.0, timeout)
        waited = 0.0
        has_logged = has_ticket = False
        try:
            while True:
                asker = Asker(asker_id, urgent, queues=left > 0)
                wait = self.attempt(asker)
                if wait <= 0:
                    has_ticket = False
                    return True
                has_ticket = has_ticket or asker.queues
                if left <= 0:
                    return False
                nap = min(max(wait, SHORTEST_NAP_SECONDS), LONGEST_NAP_MS / 1000, left)
                if not has_logged and waited + nap >= SECONDS_UNTIL_LOGGED:
                    has_logged = True
                    before = max(0.0, SECONDS_UNTIL_LOGGED - waited)
                    self._sleep(before)
                    self._log_wait(waited + before, wait - before)
                    self._sleep(nap - before)
                else:
                    self._sleep(nap)
                waited += nap
                left -= nap
        finally:
            if has_ticket:
                self._withdraw(asker_id)

    def attempt(self, asker: Asker) -> float:
        """Ask once and do not wait, for callers that do their own waiting.

        Args:
            asker: The request; the same one at each attempt, so that it keeps its place.

        Returns:
            0 if it may be sent now, else the seconds until another try is worth it. Its place is
            kept for 20 seconds, so it should ask at least every 15.
        """
        if not self._rules.limit:
            return 0.0

        wait = self._in_session(lambda session: self._ask(session, asker))
        if wait == _CLOCK_WAS_SET_BACK:
            wait = max(0, self._in_session(lambda session: self._ask(session, asker)))
        if wait == 0:
            if self._store is not self._in_process and self._store_tried_again_at is None:
                # So that what this process sent still counts if the store fails later.
                with self._in_process.session(self._rules) as session:
                    session.send(self._rules.limit, self._rules.interval_ms)
            self._forget_old_requests()
        return wait / 1000

    def exhaust(self, retry_after: float) -> None:
        """Let nobody send for a while: Hevo answered 429, so other tools used the budget.

        Args:
            retry_after: Seconds; more than an hour counts as an hour.
        """
        if not self._rules.limit:
            return
        pause = min(int(retry_after * 1000), LONGEST_PAUSE_MS)

        def pause_all(session: Session) -> None:
            session.post(session.board.paused(session.now + pause))

        if pause > 0:
            self._in_session(pause_all)

    def remaining(self) -> int:
        """How many requests could be sent now; without a limit, a very large number."""
        if not self._rules.limit:
            return sys.maxsize

        def count(session: Session) -> int:
            if session.board.paused_until or session.board.unsure_until:
                return 0
            return max(0, self._rules.limit - session.sent_within(self._rules.interval_ms))

        return self._in_session(count)

    def register_watcher(self, id: str) -> None:
        """Say that this job is being watched; to be repeated at least every five minutes.

        Args:
            id: Tells the job from all others that share the budget.
        """

        def register(session: Session) -> None:
            session.post(session.board.with_watcher(id, session.now + WATCHER_LIFETIME_MS))

        self._in_session(register)

    def forget_watcher(self, id: str) -> None:
        """Say that this job is no longer being watched; one that is not known does no harm."""

        def forget(session: Session) -> None:
            if id in session.board.watchers:
                session.post(session.board.without_watcher(id))

        self._in_session(forget)

    def watchers(self) -> int:
        """How many jobs all processes together are watching on this budget now."""

        def count(session: Session) -> int:
            return len(session.board.watchers)

        return self._in_session(count)

    def close(self) -> None:
        """Let go of the store; the next use opens it again."""
        self._store.close()

    def _ask(self, session: Session, asker: Asker) -> int:
        rules, board, now = self._rules, session.board, session.now
        last_sent_at = session.sent_last_at()
        if last_sent_at is not None and last_sent_at > now + TICKET_GRACE_MS:
            # The clock was set back, so the log is in the future and would count until then. When
            # its requests were sent is not known any more. So it starts again, one window passes
            # before ordinary requests are sent, and urgent ones go at once.
            session.post(board.unsure(now + rules.interval_ms))
            session.log.flush()
            return _CLOCK_WAS_SET_BACK
        wait = rules.hold(board, asker.id, asker.urgent, now, last_sent_at)
        if wait == 0:
            if board.has_ticket(asker.id):
                session.post(board.without_ticket(asker.id))
            wait = session.send(rules.room_for(board, asker.id, asker.urgent), rules.interval_ms)
            if wait == 0:
                return 0
            board = board.scarce(now + rules.interval_ms)
        if asker.queues:
            expires_at = now + min(wait, LONGEST_NAP_MS) + TICKET_GRACE_MS
            board = board.with_ticket(Ticket(asker.id, asker.urgent, expires_at))
        if board != session.board:
            session.post(board)
        return wait

    def _forget_old_requests(self) -> None:
        now = self._clock()
        if now - self._tidied_at < self._rules.interval_ms / 1000:
            return
        self._tidied_at = now
        # In a session of its own, since sending has ended the store's transaction already.
        self._in_session(lambda session: session.sent_within(self._rules.interval_ms))
        with self._in_process.session(self._rules) as session:
            session.sent_within(self._rules.interval_ms)

    def _withdraw(self, asker_id: str) -> None:
        def withdraw(session: Session) -> None:
            if session.board.has_ticket(asker_id):
                session.post(session.board.without_ticket(asker_id))

        self._in_session(withdraw)

    def _in_session(self, act: Callable[[Session], _Answer]) -> _Answer:
        store = self._store
        again_at = self._store_tried_again_at
        if again_at is not None and self._clock() < again_at:
            store = self._in_process
        try:
            with store.session(self._rules) as session:
                answer = act(session)
        except StoreUnavailable as error:
            self._do_without_store(error)
            with self._in_process.session(self._rules) as session:
                return act(session)
        if store is self._store:
            self._store_tried_again_at = None
        return answer

    def _do_without_store(self, error: StoreUnavailable) -> None:
        self._store_tried_again_at = self._clock() + SECONDS_UNTIL_STORE_IS_TRIED_AGAIN
        if self._has_warned:
            return
        self._has_warned = True
        self._log.warning(
            "The shared request budget of %s cannot be used (%s: %s). Requests of this process "
            "are limited on their own, and other processes' requests can make Hevo answer 429. "
            "The run goes on; the store is tried again every %d minutes. Check that it can be "
            "reached and written; a broken SQLite file may be deleted.",
            self._name,
            self._store.name,
            error,
            SECONDS_UNTIL_STORE_IS_TRIED_AGAIN // 60,
        )

    def _log_wait(self, waited: float, wait: float) -> None:
        self._log.info(
            "A request has waited %.0f s for the request budget of %s (%d in %g s, %s); it goes "
            "in about %.0f s.",
            waited,
            self._name,
            self._rules.limit,
            self._rules.window_ms / 1000,
            self._store.name,
            max(1.0, wait),
        )


def open_budget(
    store: str | None,
    *,
    requests_per_minute: int,
    user_key: str,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    window_seconds: float = 60.0,
    log: Logger | None = None,
) -> RequestBudget:
    """The budget of one Hevo user. Nothing is opened before it is used.

    Args:
        store: ``None`` for a SQLite file of the user's own, under ``DAGSTER_HOME`` or else the
            temp folder; ``memory`` for this process alone; ``sqlite:///PATH`` (four slashes before
            an absolute path); ``postgresql://...`` or ``redis://...`` for several machines.
        requests_per_minute: What Hevo gives the user; 0 for no limit.
        user_key: The API key. Only its hash is stored or shown.
        clock: The time in epoch seconds; on one machine all processes must have the same. Stores
            on a server use the server's.
        sleep: Waits for a number of seconds.
        window_seconds: The window that Hevo counts in; tests scale it.
        log: Where to report long waits and a broken store; by default ``dagster_hevo``.

    Raises:
        HevoConfigurationError: ``store`` names no store, needs an extra that is not installed, or
            ``requests_per_minute`` is negative.
    """
    if requests_per_minute < 0:
        raise HevoConfigurationError(
            f"requests_per_minute is {requests_per_minute}: it must be 0 (no limit) or more."
        )
    user = hash_of_key(user_key)
    hidden = Hidden(store)
    del user_key, store  # an error's frames show the variables of this one
    in_process = in_process_store(user, clock)
    return RequestBudget(
        store_for(hidden, user, clock, in_process) if requests_per_minute else in_process,
        in_process,
        rules=BudgetRules(requests_per_minute, int(window_seconds * 1000)),
        name=f"Hevo user {user[:8]}",
        clock=clock,
        sleep=sleep,
        log=log or logging.getLogger("dagster_hevo"),
    )
