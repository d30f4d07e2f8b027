"""Pure rendering: a project, the catalog and an allocation in, text out. Nothing here runs, reads a file or a clock.

`plan` decides everything, `chart_jobs` says which charts to render, `render` writes the whole tree from the plan and
the charts' texts; `addresses` says where everything answers. `production` does the same for a release on a shared
cluster, and `names` names everything there.
"""
