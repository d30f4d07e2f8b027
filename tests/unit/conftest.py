"""What the unit tests share: they start no process and use no network."""

import io
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.stillness import STILLNESS

if DATABASE := os.environ.get("KILTER_TEST_POSTGRES"):
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(DATABASE)
    STILLNESS.allowed = frozenset({(str(given.get("host")), str(given.get("port", 5432)))})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Refuse it from here on, to the fixtures that are made for a test too."""
    STILLNESS.watching = True
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """Fail a test that did it all the same: what refused it was caught, or was in a thread."""
    try:
        yield
    finally:
        STILLNESS.watching = False
    STILLNESS.tell()


@pytest.fixture(autouse=True, scope="session")
def unwritten_disk() -> Iterator[None]:
    """Wait for no disk: no crash of the machine is tested here, and files written whole cost a second of waiting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def close(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Forbid to enter a folder, to root too, who may run the tests."""

    def closed(folder: Path) -> None:
        def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
            def refuse(path: Any, *rest: Any, **more: Any) -> Any:
                if not isinstance(path, int) and folder in Path(os.fsdecode(path)).parents:
                    raise PermissionError(13, "Permission denied", os.fsdecode(path))
                return real(path, *rest, **more)

            return refuse

        for module, name in ((os, "stat"), (os, "lstat"), (io, "open")):
            monkeypatch.setattr(module, name, refusing(getattr(module, name)))

    return closed
