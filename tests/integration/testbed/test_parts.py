"""Programs that the testbed writes, run."""

import os
import subprocess
from pathlib import Path

from testbed import golang, programs
from testbed.home import Home
from testbed.work import Work


def test_a_go_that_was_removed_from_the_machine_is_noticed(tmp_path: Path) -> None:
    own = tmp_path / "my disk/go"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho go version go1.27.0 linux/amd64\n")
    own.chmod(0o755)
    home = Home(tmp_path / "cache", tmp_path / "run")
    home.logs.mkdir(parents=True)
    target = tmp_path / "artefact"
    golang.toolchain(Work(home, "go", {"PATH": f"{own.parent}:{os.environ['PATH']}"}), target)
    assert subprocess.run([target / "go"], check=True, capture_output=True).stdout.startswith(b"go version go1.27.0")
    assert golang.leads_somewhere(target)
    own.unlink()
    assert not golang.leads_somewhere(target)
    assert not golang.leads_somewhere(tmp_path / "none")


def test_the_kernels_tables_are_reached_from_a_folder_of_any_name(tmp_path: Path) -> None:
    tree, tools = tmp_path / "my disk/tree/usr/sbin", tmp_path / "my disk/tools"
    tree.mkdir(parents=True)
    tools.mkdir()
    (tree / "xtables-nft-multi").write_text('#!/bin/sh\necho "$XTABLES_LIBDIR $*"\n')
    (tools / "iptables").write_text(programs.WRAPPER.format(name="iptables"))
    for program in (tree / "xtables-nft-multi", tools / "iptables"):
        program.chmod(0o755)
    told = subprocess.run([tools / "iptables", "-V"], check=True, capture_output=True, text=True).stdout
    assert told == f"{tools}/../tree/usr/lib/x86_64-linux-gnu/xtables iptables -V\n"
