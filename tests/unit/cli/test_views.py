"""How results look as text."""

import pytest

from kilter.cli.views import columns, doctor_view, ps_view, status_view, watched
from kilter.dev.documents import Check, DoctorDocument, PodRow, ProjectRow, PsDocument, SharedRow, StatusDocument
from kilter.dev.documents import WorkloadRow as Row
from kilter.errors import NotReady

POD = PodRow(name="web-1", ready=True, restarts=2, age=90.0, phase="Running")


def test_columns_are_as_wide_as_their_widest_cell_and_end_without_blanks() -> None:
    assert columns([("A", "B"), ("long", ""), ("x", "y")]) == ["A     B", "long", "x     y"]
    assert columns([]) == []


@pytest.mark.requirement("DP-Q34")
def test_the_state_of_a_project_is_a_sentence_a_table_and_the_reasons() -> None:
    document = StatusDocument(
        project="shop",
        state="up",
        ready=False,
        cluster="kilter-shop",
        tilt="http://localhost:30019",
        notes=["an older node image"],
        workloads=[
            Row(name="web", kind="component", ready=True, reason="", localhost="http://localhost:30001", pods=[POD]),
            Row(name="redis", kind="service", ready=False, reason="is starting"),
        ],
    )
    assert status_view(document).splitlines() == [
        "shop is up (local cluster kilter-shop), dev loop at http://localhost:30019",
        "note: an older node image",
        "NAME   KIND       READY  RESTARTS  AGE     LOCALHOST               IN CLUSTER",
        "web    component  yes    2         1m 30s  http://localhost:30001  -",
        "redis  service    no     -         -       -                       -",
        "redis: is starting",
    ]


@pytest.mark.requirement("C15")
def test_a_reason_that_the_cluster_gives_cannot_drive_the_terminal() -> None:
    row = Row(name="web", kind="component", ready=False, reason="cannot start: \x1b]0;owned\x07")
    document = StatusDocument(project="shop", state="up", ready=False, cluster="kilter-shop", workloads=[row])
    assert status_view(document).endswith("web: cannot start: \\x1b]0;owned\\x07")
    seen = watched(NotReady("\x1b[2J", details=["\x1b[2J"], hint="wait"), as_json=False)
    assert seen.text == "error: \\x1b[2J\n  \\x1b[2J\nwait"


@pytest.mark.requirement("C15")
def test_no_path_and_no_name_of_a_program_drives_the_terminal() -> None:
    odd = "/w/\x1b]0;owned\x07"
    row = ProjectRow(name="shop", state="gone", ports=(30000, 30019), directory=odd)
    check = Check(id="a", category="project", status="warning", message=f"held by {odd}", fix=f"mkdir {odd}")
    state = StatusDocument(
        project="shop", state="absent", ready=False, cluster="kilter-shop", notes=[f"moved from {odd}"]
    )
    for text in (
        ps_view(PsDocument(projects=[row])),
        doctor_view(DoctorDocument(ok=True, checks=[check])),
        status_view(state),
    ):
        assert "\\x1b]0;owned" in text
        assert "\x1b" not in text


def test_passwords_never_show_in_a_status() -> None:
    url = "postgresql://shop:hunter2@localhost:30000/shop"
    row = Row(name="postgres", kind="service", ready=True, reason="", localhost=url, in_cluster=url)
    document = StatusDocument(project="shop", state="up", ready=True, cluster="kilter-shop", workloads=[row])
    assert "hunter2" not in status_view(document)


def test_the_projects_of_the_machine_are_a_table() -> None:
    running = ProjectRow(
        name="shop", state="up", ports=(30000, 30019), cpu=0.256, memory=300 * 2**20, directory="/w/shop"
    )
    gone = ProjectRow(name="old", state="gone", ports=(30020, 30039), directory="/w/old", last_used="2026-01-01T10:00")
    shared = SharedRow(name="kilter-registry", state="running")
    assert ps_view(PsDocument(projects=[running, gone], shared=[shared])).splitlines() == [
        "PROJECT  STATE  PORTS        CPU   MEMORY   DIRECTORY  LAST USED",
        "shop     up     30000-30019  0.26  300 MiB  /w/shop    -",
        "old      gone   30020-30039  -     -        /w/old     2026-01-01T10:00",
        "",
        "SHARED           STATE",
        "kilter-registry  running",
    ]


def test_a_machine_without_projects_says_so() -> None:
    assert ps_view(PsDocument(projects=[])) == "no kilter project runs on this machine"


def test_each_check_has_its_mark_and_what_mends_it() -> None:
    document = DoctorDocument(
        ok=False,
        checks=[
            Check(id="a", category="engine", status="pass", message="Docker answers", fix="unused"),
            Check(id="b", category="machine", status="warning", message="3 GiB free", fix="free some"),
            Check(id="c", category="tools", status="fail", message="no kind"),
        ],
    )
    assert doctor_view(document).splitlines() == [
        "✓ Docker answers",
        "! 3 GiB free",
        "    free some",
        "✗ no kind",
        "1 fine, 1 to look at, 1 missing",
    ]
