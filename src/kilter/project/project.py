"""The project as the rest of kilter sees it: a name, a directory, a configuration, and its components."""

import os
from pathlib import Path

import msgspec

from kilter.errors import BadInput
from kilter.project import dockerfile as dockerfiles
from kilter.project.faults import Fault, InvalidProject
from kilter.project.listing import fault_at
from kilter.project.model import Component, Config
from kilter.project.source import Source
from kilter.values import Value

DOCKERFILE = "Dockerfile"
EXAMPLE_PORT = 8080


class Project(Value, frozen=True):
    """A validated project. `root` is its directory and `file` its `kilter.yaml`, both absolute."""

    name: str
    root: Path
    file: Path
    config: Config
    source: Source | None = None

    hidden = ("source",)

    @property
    def says_stopped(self) -> bool:
        """Whether the file says that the cluster was stopped; the container alone decides (LC-Q13)."""
        return bool(self.config.cluster and self.config.cluster.stopped)

    def components(self, stage: str = "dev") -> dict[str, Component]:
        """Return the project's apps by name, the primary one marked; empty for a project of services only.

        A one-component app stands at the top level of `kilter.yaml` and is named after the project. In what is
        returned `port` is never None (0: no port), and `dockerfile` is None exactly when `image` is set. A port that
        is not written is the one that `stage` of the Dockerfile exposes, the last stage where there is none such.
        Raises InvalidProject when a component has nothing to run, no known port, or leaves the project.
        """
        faults: list[Fault] = []
        written = self.config.components or self._single()
        found = {name: self._completed(name, component, stage, faults) for name, component in written.items()}
        if self.config.processes and not found:
            message = f"processes run the app's image, but there is no app: add a {DOCKERFILE} or `image:`"
            faults.append(self.fault(("processes",), message))
        if not self.config.components and self.name in found:
            faults += self._clashes()
        if faults:
            raise InvalidProject(self.file.name, faults)
        primary = next((name for name, component in found.items() if component.primary), next(iter(found), ""))
        return {name: msgspec.structs.replace(component, primary=name == primary) for name, component in found.items()}

    def dockerfile(self, component: Component) -> dockerfiles.Dockerfile | None:
        """Return the component's Dockerfile as read, or None when it runs a given image; raises BadInput."""
        if component.dockerfile is None:
            return None
        place = self.inside(component.path) / component.dockerfile
        try:
            return dockerfiles.read(place.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            hint = "it must be a text file in UTF-8 that you may read"
            raise BadInput(f"{place} cannot be read", why=str(error), hint=hint) from None

    def target(self, component: Component, wanted: str = "dev") -> str | None:
        """Return the build target: the stage named `wanted` if the Dockerfile has it, else None for the last stage.

        Local builds want `dev`, deploys want `release`.
        """
        found = self.dockerfile(component)
        return wanted if found is not None and found.stage(wanted) is not None else None

    def inside(self, path: str) -> Path:
        """Return the absolute place of a project-relative path.

        Raises BadInput when it leads out, by links too, or cannot be followed: links in a circle, say.
        """
        root = self.root.resolve()
        try:
            place = Path(os.path.realpath(root / path, strict=True))
        except (FileNotFoundError, NotADirectoryError):
            place = Path(os.path.realpath(root / path))  # what is missing is for the caller to tell
        except OSError as error:
            raise BadInput(f"{path} cannot be followed", why=error.strerror or str(error)) from None
        if not place.is_relative_to(root):
            raise BadInput(f"{path} leads out of the project", why=f"it is {place}")
        return place

    def _single(self) -> dict[str, Component]:
        config = self.config
        declared = bool(config.image or config.port is not None or config.env or config.processes)
        builds = has_dockerfile(self.root)
        if not declared and not builds:
            return {}
        if config.processes and not (config.image or config.port is not None or builds):
            return {}
        return {self.name: Component(image=config.image, port=config.port, env=config.env, primary=True)}

    def _path(self, name: str) -> tuple[str | int, ...]:
        return ("components", name) if self.config.components else ()

    def _completed(self, name: str, component: Component, stage: str, faults: list[Fault]) -> Component:
        """Return the component with Dockerfile and port filled in; adds to `faults` what keeps it from running."""
        where = self._path(name)
        try:
            directory = self.inside(component.path)
            file = component.dockerfile or DOCKERFILE
            self.inside(f"{component.path}/{file}")
        except BadInput as error:
            faults.append(self.fault((*where, "path"), f"{error.what}: {error.why}"))
            return component
        if component.image is None and not (dockerfile := directory / file).is_file():
            place = f"{component.path}/{file}".removeprefix("./")
            link = dockerfile.readlink() if dockerfile.is_symlink() else None
            missing = f"{place} is a link to {link}, which is no file" if link else f"add the file {place}, or `image:`"
            faults.append(self.fault(where, f"{name} has nothing to run: {missing}"))
            return component
        completed = msgspec.structs.replace(component, dockerfile=None if component.image else file)
        port = component.port if component.port is not None else self._exposed(name, completed, stage, faults)
        return msgspec.structs.replace(completed, port=port)

    def _exposed(self, name: str, component: Component, stage: str, faults: list[Fault]) -> int:
        found, target = self.dockerfile(component), self.target(component, stage)
        ports = found.exposed_by(target) if found else ()
        place = f"the stage {target} of its Dockerfile" if target else "its Dockerfile"
        if len(ports) == 1:
            return ports[0]
        if found is None:
            why = "an image does not tell its port here"
        elif ports:
            why = f"{place} exposes {', '.join(map(str, ports))}"
        else:
            why = f"{place} has no EXPOSE with the number of a port"
        elsewhere = ports or (found.exposed_by(None) if found else ())  # a stage `dev` often leaves it to the last one
        port = next(iter(elsewhere), EXAMPLE_PORT)
        message = f"the port of {name} is not known ({why}): add `port: {port}`, or `port: 0` if it listens on none"
        faults.append(self.fault(self._path(name), message))
        return 0

    def _clashes(self) -> list[Fault]:
        """Return a fault when a service or process has the name of the one app."""
        places = [(kind, self.name) for kind in ("services", "processes") if self.name in getattr(self.config, kind)]
        message = f"the app itself is named '{self.name}', after the project; give this another name"
        return [self.fault(place, message) for place in places]

    def fault(self, path: tuple[str | int, ...], message: str) -> Fault:
        """Build a fault placed at the key of `path` in the project's file."""
        if self.source is None:
            return Fault(self.file.name, 1, 1, ".".join(map(str, path)), message)
        return fault_at(self.source, path, message, at_key=True)


def has_dockerfile(directory: Path) -> bool:
    """Tell whether a directory's app is built by a Dockerfile; one that is a link to nowhere is a fault, not no app."""
    file = directory / DOCKERFILE
    return file.is_file() or file.is_symlink()
