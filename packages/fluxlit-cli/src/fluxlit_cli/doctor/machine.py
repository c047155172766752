"""The machine that checks examine; tests replace it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from fluxlit._internal.cpus import CGROUPS, OWN_CGROUP, usable_cpus


@dataclass(frozen=True)
class Machine:
    """A machine, seen from one process.

    Attributes:
        python: version of Python.
        system: name of the operating system, from `platform.system`.
        environ: the environment.
        encoding: encoding of file names.
        cgroups: where control groups are mounted.
        own_cgroup: the file that names the group of this process.
        distributions: the installed distributions.
        now: seconds since the epoch.
        cpus: processors that this process may use.
        descriptors: soft and hard limit of open files; `None` for no limit.
        free_bytes: free space of the file system of a folder.
        temp: folder for temporary files.
        home: home folder.
        package: folder of an installed package.
    """

    python: tuple[int, int, int] = field(default_factory=lambda: sys.version_info[:3])
    system: str = field(default_factory=platform.system)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    encoding: str = field(default_factory=sys.getfilesystemencoding)
    cgroups: Path = CGROUPS
    own_cgroup: Path = OWN_CGROUP
    distributions: Callable[[], Iterable[metadata.Distribution]] = metadata.distributions
    now: Callable[[], float] = time.time
    cpus: Callable[[], int] = usable_cpus
    descriptors: Callable[[], tuple[int | None, int | None]] = lambda: descriptor_limits()  # noqa: PLW0108  (below)
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    temp: Callable[[], str] = tempfile.gettempdir
    home: Callable[[], Path] = Path.home
    package: Callable[[str], Path | None] = lambda name: package_folder(name)  # noqa: PLW0108  (below)


def package_folder(name: str) -> Path | None:
    """Return the folder of a package without importing it."""
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) if places else None


def descriptor_limits() -> tuple[int | None, int | None]:
    """Return the soft and the hard limit of open files."""
    try:
        import resource  # noqa: PLC0415  (POSIX only)
    except ImportError:
        return None, None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (None if limit == resource.RLIM_INFINITY else limit for limit in limits)
    return soft, hard


def group_folders(machine: Machine) -> list[Path]:
    """Return the folders of the process's cgroup and its parents (v2)."""
    lines = machine.own_cgroup.read_text("utf-8").splitlines() if machine.own_cgroup.is_file() else []
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
    folder = machine.cgroups / own.strip("/")
    return [group for group in (folder, *folder.parents) if group.is_relative_to(machine.cgroups)]


def smallest_limit(machine: Machine, name: str, *first_version: str) -> int | None:
    """Return the lowest of the limits on this process, `None` if none.

    Args:
        machine: the machine.
        name: file of version 2 (cgroups(7)), such as ``memory.max``, in its own group and in every parent.
        first_version: paths of version 1 below the mount.
    """
    files = [folder / name for folder in group_folders(machine)]
    files += [machine.cgroups / path for path in first_version]
    found = [limit for file in files if (limit := _number(file)) is not None]
    return min(found, default=None)


def _number(file: Path) -> int | None:
    """Read a limit; ``max``, and in v1 a number near 2**63, mean none."""
    try:
        text = file.read_text("ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 2**62 else None
