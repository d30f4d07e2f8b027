"""The golden trees: what kilter renders for each scenario, kept as files and compared byte for byte.

    python tests/golden/regenerate.py               render the expected trees anew
    python tests/golden/regenerate.py --helm PATH   render the charts with that helm first

A scenario is a folder with `kilter.yaml`, or below `releases/` one with `release.yaml`. `charts/` holds what helm
printed, so that the tests need no process. `kilterapps.crd.yaml` is the
CustomResourceDefinition of the platform.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from msgspec.structs import replace

from kilter.api.crd import crd_yaml
from kilter.catalog.load import entries
from kilter.project.load import load
from kilter.render.addresses import addresses, environment_text
from kilter.render.model import Plan
from kilter.render.plan import needed_credentials, needed_ports, pinned_ports, plan
from kilter.render.tree import ChartJob, RenderOptions, chart_jobs, render
from kilter.values import Credentials

HERE = Path(__file__).parent
SCENARIOS = tuple(sorted(file.parent.name for file in HERE.glob("*/kilter.yaml")))
CRD = HERE / "kilterapps.crd.yaml"
BASE = 30520
HELM_FLAGS = ["--kube-version", "1.37.0", "--include-crds"]
OPTIONS = RenderOptions(
    base=BASE,
    node_image="kindest/node:v1.37.0",
    cgroup_v1=True,
    ipv6=True,
    data_dir=Path("/home/ada/.local/share/kilter/volumes"),
    identity_dir=Path("/home/ada/.local/share/kilter/identity"),
    certs_dir=Path("/home/ada/.local/share/kilter/certs.d"),
)


def planned(scenario: str) -> Plan:
    """Plan a scenario as on a machine where its block begins at BASE and its source lies in /src."""
    project, catalog = load(HERE / scenario / "kilter.yaml"), entries()
    keys = [key for key in needed_ports(project, catalog) if key != "tilt"]
    ports = {key: BASE + number for number, key in enumerate(keys)} | {"tilt": BASE + 19}
    login = Credentials(project.name, "not-a-real-password", project.name)
    credentials = dict.fromkeys(needed_credentials(project, catalog), login)
    found = plan(project, catalog, ports | pinned_ports(project, catalog), credentials)
    return replace(found, root=Path("/src") / project.name)


def rendered(scenario: str) -> dict[str, str]:
    """Render a scenario from the stored output of helm; `env.txt` holds what `kilter env` prints."""
    found = planned(scenario)
    charts = {
        job.service: (HERE / scenario / "charts" / f"{job.service}.yaml").read_text() for job in chart_jobs(found)
    }
    return render(found, charts, OPTIONS) | {"env.txt": environment_text(addresses(found)) + "\n"}


def expected(scenario: str) -> dict[str, str]:
    """Read the stored tree of a scenario."""
    return expected_in(HERE / scenario)


def expected_in(scenario: Path) -> dict[str, str]:
    """Read the tree that is stored in a scenario's folder."""
    folder = scenario / "expected"
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


def helm_template(helm: str, job: ChartJob) -> str:
    """Render one chart with a real helm."""
    argv = [helm, "template", job.release, str(job.chart), "--namespace", job.namespace, "--values", "-"]
    argv += HELM_FLAGS
    return subprocess.run(argv, input=job.values_text, text=True, capture_output=True, check=True, timeout=90).stdout


def main() -> None:
    """Write the charts' output, if a helm is given, and the expected trees."""
    sys.path.append(str(HERE.parent))  # this file is run as a script
    from golden import release_trees

    parser = argparse.ArgumentParser(description="Render the golden trees anew.")
    parser.add_argument("--helm", help="helm binary to render the charts with")
    helm = parser.parse_args().helm
    CRD.write_text(crd_yaml())
    for scenario in SCENARIOS:
        if helm:
            write(HERE / scenario / "charts", printed(helm, chart_jobs(planned(scenario))))
        write(HERE / scenario / "expected", rendered(scenario))
        sys.stdout.write(f"{scenario}\n")
    for scenario in release_trees.SCENARIOS:
        folder = release_trees.HERE / scenario
        if helm:
            texts = printed(helm, release_trees.jobs(scenario))
            write(folder / "charts", texts | {"INPUTS": release_trees.inputs(scenario)})
        write(folder / "expected", release_trees.tree(scenario))
        sys.stdout.write(f"releases/{scenario}\n")


def printed(helm: str, jobs: list[ChartJob]) -> dict[str, str]:
    """Render charts with a real helm: file name to text."""
    return {f"{job.service}.yaml": helm_template(helm, job) for job in jobs}


def write(folder: Path, files: dict[str, str]) -> None:
    """Replace a folder by these files."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
