"""What a component calls its sensor and its state."""

from __future__ import annotations

import hashlib
import json
import re

import dagster as dg


def sensor_name_of(context: dg.ComponentLoadContext) -> str:
    """The name of a component's sensor: of its folder, as far as needed to tell it from others.

    A component in ``defs/hevo`` has ``hevo_job_sensor``, and one in ``defs/finance/hevo``
    ``finance_hevo_job_sensor``. The second one in a file ends in its number.
    """
    path, root = context.path, context.defs_module_path
    place = path.parent if path.stem in {"component", "defs"} else path.with_suffix("")
    parts = place.relative_to(root).parts if place.is_relative_to(root) else place.parts[-1:]
    number = getattr(getattr(context, "component_path", None), "instance_key", None)
    if isinstance(number, int) and number:
        parts = (*parts, str(number + 1))
    name = re.sub(r"\W+", "_", "_".join(parts), flags=re.ASCII).strip("_").lower()
    return f"{name or 'hevo'}_job_sensor"


def written(setting: str) -> str:
    """A setting in a state's key: the variable that holds it, else a text no secret is read of."""
    if isinstance(setting, dg.EnvVar):
        return setting.env_var_name
    return re.sub(r"^https?://|/+$", "", setting)


def digest(words: object) -> str:
    """Text for a key that is the same for the same words, and says nothing of them."""
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:8]
