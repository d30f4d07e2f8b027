"""The operator's work queue against its model, for longer than a unit test may take."""

from harness.queue_model import Machine
from hypothesis import settings

TestQueue = Machine.TestCase
TestQueue.settings = settings(max_examples=300, stateful_step_count=60, deadline=None, database=None)
