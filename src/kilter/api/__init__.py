"""Wire types: what kilter's programs say to each other, and nothing that says it.

HTTP v1 between `kilter deploy` and kilter-server, and the custom resource KilterApp v1alpha1 between kilter-server and
the operator, with its CRD. Pure: structs, the names derived from them, the format of tokens.
"""
