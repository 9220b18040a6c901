"""Which object of ours a job means, when it lists one.

Pure. Jobs are not documented to list objects by the ids of the pipeline's list: ids, namespaces and
names are tried in this order, and no match is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from dagster_hevo.api.enums import JobObjectStatus
from dagster_hevo.api.models import JobObject, Namespace, PipelineObject

_NOT_LOADED = {
    JobObjectStatus.FAILED,
    JobObjectStatus.SKIPPED,
    JobObjectStatus.CANCELLED,
    JobObjectStatus.BLOCKED,
    JobObjectStatus.INACCESSIBLE,
    JobObjectStatus.INCONSISTENT,
}


@dataclass(frozen=True)
class KnownObject:
    """An object as our definitions know it: enough to find it in a job's list.

    Attributes:
        object_id: The object.
        name: Its bare name.
        source_path: Its full namespace from the outside in, joined by dots, where known.
        shares_name: Whether another object of the pipeline, an inactive one included, has the same
            bare name.
    """

    object_id: str
    name: str
    source_path: str | None = None
    shares_name: bool = False

    @classmethod
    def all_of(cls, objects: Iterable[PipelineObject]) -> tuple[KnownObject, ...]:
        """All objects of a pipeline, active or not, each knowing whether its name is unique."""
        listed = tuple(objects)
        names = shared_names(listed)
        return tuple(
            cls(item.object_id, item.name, path_text(item.source_namespace), item.name in names)
            for item in listed
        )


def shared_names(objects: Iterable[PipelineObject]) -> frozenset[str]:
    """The bare names that more than one object of a pipeline has."""
    seen: set[str] = set()
    shared: set[str] = set()
    for item in objects:
        (shared if item.name in seen else seen).add(item.name)
    return frozenset(shared)


def path_text(namespace: Namespace | None) -> str | None:
    """A namespace from the outside in, joined by dots; None where it says nothing."""
    return ".".join(namespace.path) or None if namespace is not None else None


def distinct(listed: Iterable[JobObject]) -> tuple[JobObject, ...]:
    """The entries of a list, each object once, as it was listed last.

    Pages may overlap, and a list that is longer than the job proves nothing. Where one entry says
    that the object was not loaded, no other one says otherwise.
    """
    found: dict[object, JobObject] = {}
    for place, item in enumerate(listed):
        path = path_text(item.source_namespace)
        identity = (item.object_id, item.object_name, path)
        key = identity if any(identity) else place
        other = found.get(key)
        if other is None or other.status not in _NOT_LOADED or item.status in _NOT_LOADED:
            found[key] = item
    return tuple(found.values())


class ObjectIndex:
    """Finds the object that a job means: by id, else by full namespace, else by name.

    A namespace or a name that two objects share finds neither. A bare name counts only where it is
    unique among all objects of the pipeline, no namespace contradicts it, and the job does not list
    other objects by the ids that we know: there, an id that we do not know is another object, which
    Hevo may have added since.
    """

    def __init__(self, known: Iterable[KnownObject]) -> None:
        self.objects: Mapping[str, KnownObject] = {item.object_id: item for item in known}
        by_path: dict[str, set[str]] = {}
        by_name: dict[str, set[str]] = {}
        for item in self.objects.values():
            if item.source_path:
                for path in _suffixes(item.source_path):
                    by_path.setdefault(path, set()).add(item.object_id)
            by_name.setdefault(item.name, set()).add(item.object_id)
        self._may_mean = {
            name: by_path.get(name, set()) | by_name.get(name, set())
            for name in by_path.keys() | by_name.keys()
        }
        self._by_path = {path: next(iter(ids)) for path, ids in by_path.items() if len(ids) == 1}
        # A bare name of several objects says of none that it is in the job, or not.
        self._ambiguous = {
            item.name
            for item in self.objects.values()
            if item.shares_name or len(by_name[item.name]) > 1
        }
        self._by_name = {
            name: object_id
            for name, ids in by_name.items()
            if len(ids) == 1
            for object_id in ids
            if not self.objects[object_id].shares_name
        }

    def identify(self, listed: JobObject, *, by_id: bool = False) -> str | None:
        """The id of the object that is meant, or None.

        An id that we do not know is kept where nothing else tells: it is an object, and not one of
        ours.

        Args:
            listed: An entry of the job's list.
            by_id: Whether the job lists other objects by ids that we know (`lists_by_id`).
        """
        if listed.object_id in self.objects:
            return listed.object_id
        path = path_text(listed.source_namespace)
        name = listed.object_name
        if path is not None and "." in path:
            # The namespace decides; a name beside it must not say otherwise.
            return self._by_path.get(path) or listed.object_id or path
        if name and path and name != path and not name.endswith(f".{path}"):
            return listed.object_id or path  # The two contradict each other.
        name = name or path
        if not name or name in self._ambiguous or (by_id and listed.object_id):
            return listed.object_id
        found = self._by_name.get(name) or self._by_path.get(name)
        return found or listed.object_id or name

    def lists_by_id(self, listed: Iterable[JobObject]) -> bool:
        """Whether a job lists an object by an id that we know."""
        return any(item.object_id in self.objects for item in listed)

    def are_found_by_name(self, listed: Collection[JobObject]) -> bool:
        """Whether an object of ours is found in a job's list by its name or namespace alone."""
        by_id = self.lists_by_id(listed)
        return any(
            item.object_id not in self.objects and self.identify(item, by_id=by_id) in self.objects
            for item in listed
        )

    def confirmed_by(self, now: Iterable[PipelineObject]) -> ObjectIndex:
        """The same, with only those names and namespaces that still mean the same objects.

        A table that was dropped, and another one that has its name since, are two objects.

        Args:
            now: The objects that the pipeline has now, the inactive ones too.
        """
        current = ObjectIndex(KnownObject.all_of(now))
        return ObjectIndex(
            replace(
                item,
                source_path=item.source_path
                if current.has_path(item.source_path, item.object_id)
                else None,
                shares_name=item.shares_name or not current.has_name(item.name, item.object_id),
            )
            for item in self.objects.values()
        )

    def sharing_names(self, now: Iterable[PipelineObject]) -> frozenset[str]:
        """Our objects whose name or namespace an object has that we do not know.

        Args:
            now: Objects that the pipeline has now, the inactive ones too.
        """
        strangers = [item for item in now if item.object_id not in self.objects]
        by_name = (self._by_name.get(item.name) for item in strangers)
        by_path = (self._by_path.get(path_text(item.source_namespace) or "") for item in strangers)
        return frozenset(found for found in (*by_name, *by_path) if found is not None)

    def without_names(self, object_ids: Collection[str]) -> ObjectIndex:
        """The same, which finds these objects by their ids alone."""
        if not object_ids:
            return self
        return ObjectIndex(
            replace(item, source_path=None, shares_name=True)
            if item.object_id in object_ids
            else item
            for item in self.objects.values()
        )

    def has_name(self, name: str, object_id: str) -> bool:
        """Whether a bare name means this object alone."""
        return self._by_name.get(name) == object_id

    def has_path(self, path: str | None, object_id: str) -> bool:
        """Whether a full namespace means this object alone."""
        return path is not None and self._by_path.get(path) == object_id

    def ids_in(self, listed: Collection[JobObject]) -> frozenset[str]:
        """The ids of all objects that a job lists and that can be identified."""
        by_id = self.lists_by_id(listed)
        ids = (self.identify(item, by_id=by_id) for item in listed)
        return frozenset(object_id for object_id in ids if object_id is not None)

    def unclear_in(self, listed: Collection[JobObject]) -> frozenset[str]:
        """The ids of our objects that a job may list: each entry means one of several."""
        by_id = self.lists_by_id(listed)
        found: set[str] = set()
        for item in listed:
            if self.identify(item, by_id=by_id) in self.objects:
                continue
            path = path_text(item.source_namespace)
            names = {name for name in (item.object_name, path) if name}
            found.update(*(self._may_mean.get(name, ()) for name in names))
            if not names:
                found.update(self.objects)
        return frozenset(found)


def _suffixes(path: str) -> Iterable[str]:
    """The qualified spellings of a path: ``db.schema.table`` and ``schema.table``."""
    levels = path.split(".")
    return (".".join(levels[start:]) for start in range(max(len(levels) - 1, 1)))
