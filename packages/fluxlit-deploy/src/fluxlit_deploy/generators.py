"""The table of generators and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fluxlit_deploy import advice, compose, edges, ignore_check, image, image_check, kubernetes, platforms
from fluxlit_deploy.compose.options import compose_table
from fluxlit_deploy.description import Project
from fluxlit_deploy.edges.options import edge_table
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.file import File
from fluxlit_deploy.finding import Finding
from fluxlit_deploy.kubernetes.options import cluster_table
from fluxlit_deploy.options import Options


@dataclass(frozen=True)
class Generator:
    """One kind of files.

    Attributes:
        wanted: whether the options ask for it.
        files: a pure function that makes the files.
        check: looks at the files of this kind in a folder, also at those written by hand; files that are
            not there are passed over.
    """

    wanted: Callable[[Options], bool]
    files: Callable[[Project, Options], tuple[File, ...]]
    check: Callable[[Project, Path], Iterable[Finding]]


def _nothing(_project: Project, _directory: Path) -> Iterable[Finding]:
    return ()


def _image(project: Project, directory: Path) -> Iterable[Finding]:
    return (*image_check.check(project, directory), *ignore_check.check(project, directory))


GENERATORS = (
    Generator(lambda options: options.image, image.files, _image),
    Generator(lambda options: options.compose, compose.compose_files, compose.check),
    Generator(lambda options: options.kubernetes, kubernetes.manifest_files, kubernetes.check),
    Generator(lambda options: options.helm, kubernetes.chart_files, _nothing),
    Generator(lambda options: options.platform is not None, platforms.platform_files, platforms.check),
    # The edge of a Compose file is written with it.
    Generator(lambda options: options.edge is not None and not options.compose, edges.edge_files, edges.check),
)


def generate(project: Project, options: Options) -> tuple[File, ...]:
    """Make every file that the options ask for, sorted by path.

    Raises:
        DeployError: the options do not fit the project or each other.
    """
    wanted = [each for each in GENERATORS if each.wanted(options)]
    files = [file for each in wanted for file in each.files(project, options)]
    if not wanted:
        raise DeployError("Nothing is left to write: the options leave out every file.")
    return tuple(sorted(files, key=lambda file: file.path))


def check(project: Project, directory: Path) -> tuple[Finding, ...]:
    """Check every file that is there, and the project itself; errors first."""
    found = [*advice.advise(project), *_tables(project)]
    found += [finding for each in GENERATORS for finding in each.check(project, directory)]
    return tuple(sorted(found, key=lambda item: (item.severity != "error", item.file, item.line or 0, item.id)))


def _tables(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the subtables of ``[build]``."""
    build = project.build
    readers: tuple[Callable[[], object], ...] = (
        lambda: compose_table(build.compose),
        lambda: edge_table(build.edge),
        lambda: cluster_table(build.kubernetes),
    )
    for read in readers:
        try:
            read()
        except DeployError as error:
            yield Finding("project-build", "error", "fluxlit.toml", None, str(error), "Correct it.")
