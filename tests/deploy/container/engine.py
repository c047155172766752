"""Build images with buildah and run them with runc, as root.

The base image stands in for the official one, which cannot be fetched everywhere: Debian with Python and pip, unpacked
once and kept in `.tools/`.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.support.debian import RELEASE, mirror
from tests.support.kept import TOOLS, kept

DOWNLOADS = TOOLS / "containers" / "buildah-cache"
MEMORY = Path("/dev/shm")
_ROOM = 8 << 30  # more than all images of a run, as copies too
BASE = "docker.io/library/python:3.12-slim"
_PACKAGES = ("?priority(required)", "usr-is-merged", "python3", "python3-pip", "ca-certificates")
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MERGED = ("bin", "sbin", "lib", "lib64")
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale")
# What the scripts of packages copy.
_COPIED = {
    "usr/share/base-passwd/passwd.master": "etc/passwd",
    "usr/share/base-passwd/group.master": "etc/group",
    "usr/share/libc-bin/nsswitch.conf": "etc/nsswitch.conf",
}


def run(*command: str, cwd: Path | None = None, **environ: str) -> str:
    """Run a command; its output explains a failure."""
    variables = {**os.environ, **environ}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


class Engine:
    """A store of images in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        assert os.geteuid() == 0, (
            "These tests build and run containers with buildah, chroot and runc: run them as root."
        )
        self._folder = folder
        self._temporary = folder / "tmp"
        if not self._temporary.exists():
            self._temporary.mkdir()
            DOWNLOADS.mkdir(parents=True, exist_ok=True)
            (self._temporary / "buildah-cache").symlink_to(DOWNLOADS)  # where a build's RUN --mount=type=cache is
        self._store = ("--root", str(folder / "store"), "--runroot", str(folder / "run"), *_driver(folder / "store"))

    def buildah(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run a buildah command on this store."""
        return run("buildah", *self._store, *arguments, cwd=cwd, TMPDIR=str(self._temporary))

    def make_base(self) -> None:
        """Put the base image under the name that Dockerfiles expect."""
        container = self.buildah("from", "scratch")
        mounted = Path(self.buildah("mount", container))
        with tarfile.open(base_archive()) as archive:
            archive.extractall(mounted, filter="fully_trusted")
        self.buildah("commit", "--rm", container, BASE)

    def build(self, project: Path, tag: str, *more: str) -> None:
        """Build the Dockerfile of a folder."""
        certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
        options = ("--pull-never", "--isolation", "chroot", "--format", "docker", "-v", certificates)
        self.buildah("bud", *options, "--build-arg", f"PYTHON_IMAGE={BASE}", *more, "-t", tag, ".", cwd=project)

    def config(self, tag: str) -> dict[str, Any]:
        """The configuration of the image."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", tag))["Docker"]["config"]
        return found

    def unpack(self, tag: str) -> Path:
        """The image's files."""
        return Path(self.buildah("mount", self.buildah("from", "--pull-never", tag)))

    def remove(self) -> None:
        """Remove everything; first what is mounted."""
        try:
            self.buildah("rm", "--all")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def folder_for_images(disk: Path) -> Path:
    """Return a folder in memory if there is room, else the one on the disk.

    No image is kept, and most of the time would go into writing and deleting many small files.
    """
    if not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return disk
    if min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) < _ROOM:
        return disk
    for left in MEMORY.glob("fluxlit-images-*"):
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):  # its tests were killed
            with contextlib.suppress(AssertionError):
                Engine(left).remove()
    folder = MEMORY / f"fluxlit-images-{os.getpid()}"
    folder.mkdir()
    return folder


def _driver(store: Path) -> tuple[str, ...]:
    """How images are stored: as layers where the kernel can stack them here.

    Where it cannot, as in many containers, each image is a copy.
    """
    stacked = ("--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true")
    if not store.exists():
        with TemporaryDirectory(dir=store.parent) as empty:
            tried = ("buildah", "--root", f"{empty}/store", "--runroot", f"{empty}/run", *stacked, "info")
            works = subprocess.run(tried, capture_output=True, check=False).returncode == 0
        (store / ("overlay" if works else "vfs")).mkdir(parents=True)
    return stacked if (store / "overlay").is_dir() else ("--storage-driver", "vfs")


def base_archive() -> Path:
    """The base image's files, made on first use."""
    return kept(f"unpacked-base-image-{RELEASE}", _make_base_archive) / "files.tar"


def _make_base_archive(folder: Path) -> None:
    """Unpack Debian's packages, without the scripts that they run.

    Those take most of an installation's time.
    """
    tree, apt = folder / "files", folder / "apt"
    for name in ("dev", "proc", "sys", "tmp", "usr/local/bin", "var/lib/dpkg", *(f"usr/{each}" for each in _MERGED)):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in _MERGED:
        (tree / name).symlink_to(f"usr/{name}")
    unpack = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --keep-directory-symlink --directory "$1"'
    status = []
    for package in _downloaded(apt):
        run("bash", "-euo", "pipefail", "-c", unpack, str(package), str(tree))
        status.append(f"{run('dpkg-deb', '--field', str(package))}\nStatus: install ok installed\n\n")
    (tree / "var/lib/dpkg/status").write_text("".join(status))
    (tree / "etc/apt/sources.list").write_text(f"deb {mirror()} {RELEASE} main\n")
    for source, target in _COPIED.items():
        shutil.copy(tree / source, tree / target)
    run("chroot", str(tree), "python3", "-m", "compileall", "-q", "-x", "lib2to3", "/usr/lib/python3.11")
    for name in _UNUSED:
        shutil.rmtree(tree / name, ignore_errors=True)
    # The official image's pip installs into the system, and its interpreter is called python.
    (tree / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink(missing_ok=True)
    (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    run("tar", "--numeric-owner", "-C", str(tree), "-cf", str(folder / "files.tar"), ".")
    shutil.rmtree(tree)
    shutil.rmtree(apt)


def _downloaded(folder: Path) -> list[Path]:
    """Packages and all that they need, fetched as on an empty machine."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYS}] {mirror()} {RELEASE} main\n")
    places = {"State": "state", "Cache": "cache", "Etc::sourcelist": "sources.list"}
    options = [f"--option=Dir::{name}={folder / place}" for name, place in places.items()]
    options += ["--option=Dir::State::status=/dev/null", "--option=Dir::Etc::sourceparts=/dev/null"]
    options += ["--option=Acquire::Languages=none", "--option=APT::Sandbox::User=root"]
    run("apt-get", *options, "update")
    run("apt-get", *options, "install", "--yes", "--no-install-recommends", "--download-only", *_PACKAGES)
    return sorted((folder / "cache/archives").glob("*.deb"))


def bundle(folder: Path, files: Path, config: dict[str, Any], environ: dict[str, str]) -> Path:
    """Write a bundle for an OCI runtime, without capabilities."""
    user, group = map(int, config["User"].split(":"))
    folder.mkdir()
    none: dict[str, list[str]] = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    described = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": user, "gid": group},
            "args": config["Cmd"],
            "env": [*config["Env"], *(f"{name}={value}" for name, value in environ.items())],
            "cwd": config["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": none,
        },
        "root": {"path": str(files), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
    }
    (folder / "config.json").write_text(json.dumps(described))
    return folder
