"""The job sensor: jobs that no run waits for, recorded like those that a run triggered."""
