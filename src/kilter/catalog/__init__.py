"""The services kilter can run: a model, a loader, and one folder of data per entry.

An entry is `services/<name>/`: `service.yaml` (what it is), `chart/` (how to run it, a Helm chart of kilter's own) and
`README.md` (what a user should know). Adding an entry needs no Python: every chart takes the same house values
(`kilter.render.services`), so nothing here or in `kilter.render` asks for an entry's name.
"""
