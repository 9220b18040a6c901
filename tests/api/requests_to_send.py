"""The keys of the tests, and the requests that may be sent twice and those that may not."""

from __future__ import annotations

import pytest

KEY = "key-nobody-may-see"
SECRET = "secret-nobody-may-see"

REPEATABLE = {
    "get": lambda hevo: hevo.get_pipeline(7),
    "list": lambda hevo: list(hevo.list_jobs(7)),
    "patch": lambda hevo: hevo.update_pipeline(7, {"name": "Shop"}),
    "patch of the source": lambda hevo: hevo.update_pipeline_sources(7, {"host": "db"}),
    "enable": lambda hevo: hevo.enable_pipeline(7),
    "disable": lambda hevo: hevo.disable_pipeline(7),
    "cancel": lambda hevo: hevo.cancel_job(7, "j1"),
    "refresh of the schema": lambda hevo: hevo.refresh_schema(7),
}
TRIGGERS = {
    "sync": lambda hevo: hevo.trigger_pipeline_sync(7),
    "resync": lambda hevo: hevo.resync_pipeline(7),
    "resync of objects": lambda hevo: hevo.resync_objects(7, ["o1"]),
}
every_repeatable = pytest.mark.parametrize("call", REPEATABLE.values(), ids=REPEATABLE)
every_trigger = pytest.mark.parametrize("call", TRIGGERS.values(), ids=TRIGGERS)
