"""Virtual time and the processes that live in it, one at a time, in an order that a seed decides.

Each process is a thread, and only the one that holds the baton runs. It hands the baton over where
it pauses, and only when something else is due before it: most pauses cost no switch.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable
from random import Random

EPOCH_MS = 1_790_000_000_000
"""Hevo's clock when the world begins."""


class Killed(BaseException):
    """The process is gone: nothing that it does after this has any effect."""


class Terminated(BaseException):
    """The run was terminated, as Dagster or the keyboard does it."""


class Process:
    """Something that runs beside others: a run, or the job sensor.

    Attributes:
        name: Its name in traces.
        offset: How far this machine's clocks are from the world's, in seconds.
        points: How often it has paused.
        kill_at: At which pause it dies.
        terminate_at: At which pause it is terminated.
    """

    def __init__(self, name: str, offset: float) -> None:
        self.name = name
        self.offset = offset
        self.points = 0
        self.kill_at = 0
        self.terminate_at = 0
        self.is_killed = False
        self.is_terminating = False
        self.is_over = False
        self.token = 0
        self.baton = threading.Lock()
        self.baton.acquire()


class World:
    """Time, chance, and who runs when.

    Args:
        seed: Decides everything.
        horizon: Virtual seconds after which whatever still runs is stopped.
        is_traced: Whether what happens is kept for people.
    """

    def __init__(self, seed: int, *, horizon: float, is_traced: bool = False) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.horizon = horizon
        self.is_traced = is_traced
        self.trace: list[tuple[float, str, str]] = []
        self.counts: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self.processes: list[Process] = []
        self._queue: list[tuple[float, int, int, Process | Callable[[], None]]] = []
        self._order = 0
        self._main = threading.Lock()
        self._main.acquire()

    def hevo_ms(self) -> int:
        """Hevo's clock."""
        return EPOCH_MS + int(self.now * 1000)

    def count(self, what: str) -> None:
        """Count that a trait really occurred."""
        self.counts[what] += 1

    def tell(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        if self.is_traced:
            self.trace.append((self.now, who, what))

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at a moment."""
        self._push(max(moment, self.now), 0, action)

    def spawn(self, name: str, body: Callable[[Process], None], *, offset: float = 0.0) -> Process:
        """Begin a process now."""
        process = Process(name, offset)
        self.processes.append(process)

        def live() -> None:
            process.baton.acquire()
            try:
                if not process.is_killed:
                    body(process)
            except (Killed, Terminated):
                pass
            except BaseException as error:  # noqa: BLE001  # reported as a violation
                self.errors.append(error)
            process.is_over = True
            self._go_on(None)

        threading.Thread(target=live, daemon=True).start()
        self._push(self.now, 0, process)
        return process

    def kill(self, process: Process) -> None:
        """End a process at once, wherever it is."""
        if not process.is_over:
            process.is_killed = True
            self._wake(process)

    def terminate(self, process: Process) -> None:
        """Terminate a process, as Dagster does it."""
        if not process.is_over:
            process.is_terminating = True
            self._wake(process)

    def pause(self, me: Process, seconds: float) -> None:
        """Let time pass for a process: others may run, and it may be killed or terminated."""
        if me.is_killed:
            raise Killed
        me.points += 1
        if me.points == me.kill_at:
            self.tell(me.name, "KILLED")
            self.count("process killed")
            me.is_killed = True
            raise Killed
        if me.points == me.terminate_at:
            me.is_terminating = True
        if not me.is_terminating:
            wake = self.now + seconds
            if wake > self.horizon or (self._queue and self._queue[0][0] <= wake):
                me.token += 1
                self._push(wake, me.token, me)
                self._go_on(me)
            else:
                self.now = wake
        if me.is_killed:
            raise Killed
        if me.is_terminating:
            me.is_terminating = False
            self.tell(me.name, "TERMINATED")
            self.count("run terminated")
            raise Terminated

    def run(self) -> None:
        """Play until nothing is left to do, or the horizon."""
        self._go_on_from_main()
        for process in self.processes:
            if not process.is_over:
                self.tell(process.name, "still runs at the horizon")
                self.errors.append(TimeoutError(f"{process.name} has not ended"))
                process.is_killed = True
                self._queue.clear()
                process.baton.release()
                self._main.acquire()

    def _wake(self, process: Process) -> None:
        process.token += 1
        self._push(self.now, process.token, process)

    def _push(self, moment: float, token: int, what: Process | Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (moment, self._order, token, what))

    def _next(self) -> Process | None:
        """Carry out what is due until a process is; None at the end."""
        while self._queue and self._queue[0][0] <= self.horizon:
            moment, _, token, what = heapq.heappop(self._queue)
            if isinstance(what, Process):
                if what.is_over or (token != what.token):
                    continue
                self.now = max(self.now, moment)
                return what
            self.now = max(self.now, moment)
            try:
                what()
            except Exception as error:  # noqa: BLE001  # reported as a violation
                self.errors.append(error)
        return None

    def _go_on(self, me: Process | None) -> None:
        """Hand the baton to whoever is due next, and wait for it to come back."""
        following = self._next()
        if following is me and me is not None:
            return
        (self._main if following is None else following.baton).release()
        if me is not None:
            me.baton.acquire()

    def _go_on_from_main(self) -> None:
        following = self._next()
        if following is not None:
            following.baton.release()
            self._main.acquire()
