"""A hostile Hevo and the world around it, played from a seed against the real runner and ledger.

`world.py` is time and processes, `traits.py` what may go wrong, `hevo.py` and its neighbours the
model of Hevo, `runs.py` and `sensor.py` what Dagster does, `checker.py` what must hold,
`twins.py` what nobody can tell apart, and `play.py` one seed from its beginning to its end.
"""
