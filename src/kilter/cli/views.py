"""How results look as text: pure functions from what a verb returned to what is printed."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from kilter.cli.console import Frame, json_text
from kilter.dev.documents import Check, DoctorDocument, PsDocument, StatusDocument, WorkloadRow
from kilter.errors import KilterError
from kilter.words import escaped, escaped_lines, human_duration, human_size

if TYPE_CHECKING:  # start-up: `ps` must not pay for everything that `up` needs
    from kilter.dev.up import UpResult


def up_view(result: "UpResult") -> str:
    """Name every address, so that the next thing to do is to click or paste one; passwords stay in `kilter env`."""
    from kilter.render.envfile import masked  # start-up: `ps` has nothing to mask

    rows = [(address.name, masked(address.localhost)) for address in result.addresses if address.kind != "tilt"]
    with_address = {name for name, _ in rows}
    rows += [(app.name, "runs, no port") for app in result.workspace.plan.apps if app.name not in with_address]
    lines = columns([*rows, ("dev loop", result.tilt)])
    title = f"{result.workspace.name} is up (local cluster {result.workspace.plan.cluster}):"
    return "\n".join([title, *(f"  {line}" for line in lines)])


def status_view(document: StatusDocument) -> str:
    """Print the state of the project, then one line per workload and its addresses."""
    head = f"{document.project} is {document.state} (local cluster {document.cluster})"
    lines = [head + (f", dev loop at {document.tilt}" if document.tilt else "")]
    lines += [f"note: {escaped_lines(note)}" for note in document.notes]
    if document.workloads:
        table = [("NAME", "KIND", "READY", "RESTARTS", "AGE", "LOCALHOST", "IN CLUSTER")]
        lines += columns([*table, *(_workload(row) for row in document.workloads)])
    lines += [f"{row.name}: {escaped(row.reason)}" for row in document.workloads if row.reason]
    return "\n".join(lines)


def watched(seen: StatusDocument | KilterError, *, as_json: bool) -> Frame:
    """Return a look of `status --watch` to be shown; that pods grow older is no change."""
    if isinstance(seen, KilterError):
        lines = [f"error: {seen.what}", *(f"  {line}" for line in seen.details), *([seen.hint] if seen.hint else [])]
        return Frame("\n".join(map(escaped_lines, lines)), seen.what, seen)
    still = replace(
        seen, workloads=[replace(row, pods=[replace(pod, age=0) for pod in row.pods]) for row in seen.workloads]
    )
    form = json_text if as_json else status_view
    return Frame(form(seen), form(still))


def ps_view(document: PsDocument) -> str:
    """Print one line per project, then the shared containers when they were asked for."""
    if not document.projects and not document.shared:
        return "no kilter project runs on this machine"
    table = [("PROJECT", "STATE", "PORTS", "CPU", "MEMORY", "DIRECTORY", "LAST USED")]
    for row in document.projects:
        cpu = f"{row.cpu:.2f}" if row.cpu is not None else "-"
        memory = human_size(row.memory) if row.memory is not None else "-"
        ports = f"{row.ports[0]}-{row.ports[1]}"
        state = f"{row.state} (kilter {row.at_work})" if row.at_work else row.state
        table.append((row.name, state, ports, cpu, memory, escaped(row.directory), row.last_used or "-"))
    lines = columns(table)
    if document.shared:
        lines += ["", *columns([("SHARED", "STATE"), *((row.name, row.state) for row in document.shared)])]
    return "\n".join(lines)


def doctor_view(document: DoctorDocument) -> str:
    """Print one line per check, with what mends it beneath."""
    marks = {"pass": "✓", "warning": "!", "fail": "✗"}
    lines: list[str] = []
    for check in document.checks:
        lines.append(f"{marks[check.status]} {escaped_lines(check.message)}")
        lines += [f"    {escaped_lines(check.fix)}"] if check.fix and check.status != "pass" else []
    return "\n".join([*lines, _summary(document.checks)])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out in columns, two blanks apart; the last column is not padded."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _workload(row: WorkloadRow) -> tuple[str, ...]:
    from kilter.render.envfile import masked  # start-up: as above

    restarts = str(sum(pod.restarts for pod in row.pods)) if row.pods else "-"
    age = human_duration(min(pod.age for pod in row.pods)) if row.pods else "-"
    addresses = (masked(row.localhost or "-"), masked(row.in_cluster or "-"))
    return (row.name, row.kind, "yes" if row.ready else "no", restarts, age, *addresses)


def _summary(checks: Iterable[Check]) -> str:
    counted = {status: sum(check.status == status for check in checks) for status in ("pass", "warning", "fail")}
    return f"{counted['pass']} fine, {counted['warning']} to look at, {counted['fail']} missing"
