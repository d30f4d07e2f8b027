"""Writes the definition of KilterApp, which follows from the types of `kilter.api`, into the chart that installs it."""

from pathlib import Path

from kilter.api.crd import crd_yaml
from kilter.render.charts import chart

FILE = Path("files/kilter/kilter.dev_kilterapps.yaml")


def main() -> None:
    """Write the file."""
    file = chart("kilter-platform-crds") / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(crd_yaml(), encoding="utf-8")


if __name__ == "__main__":
    main()
