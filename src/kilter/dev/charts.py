"""Rendering the catalog's charts: one helm per service, all at once, and none for what was rendered before."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kilter.dev.machine import Machine
from kilter.render.tree import ChartJob
from kilter.state.files import write_whole
from kilter.tools import helm
from kilter.tools.versions import HELM, KUBERNETES_VERSION

KEPT = 64  # rendered charts kept in the cache; each is a few KiB


def render_charts(machine: Machine, binary: Path, jobs: Sequence[ChartJob]) -> dict[str, str]:
    """Return each job's manifests by service; raises BadInput with helm's words when a chart refuses its values."""
    if not jobs:
        return {}
    with ThreadPoolExecutor(max_workers=4) as pool:
        texts = pool.map(lambda job: _render(machine, binary, job), jobs)
        return dict(zip((job.service for job in jobs), texts, strict=True))


def _render(machine: Machine, binary: Path, job: ChartJob) -> str:
    folder = machine.paths.cache / "charts.d"
    kept = folder / f"{_key(job)}.yaml"
    try:
        return kept.read_text()
    except FileNotFoundError:
        pass
    command = helm.template(
        binary, job.release, job.chart, namespace=job.namespace, values=job.values_text, scratch=folder / "helm"
    )
    text = machine.runner.run(command).stdout
    write_whole(kept, text)
    for old in sorted(folder.glob("*.yaml"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
    return text


def _key(job: ChartJob) -> str:
    """Name the result by everything it depends on: helm, Kubernetes, the chart's files, the values."""
    parts = [HELM.version, KUBERNETES_VERSION, job.release, job.namespace, job.values_text]
    for file in sorted(path for path in job.chart.rglob("*") if path.is_file()):
        parts += [file.relative_to(job.chart).as_posix(), file.read_text()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
