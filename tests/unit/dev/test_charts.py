"""The cache of rendered charts: shared by all projects of a user, and kept small."""

import os
from pathlib import Path

from fakes import FakeRunner
from unit.dev.support import machine

from kilter.dev import charts
from kilter.dev.charts import KEPT, render_charts
from kilter.render.tree import ChartJob
from kilter.tools import helm

BINARY = Path("/bin/helm")


def jobs(folder: Path, *services: str) -> list[ChartJob]:
    """A job for each service, of one chart."""
    chart = folder / "chart"
    chart.mkdir(exist_ok=True)
    (chart / "Chart.yaml").write_text("name: chart\n")
    return [ChartJob(name, chart, name, "shop-dev", "") for name in services]


def test_what_was_rendered_before_is_not_rendered_again_and_the_oldest_goes(tmp_path: Path) -> None:
    [job] = jobs(tmp_path, "redis")
    here = machine(tmp_path, FakeRunner())
    cache = here.paths.cache / "charts.d"
    command = helm.template(BINARY, "redis", job.chart, namespace="shop-dev", values="", scratch=cache / "helm")
    runner = FakeRunner({command.argv: "kind: StatefulSet\n"})
    here = machine(tmp_path, runner)
    cache.mkdir(parents=True)
    for number in range(KEPT):
        (cache / f"{number}.yaml").write_text("")
        os.utime(cache / f"{number}.yaml", (number, number))
    for _ in range(2):
        assert render_charts(here, BINARY, [job]) == {"redis": "kind: StatefulSet\n"}
    assert len(runner.commands) == 1
    left = {file.name for file in cache.glob("*.yaml")}
    assert (len(left), "0.yaml" in left, "1.yaml" in left) == (KEPT, False, True)


def test_files_that_another_up_removes_meanwhile_are_no_fault(tmp_path: Path) -> None:
    cache = tmp_path / "charts.d"
    cache.mkdir()
    for number in range(KEPT + 1):
        (cache / f"{number}.yaml").symlink_to("gone")  # listed, and not there when it is looked at
    charts._prune(cache)
