"""One sync request, from the trigger to the proven outcome. No Dagster.

Read in this order: `request.py` (what is wanted), `state.py` and `steps.py` (what is known,
observed and done), `decide.py` (the decision; its phases are `starting.py`, `finding.py` and
`following.py`), `runner.py` (acts), `matching.py` and `outcome.py` (the rules of proof),
`ledger.py` (what survives a crash).
"""
