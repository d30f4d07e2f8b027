"""A token is a canary here: it must reach the server, and be found nowhere else."""

import logging
import os
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from harness.repository import WRITER, Open, Repository, Serving, change

from kilter.gitops.model import Unpublished

SPELLINGS = (WRITER, b64encode(f"kilter:{WRITER}".encode()).decode())


class Watch:
    """The command lines of all processes of this machine, as often as they can be read."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self._over = threading.Event()

    def look(self) -> None:
        while not self._over.is_set():
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    with suppress(OSError):
                        self.lines.add((folder / "cmdline").read_bytes())

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self.look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def has_canary(data: bytes) -> bool:
    return any(spelling.encode() in data for spelling in SPELLINGS)


@pytest.mark.requirement("G5", "C16")
def test_the_token_is_in_no_argument_no_file_and_no_log(
    repository: Repository, service: Serving, writer: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    watch = Watch()
    remote = service.remote()
    with watch.watching():
        opened = writer(remote=remote)
        for number in range(8):
            future = opened.submit(change(text=f"a: {number}\n"))
            opened.flush()
            assert future.result(0).commit
    seen = [words for words in watch.lines if b"git" in words]
    assert any(b"push\0" in words for words in seen)  # else the watch was too slow to prove anything
    assert any(b"receive-pack" in words for words in seen)
    assert not [words for words in watch.lines if has_canary(words)]
    files = [file for folder in ("writers", "flux.git") for file in (tmp_path / folder).rglob("*") if file.is_file()]
    assert len(files) > 20
    assert not [file for file in files if has_canary(file.read_bytes())]
    assert "git-receive-pack" in caplog.text
    assert not has_canary(caplog.text.encode())


@pytest.mark.requirement("G5", "A1")
def test_the_token_is_in_no_error(service: Serving, writer: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service.tokens.write_text("")
    os.utime(service.tokens, ns=(1, 1))
    with pytest.raises(Unpublished) as caught:
        writer(remote=service.remote())
    error = caught.value
    for text in (repr(error), error.what, error.why, error.hint, *error.details, repr(error.__cause__), caplog.text):
        assert not has_canary(text.encode())
