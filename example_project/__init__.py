"""Three Hevo sources, four models on top of them, and the commands that show it all running.

`definitions.py` is the code location, `models.py` the SQL; `demo.py` and `dev.py` are `make demo`
and `make dev`. The local Hevo that both run against is described in `scenario.yaml`.
"""
