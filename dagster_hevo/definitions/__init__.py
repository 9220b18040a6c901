"""From an account to Dagster definitions.

Start with `loader.py`, which reads, keeps and refreshes what an account holds (`snapshot.py`); then
`specs.py` and `build.py`, which make assets of it. Nothing here imports the resource: the loader is
given an account by its protocol.
"""
