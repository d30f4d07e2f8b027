"""Stages, their content keys and their order: pure, no process is started here."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Build = Callable[[Any, Path], None]
DEMO = "demo"
ALL = "all"


@dataclass(frozen=True)
class Stage:
    """One step: what it makes, from what and for whom, and how long that usually takes on two cores."""

    name: str
    title: str
    build: Build
    needs: tuple[str, ...] = ()
    recipe: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    usual: float = 5.0
    compiles: bool = False
    cached: bool = True
    purpose: str = DEMO
    sound: Callable[[Path], bool] = Path.is_dir  # whether a finished artefact can still be used


class UnknownStage(ValueError):
    """A stage was asked for by a name that does not exist."""


def recipe_files(root: Path, recipe: Iterable[str]) -> list[Path]:
    """Every file named by a recipe, folders walked, in a stable order."""
    found: list[Path] = []
    for entry in recipe:
        path = root / entry
        inside = sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        found.extend(inside if path.is_dir() else [path])
    return found


def digest(root: Path, stage: Stage, keys: Mapping[str, str]) -> str:
    """The key of a stage: what it is made of, including the keys of the stages it stands on."""
    total = hashlib.sha256()
    for part in (stage.name, *stage.pins, *(f"{need}={keys[need]}" for need in sorted(stage.needs))):
        total.update(part.encode() + b"\0")
    for path in recipe_files(root, stage.recipe):
        executable = path.stat().st_mode & 0o100
        total.update(f"{path.relative_to(root)}\0{executable}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def keys_of(root: Path, stages: Sequence[Stage]) -> dict[str, str]:
    """The keys of all stages; `stages` is in an order in which needs come first."""
    keys: dict[str, str] = {}
    for stage in stages:
        keys[stage.name] = digest(root, stage, keys)
    return keys


def purposes(stages: Sequence[Stage]) -> list[str]:
    """What stages can be made for: the demo, which is the ground of all, each further purpose, and all of them."""
    return list(dict.fromkeys((DEMO, *(stage.purpose for stage in stages), ALL)))


def serves(stage: Stage, purpose: str) -> bool:
    """Whether a stage belongs to a purpose; those of the demo belong to every one."""
    return purpose == ALL or stage.purpose in (DEMO, purpose)


def selection(stages: Sequence[Stage], only: Iterable[str], purpose: str = ALL) -> list[Stage]:
    """The stages asked for, or else those of a purpose, with everything they need, in table order."""
    table = {stage.name: stage for stage in stages}
    wanted: set[str] = set()
    queue = list(only) or [stage.name for stage in stages if serves(stage, purpose)]
    while queue:
        name = queue.pop()
        if name not in table:
            raise UnknownStage(f"no stage {name!r}; there are {', '.join(table)}")
        if name not in wanted:
            wanted.add(name)
            queue.extend(table[name].needs)
    return [stage for stage in stages if stage.name in wanted]


def startable(todo: Sequence[Stage], done: set[str], running: Sequence[Stage], limit: int) -> list[Stage]:
    """The stages that may start now: needs met, one compile at a time, at most `limit` others beside it."""
    picked: list[Stage] = []
    compiling = any(stage.compiles for stage in running)
    others = sum(not stage.compiles for stage in running)
    for stage in todo:
        if not set(stage.needs) <= done:
            continue
        if stage.compiles and not compiling:
            compiling = True
            picked.append(stage)
        elif not stage.compiles and others < limit:
            others += 1
            picked.append(stage)
    return picked


def time_left(todo: Sequence[Stage], running: Mapping[str, float], usual: Mapping[str, float]) -> float:
    """Seconds that are probably left: the compiles follow each other, so do the others; the longer row counts."""
    rows = {True: 0.0, False: 0.0}
    for stage in todo:
        spent = running.get(stage.name, 0.0)
        rows[stage.compiles] += max(usual.get(stage.name, stage.usual) - spent, 0.0)
    return max(rows.values())
