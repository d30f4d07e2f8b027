"""What the benchmarks ask other programs."""

from datetime import UTC, datetime
from pathlib import Path

from bench.__main__ import Report
from bench.subject import subject


def test_a_result_says_of_which_checkout_and_image_it_is(tmp_path: Path) -> None:
    answers = {
        "git": "echo 0123abc-dirty",
        "docker": '[ "$*" = "image inspect --format {{.Id}} kilter:dev" ] && echo sha256:1',
    }
    for name, answer in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    assert subject({"PATH": str(tmp_path)}) == {"commit": "0123abc-dirty", "image": "sha256:1"}
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "git").unlink()
    assert subject({"PATH": str(tmp_path)}) == {"commit": None, "image": None}
    assert subject().keys() <= Report().document("kilter", datetime.now(UTC)).keys()
