"""`kilter.yaml`: the model, reading and validating it, edits that keep comments, and what Dockerfiles tell.

Pure: a file in, values or faults out. Nothing here runs a program, talks to a network, or knows the catalog.
"""
