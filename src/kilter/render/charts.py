"""Where the charts of the platform are: `charts/<name>/` of the package, as the catalog's are beside their entries."""

from pathlib import Path

CHARTS = Path(__file__).parent.parent / "charts"
APP = "kilter-app"


def chart(name: str) -> Path:
    """Return the folder of one of the platform's charts."""
    return CHARTS / name
