"""What the words of kind, Docker and the node's own log are taken to mean."""

import pytest

from kilter.clusters.diagnosis import SHOWN, explain
from kilter.errors import Failed, MachineLacks


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Bind for 127.0.0.1:30001 failed: port is already allocated", "holds one of the project's ports"),
        ("write /var/lib/docker/tmp: no space left on device", "the disk is full"),
        ("inotify_add_watch /sys/fs/cgroup/kubepods.slice: no space left on device", "inotify limits are too low"),
        ("failed to create fsnotify watcher: too many open files", "inotify limits are too low"),
        ('ERROR: failed to pull image "kindest/node"', "the node image could not be pulled"),
        ("kubelet is configured to not run on a host using cgroup v1", "refuses the host's cgroup v1"),
        ('could not find a log line that matches "Reached target"', "the node did not boot"),
    ],
)
@pytest.mark.parametrize("is_in_log", [False, True])
def test_a_known_cause_is_named_wherever_it_is_said_and_nothing_of_the_output_is_lost(
    said: str, told: str, is_in_log: bool
) -> None:
    error = Failed("kind failed", details=["its output"] if is_in_log else ["its output", said])
    found = explain(error, said if is_in_log else "")
    assert isinstance(found, MachineLacks)
    assert told in found.what
    assert found.why == "kind failed"
    assert found.hint
    assert {"its output", said} <= set(found.details)


def test_what_nobody_knows_stays_as_it_was_with_the_end_of_the_nodes_log() -> None:
    error = Failed("kind failed", details=["its output"])
    found = explain(error, "".join(f"line {number}\n" for number in range(100)))
    assert found is error
    assert list(found.details) == [
        "its output",
        "the node's log ends:",
        *(f"line {n}" for n in range(100 - SHOWN, 100)),
    ]
