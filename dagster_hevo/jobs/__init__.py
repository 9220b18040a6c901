"""The life of one Hevo job, usable without Dagster: ask once, find, watch, judge.

Start at `life.py`, which strings the stations together.
"""
