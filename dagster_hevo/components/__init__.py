"""The component that makes a Hevo account's assets of a few lines of YAML.

Start with `account.py`. Which pipelines it takes is `selector.py`, how YAML is written and read is
`forms.py`, what `dg scaffold defs` writes is `scaffolder.py`.
"""
