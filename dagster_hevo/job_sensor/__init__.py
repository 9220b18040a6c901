"""The job sensor: jobs that no run waits for, recorded like those that a run triggered.

Here is whose a job is and whether it is recorded now. A tick is `dagster_hevo.observation`, the
recording `dagster_hevo.job_record`, the sensor itself `dagster_hevo.sensors`.
"""
