"""A scenario of the local Hevo in which every name is hostile."""

from __future__ import annotations

from hostile import ALL

from dagster_hevo.sandbox import Scenario
from dagster_hevo.sandbox.scenario import FieldScenario, ObjectScenario, PipelineScenario

QUICK = {
    "job_appears_after": (0.05, 0.1),
    "restarting_seconds": 0.1,
    "transition_seconds": 0.05,
    "job_objects_late_seconds": 0.1,
}


def hostile_pipeline(place: int, name: str) -> PipelineScenario:
    """A pipeline of this name, with an object and a column of every hostile name."""
    columns = tuple(FieldScenario(name=text, type="VARCHAR") for text in ALL.values())
    key = FieldScenario(name="id", primary_key=True)
    return PipelineScenario(
        name=name,
        id=101 + place,
        schema_name=f"{name}{place}",
        seconds_per_object=0.001,
        source={"name": name, "source_type": name},
        destination={"name": name, "destination_type": name},
        objects=tuple(
            ObjectScenario(
                name=text,
                table=text,
                id=f"obj-{place}-{number}",
                rows=1,
                outcome="failed_events" if number % 7 == 0 else "completed",
                fields=(key, *columns) if number < 3 else (key,),
            )
            for number, text in enumerate(ALL.values())
        ),
    )


NAMES = ["\x1b]0;owned\x07![x](https://beacon.invalid/i.png)", "<script>x</script>\n\u202eevil"]


def hostile_scenario() -> Scenario:
    """Two pipelines of every hostile name."""
    return Scenario(
        name="hostile",
        account={"requests_per_minute": 0},
        behaviour=QUICK,
        pipelines=tuple(hostile_pipeline(place, name) for place, name in enumerate(NAMES)),
    )
