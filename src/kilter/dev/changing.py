"""Changes that kilter itself makes to a project's kilter.yaml; none of them is worth a failure."""

from collections.abc import Callable
from pathlib import Path

from kilter.errors import KilterError, in_one_line
from kilter.progress import Progress
from kilter.project import edit
from kilter.state.files import replace_text


def change(file: Path, progress: Progress, changed: Callable[[str], str]) -> None:
    """Replace the file by what `changed` makes of its text. One that cannot be edited is left, and is a warning."""
    try:
        before = edit.text_of(file)
        after = changed(before)
        if after != before:
            replace_text(file, after)
    except KilterError as error:
        progress.warn(f"{file} was left as it is: {in_one_line(error)}")
    except OSError as error:
        progress.warn(f"{file} was left as it is: {error.strerror or error}")
