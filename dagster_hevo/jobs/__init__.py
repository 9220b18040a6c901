"""One sync request, from the trigger to the proven outcome. No Dagster.

Read in this order: `request.py` (what is requested), `state.py` and `steps.py` (what is known,
observed and done), `decide.py` (the decision; its phases are `starting.py`, `finding.py` with
`examining.py`, and `following.py` with `polling.py` and `schedule.py`; its errors `failures.py`),
`runner.py` (carries it out, with `reading.py`, `job_list.py` and `hevo_api.py`), `matching.py`,
`newness.py`, `objects.py` and `outcome.py` (the rules of proof), `records.py`, `ledger.py`,
`pipeline_ledger.py`, `turns.py` and `ledger_store.py` (what survives a crash), `marks.py` (what the
job sensors have recorded). `settings.py` holds the bounds.
"""
