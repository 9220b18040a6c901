"""Who waits, who watches and until when nobody may send: the pure half of the request budget.

Nothing here reads a clock, sleeps or stores anything: times are epoch milliseconds, passed in. The
stores are in `budget_stores.py`; who waits and sends is in `rate_limit.py`.

The values are named tuples: every process makes these classes, and frozen dataclasses take five
times as long to make.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

WATCHER_LIFETIME_MS = 5 * 60_000
LONGEST_NAP_MS = 15_000
TICKET_GRACE_MS = 5_000
LONGEST_PAUSE_MS = 60 * 60_000


class Ticket(NamedTuple):
    """A waiting request's place in the queue.

    It runs out unless its owner renews it: a killed process must not hold a place for ever.
    """

    id: str
    urgent: bool
    expires_at: int


class Board(NamedTuple):
    """What all processes of one Hevo user tell each other, besides when they sent requests.

    Attributes:
        paused_until: Nobody sends before this time (after a 429).
        unsure_until: Only urgent requests are sent before this time (the clock was set back, so
            nobody knows how many were sent in the last window).
        scarce_until: Until a window has passed since somebody found no room in the budget.
        tickets: The waiting requests in the order in which they came.
        watchers: The jobs being watched, each with the time at which it is forgotten.
    """

    paused_until: int = 0
    scarce_until: int = 0
    tickets: tuple[Ticket, ...] = ()
    watchers: Mapping[str, int] = MappingProxyType({})
    unsure_until: int = 0

    @classmethod
    def from_json(cls, text: str | bytes | None) -> Board:
        """Read what `to_json` wrote; anything else is an empty board.

        Why: the board only orders requests, the log of sent ones limits them. Losing it is
        harmless, failing a run over it is not.
        """
        if not text:
            return cls()
        try:
            saved: Any = json.loads(text)
            return cls(
                paused_until=int(saved["paused"]),
                scarce_until=int(saved["scarce"]),
                tickets=tuple(
                    Ticket(str(owner), bool(urgent), int(expires))
                    for owner, urgent, expires in saved["tickets"]
                ),
                watchers={str(job): int(expires) for job, expires in saved["watchers"].items()},
                unsure_until=int(saved.get("unsure", 0)),
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return cls()

    def to_json(self) -> str:
        """The board as text that `from_json` reads."""
        return json.dumps(
            {
                "paused": self.paused_until,
                "scarce": self.scarce_until,
                "tickets": [[t.id, int(t.urgent), t.expires_at] for t in self.tickets],
                "watchers": dict(self.watchers),
                "unsure": self.unsure_until,
            },
            separators=(",", ":"),
        )

    def as_of(self, now: int, interval: int) -> Board:
        """The board without what has run out by ``now``.

        A time further ahead than anybody could have written comes from before the clock was set
        back, and counts as run out.
        """

        def is_alive(expires_at: int, longest: int) -> bool:
            return now < expires_at <= now + longest

        def is_waiting(ticket: Ticket) -> bool:
            return is_alive(ticket.expires_at, LONGEST_NAP_MS + TICKET_GRACE_MS)

        longest_pause = max(LONGEST_PAUSE_MS, interval)
        return Board(
            paused_until=self.paused_until if is_alive(self.paused_until, longest_pause) else 0,
            scarce_until=self.scarce_until if is_alive(self.scarce_until, interval) else 0,
            tickets=tuple(ticket for ticket in self.tickets if is_waiting(ticket)),
            watchers={
                job: expires
                for job, expires in self.watchers.items()
                if is_alive(expires, WATCHER_LIFETIME_MS)
            },
            unsure_until=self.unsure_until if is_alive(self.unsure_until, interval) else 0,
        )

    def has_ticket(self, ticket_id: str) -> bool:
        """Whether that request is in the queue."""
        return any(ticket.id == ticket_id for ticket in self.tickets)

    def ahead_of(self, ticket_id: str, urgent: bool) -> int:
        """How many waiting requests go first: urgent ones before others, else in order."""
        ahead = 0
        own_place_passed = False
        for ticket in self.tickets:
            if ticket.id == ticket_id:
                own_place_passed = True
            elif ticket.urgent == urgent:
                ahead += not own_place_passed
            else:
                ahead += ticket.urgent
        return ahead

    def with_ticket(self, ticket: Ticket) -> Board:
        """The board with that request waiting: at the end, or at the place that it already has."""
        if not self.has_ticket(ticket.id):
            return self._replace(tickets=(*self.tickets, ticket))
        renewed = tuple(ticket if t.id == ticket.id else t for t in self.tickets)
        return self._replace(tickets=renewed)

    def without_ticket(self, ticket_id: str) -> Board:
        """The board without that request."""
        return self._replace(tickets=tuple(t for t in self.tickets if t.id != ticket_id))

    def paused(self, until: int) -> Board:
        """The board with nobody sending before ``until``; an earlier, longer pause stays."""
        return self._replace(paused_until=max(self.paused_until, until))

    def unsure(self, until: int) -> Board:
        """The board after the clock was set back; when a pause ends is not known any more."""
        return self._replace(paused_until=0, unsure_until=until)

    def scarce(self, until: int) -> Board:
        """The board after somebody found no room."""
        return self._replace(scarce_until=until)

    def with_watcher(self, job: str, until: int) -> Board:
        """The board with that job being watched until further notice, at most ``until``."""
        return self._replace(watchers={**self.watchers, job: until})

    def without_watcher(self, job: str) -> Board:
        """The board with that job no longer being watched."""
        return self._replace(watchers={j: e for j, e in self.watchers.items() if j != job})


class BudgetRules(NamedTuple):
    """How many requests in how long, and who may have the last ones.

    Attributes:
        limit: Requests in one window; 0: no limit.
        window_ms: The window that Hevo counts in, in milliseconds.
    """

    limit: int
    window_ms: int = 60_000

    @property
    def interval_ms(self) -> int:
        """How long a request counts here: one percent longer than at Hevo.

        Requests are counted when they are let go and reach Hevo a little later, each a different
        little. Without the margin, a slow request and a quick one a window later would meet in one
        of Hevo's windows. At full load it costs one request in a hundred.
        """
        return self.window_ms + max(1, self.window_ms // 100)

    @property
    def reserve(self) -> int:
        """Requests kept for urgent ones while the budget is contended: two in a hundred."""
        return 0 if self.limit < 10 else max(1, self.limit // 50)

    @property
    def spacing_ms(self) -> int:
        """How far apart ordinary requests leave while jobs are watched and the budget is short.

        Without it, a burst comes back as a burst every minute, with nothing free in between, and
        the third cancel in a minute would wait for the next one. Nine tenths of the even distance:
        what is lost by waking late can be made up.
        """
        return int(0.9 * self.interval_ms / max(1, self.limit - self.reserve))

    def room_for(self, board: Board, ticket_id: str, urgent: bool) -> int:
        """How many requests the window may hold before this one, as if those ahead had gone.

        The reserve is held back while jobs are watched, since only then there is something to
        cancel, and while requests wait. Otherwise all of the budget may go at once: a cold load.
        """
        held_back = 0 if urgent or not (board.watchers or board.scarce_until) else self.reserve
        return self.limit - held_back - board.ahead_of(ticket_id, urgent)

    def hold(
        self, board: Board, ticket_id: str, urgent: bool, now: int, last_sent_at: int | None
    ) -> int:
        """Milliseconds that a request must wait whether or not the window has room."""
        paused_until = board.paused_until if urgent else max(board.paused_until, board.unsure_until)
        pause = max(0, paused_until - now)
        if urgent or last_sent_at is None or not (board.watchers and board.scarce_until):
            return pause
        turn = last_sent_at + self.spacing_ms * (1 + board.ahead_of(ticket_id, urgent))
        return max(pause, turn - now)
