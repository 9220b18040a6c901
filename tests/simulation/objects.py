"""The pipeline's objects, and how jobs name them in their lists."""

from __future__ import annotations

from dagster_hevo.api.enums import JobObjectStatus
from dagster_hevo.api.models import JobObject, Namespace
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
from simulation.model import FAILED, LOADED, ModelJob
from simulation.traits import Traits
from simulation.world import World

NEWCOMER = "o8"
DONE = {LOADED: JobObjectStatus.COMPLETED, FAILED: JobObjectStatus.FAILED}


class ObjectWorld:
    """The objects of the pipeline.

    Args:
        world: Time and chance.
        traits: What may go wrong.

    Attributes:
        active: The objects that Hevo replicated when the definitions were loaded.
        active_now: Those that it replicates now.
        listed_now: Those that it lists now. One that is deselected stays in the list.
        children: For each child its parent.
        index: What the code under test knows of them.
    """

    def __init__(self, world: World, traits: Traits) -> None:
        self._world = world
        self._traits = traits
        rng = world.rng
        count = rng.randint(2, 4)
        self._paths = {f"o{n}": ("shop", f"table{n}") for n in range(count)}
        active = set(self._paths)
        if traits.has("objects: equal names in two schemas"):
            self._paths["o9"] = ("archive", "table0")
            world.count("objects: equal names in two schemas")
            if rng.random() < 0.5:
                active.add("o9")
        self.active = frozenset(active)
        self.active_now = self.active
        is_new = traits.has("objects: the active ones change")
        if is_new or traits.has("objects: one more beside those requested"):
            self._paths[NEWCOMER] = ("shop", "newcomer")
        if traits.has("objects: one more beside those requested"):
            self.active_now |= {NEWCOMER}
        self.listed_now = self.active_now
        is_known = rng.random() < 0.5  # It was inactive, or not there, when they were loaded.
        self.children: dict[str, str] = {}
        if traits.has("objects: children beside those requested") and count > 2:
            self.children = {"o1": "o0", "o2": "o0"} if rng.random() < 0.5 else {"o1": "o0"}
        names = [path[1] for path in self._paths.values()]
        self.index = ObjectIndex(
            KnownObject(object_id, path[1], ".".join(path), names.count(path[1]) > 1)
            for object_id, path in self._paths.items()
            if object_id != NEWCOMER or is_known
        )
        self._style = {name: traits.has(f"objects: {name}") for name in ("no ids", "other ids")} | {
            "qualified": traits.has("objects: qualified names"),
            "unknown words": traits.has("objects: words that nobody knows"),
        }

    def namespace(self, object_id: str) -> Namespace:
        """Where the object is in the source."""
        schema, name = self._paths[object_id]
        return Namespace(k0=name, k1=schema)

    def change(self) -> None:
        """Somebody selects one more object to replicate, or one less."""
        self._world.count("objects: the active ones change")
        one = self._world.rng.choice(sorted(self.active | {NEWCOMER}))
        changed = self.active_now ^ {one}
        if changed - {NEWCOMER}:
            self.active_now = changed
            self.listed_now |= changed
        self._world.tell("hevo", f"replicates {', '.join(sorted(self.active_now))}")

    def listed(self, job: ModelJob) -> list[JobObject]:
        """What a job lists of its objects now."""
        world, traits, now = self._world, self._traits, self._world.now
        shown = [
            self._shown(job, part.object_id)
            for part in job.parts.values()
            if part.listed_at <= now and part.object_id not in job.never_listed
        ]
        may_leave_out = traits.has("objects: leaves one out of one read") and len(shown) > 1
        if may_leave_out and world.rng.random() < 0.25:
            world.count("objects: leaves one out of one read")
            shown.pop(world.rng.randrange(len(shown)))
        return shown

    def _shown(self, job: ModelJob, object_id: str) -> JobObject:
        part, now = job.parts[object_id], self._world.now
        schema, name = self._paths[object_id]
        values: dict[str, object] = {"object_id": object_id}
        if self._style["no ids"] or self._style["other ids"]:
            which = "no ids" if self._style["no ids"] else "other ids"
            self._world.count(f"objects: {which}")
            values["object_id"] = None if which == "no ids" else f"task-{object_id}"
            if self._style["unknown words"]:
                self._world.count("objects: words that nobody knows")
                values["object_name"] = f"PREFIX_{name.upper()}"
            elif self._style["qualified"]:
                self._world.count("objects: qualified names")
                values["source_namespace"] = Namespace(k0=name, k1=schema)
            else:
                values["object_name"] = name
        status = self._status(job, part.fate, part.done_at, now)
        failed = part.failed_events if part.done_at <= now else 0
        return JobObject.model_construct(
            **values, status=status, events_failed=failed, events_loaded=100
        )

    def _status(
        self, job: ModelJob, fate: str, done_at: float, now: float
    ) -> JobObjectStatus | None:
        lag = job.objects_lag
        if done_at > now - lag:
            if lag and done_at <= now:
                self._world.count("objects: statuses lag")
            if job.is_cancelled or (job.ends <= now and done_at > job.ends):
                return JobObjectStatus.CANCELLED
            return JobObjectStatus.IN_PROGRESS
        if self._traits.has("objects: statuses without meaning"):
            self._world.count("objects: statuses without meaning")
            return JobObjectStatus("FINE") if job.created % 2 < 1 else None
        return DONE.get(fate, JobObjectStatus.SKIPPED)
