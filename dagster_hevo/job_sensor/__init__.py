"""The job sensor: jobs that no run waits for, recorded like those that a run triggered.

`tick.py` spends the tick's requests over the pipelines, `visit.py` walks through a pipeline's list
of jobs, `settling.py` settles one job: whose it is (`ownership.py`), what is done with it
(`decide.py`, pure), what becomes of it in Dagster (`recorder.py`). What is kept between ticks is
`cursor.py`; what a user imports is `dagster_hevo.sensors`.
"""
