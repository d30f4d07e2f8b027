"""The steps from a spec to an app that answers. Pure: each decides from what was observed, and nothing here acts.

A module holds what a step observes of the world as `Facts`, and `decide(target, facts)`: the verdict, the effects still
to be carried out, and what status is to say. A step may run at any moment, any number of times.
"""
