"""Rendering the catalog's charts: one helm per service, all at once, and none for what was rendered before."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
    folder = machine.paths.cache / "charts.d"
    with ThreadPoolExecutor(max_workers=4) as pool:
        texts = list(pool.map(lambda job: _render(machine, binary, job, folder), jobs))
    _prune(folder)
    return dict(zip((job.service for job in jobs), texts, strict=True))


def _render(machine: Machine, binary: Path, job: ChartJob, folder: Path) -> str:
    kept = folder / f"{_key(job)}.yaml"
    try:
        return kept.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    command = helm.template(
        binary, job.release, job.chart, namespace=job.namespace, values=job.values_text, scratch=folder / "helm"
    )
    text = machine.runner.run(command).stdout
    write_whole(kept, text)
    return text


def _prune(folder: Path) -> None:
    """Remove all but the newest; another project's `up` may be doing the same."""
    ages = dict[Path, float]()
    for file in folder.glob("*.yaml"):
        with suppress(FileNotFoundError):
            ages[file] = file.stat().st_mtime
    for old in sorted(ages, key=ages.__getitem__)[:-KEPT]:
        old.unlink(missing_ok=True)


def _key(job: ChartJob) -> str:
    """Name the result by everything it depends on: helm, Kubernetes, the chart's files, the values."""
    parts = [HELM.version, KUBERNETES_VERSION, job.release, job.namespace, job.values_text]
    for file in sorted(path for path in job.chart.rglob("*") if path.is_file()):
        parts += [file.relative_to(job.chart).as_posix(), file.read_text(encoding="utf-8")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
