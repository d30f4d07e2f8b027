"""kilter-server: the platform's HTTP edge. Async lives here; decisions fall in the store's transactions.

It accepts deploys, numbers them, writes KilterApps and tells what became of them. It never touches what runs: that is
the operator's and Flux's. Only this package knows Starlette.

`registry_volume` is a program of its own, which tidies the registry's volume while no registry serves.
"""
