"""What the tests of the testbed share with those that need no process and no network."""

from unit.testbed.conftest import begun, kernel, work

__all__ = ["begun", "kernel", "work"]
