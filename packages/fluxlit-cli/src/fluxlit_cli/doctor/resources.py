"""Checks of the resources of the machine or container."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path

from fluxlit_cli.doctor.check import Check, Needs
from fluxlit_cli.doctor.machine import smallest_limit
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, failed, passed, skipped, warned

MIB = 1024 * 1024
# A session holds four descriptors in its worker and two in the gateway; a start needs about a hundred.
MIN_DESCRIPTORS, ENOUGH_DESCRIPTORS = 256, 4096
# Gateway and worker without visitors, and with a page that uses pandas. Measured, rounded up.
GATEWAY_START, WORKER_START = 90 * MIB, 70 * MIB
GATEWAY_BUSY, WORKER_BUSY = 128 * MIB, 256 * MIB
MIN_DISK, ENOUGH_DISK = 50 * MIB, 500 * MIB
# Threads count as processes: a worker runs each session's script in one.
MIN_PROCESSES, ENOUGH_PROCESSES = 32, 256
# sun_path holds 108 bytes on Linux (unix(7)); the longest name that FluxLit makes below a folder has 40.
LONGEST_FOLDER = 60


def file_descriptors(subject: Subject) -> Finding:
    """The limit of open files is high enough; FluxLit raises the soft one."""
    soft, hard = subject.machine.descriptors()
    if soft is None or hard is None:
        return passed("no limit")
    remedy = "ulimit -n 65536 in a shell, LimitNOFILE=65536 for systemd, --ulimit nofile=65536 for Docker."
    if hard < MIN_DESCRIPTORS:
        return failed(f"the process may open {hard} files at most, which is too few to start.", remedy)
    if hard < ENOUGH_DESCRIPTORS:
        return warned(f"the process may open {hard} files at most, enough for about {hard // 6} visitors.", remedy)
    return passed(f"{soft}, can be raised to {hard}")


def memory_limit(subject: Subject) -> Finding:
    """The container has enough memory for the workers."""
    limit = smallest_limit(subject.machine, "memory.max", "memory/memory.limit_in_bytes")
    if limit is None:
        return passed("no limit")
    workers = _workers(subject)
    start, busy = GATEWAY_START + workers * WORKER_START, GATEWAY_BUSY + workers * WORKER_BUSY
    detail = f"the limit is {limit // MIB} MiB, with {workers} worker{'s' if workers != 1 else ''}"
    if limit < start:
        return failed(
            f"{detail}; a start needs about {start // MIB} MiB.",
            f"Give the container {busy // MIB} MiB, or fewer workers.",
        )
    if limit < busy:
        return warned(
            f"{detail}; pages with data on them need about {busy // MIB} MiB.",
            f"Give the container {busy // MIB} MiB, or fewer workers.",
        )
    return passed(f"{limit // MIB} MiB")


def cpu_count(subject: Subject) -> Finding:
    """There are no more workers than processors."""
    cpus, workers = subject.machine.cpus(), _workers(subject)
    detail = f"{workers} worker{'s' if workers != 1 else ''} on {cpus} processor{'s' if cpus != 1 else ''}"
    if workers > cpus:
        return warned(
            f"{detail}: the workers compete for them, and each needs memory.",
            "Start fewer: streamlit_workers, api_workers.",
        )
    return passed(detail)


def temp_directory(subject: Subject) -> Finding:
    """Sockets can be created in the temporary folder."""
    remedy = "Mount a writable folder at /tmp (an emptyDir or tmpfs under a read-only root), or set TMPDIR."
    try:
        folder = Path(subject.machine.temp())
        with tempfile.TemporaryDirectory(prefix="fluxlit-", dir=folder) as made:
            if hasattr(socket, "AF_UNIX"):
                _listen_in(Path(made) if len(made) < LONGEST_FOLDER else Path("/tmp"))  # noqa: S108  (as rundir)
    except OSError as error:
        return failed(f"sockets cannot be created in the temporary folder: {error.strerror or error}.", remedy)
    return passed(str(folder))


def disk_space(subject: Subject) -> Finding:
    """The temporary folder has free space."""
    try:
        free = subject.machine.free_bytes(Path(subject.machine.temp()))
    except OSError as error:
        return skipped(f"unknown: {error.strerror or error}.")
    detail = f"{free // MIB} MiB are free for temporary files"
    if free < MIN_DISK:
        return failed(f"{detail}.", "Free disk space, or set TMPDIR to another folder.")
    if free < ENOUGH_DISK:
        return warned(f"{detail}.", "Free disk space, or set TMPDIR to another folder.")
    return passed(detail)


def home_directory(subject: Subject) -> Finding:
    """Streamlit can write to its folder in the home folder."""
    remedy = "Set HOME to a writable folder; only st.cache_data(persist=...) and Streamlit's own state need it."
    try:
        home = subject.machine.home()
    except RuntimeError as error:
        return warned(f"there is no home folder: {error}.", remedy)
    place = next((folder for folder in (home / ".streamlit", home) if folder.is_dir()), None)
    if place is None or not os.access(place, os.W_OK | os.X_OK):
        return warned(f"{place or home} is not writable, so Streamlit's files are lost.", remedy)
    return passed(str(home))


def process_limit(subject: Subject) -> Finding:
    """The container may run enough processes and threads."""
    limit = smallest_limit(subject.machine, "pids.max", "pids/pids.max")
    if limit is None:
        return passed("no limit")
    needed = MIN_PROCESSES + 16 * _workers(subject)
    detail = f"{limit} processes and threads are allowed"
    if limit < needed:
        return failed(f"{detail}; a start needs about {needed}.", "Raise --pids-limit, or podPidsLimit of the node.")
    if limit < ENOUGH_PROCESSES:
        return warned(f"{detail}; each running page is a thread.", "Raise --pids-limit, or podPidsLimit of the node.")
    return passed(detail)


def clock(subject: Subject) -> Finding:
    """The clock is not in the past.

    Certificates, tokens and sessions depend on it.
    """
    now = subject.machine.now()
    installed = Path(__file__).stat().st_mtime
    if now < installed - 24 * 3600:
        detail = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now))
        return failed(
            f"the clock shows {detail} UTC, which is before FluxLit was installed.", "Synchronise it with NTP."
        )
    return passed(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


def text_encoding(subject: Subject) -> Finding:
    """File names may contain any character."""
    encoding = subject.machine.encoding
    if encoding.lower().replace("-", "") != "utf8":
        return warned(f"file names are encoded as {encoding}.", "Set PYTHONUTF8=1, or LANG=C.UTF-8.")
    return passed(encoding)


def streamlit_files(subject: Subject) -> Finding:
    """Streamlit's front end is installed and can be read."""
    folder = subject.machine.package("streamlit")
    if folder is None:
        return failed("streamlit is not installed.", "pip install streamlit")
    index = folder / "static" / "index.html"
    if not index.is_file() or not os.access(index, os.R_OK):
        return failed(f"{index} cannot be read.", "Install Streamlit again: pip install --force-reinstall streamlit")
    return passed(str(index.parent))


def _workers(subject: Subject) -> int:
    settings = subject.settings
    return (settings.streamlit_workers if settings.streamlit_mode == "workers" else 1) + settings.api_workers


def _listen_in(folder: Path) -> None:
    path = folder / f"fluxlit-doctor-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(path))
            listener.listen(1)
        finally:
            path.unlink(missing_ok=True)


CHECKS = (
    Check("file-descriptors", "the limit of open files is high enough", file_descriptors, Needs.MACHINE),
    Check("memory-limit", "the container has enough memory for the workers", memory_limit),
    Check("cpu-count", "there are no more workers than processors", cpu_count),
    Check("process-limit", "the container may run enough processes and threads", process_limit),
    Check("temp-directory", "sockets can be created in the temporary folder", temp_directory, Needs.MACHINE),
    Check("disk-space", "the temporary folder has free space", disk_space, Needs.MACHINE),
    Check("home-directory", "Streamlit's folder in the home folder is writable", home_directory, Needs.MACHINE),
    Check("streamlit-files", "Streamlit's front end can be read", streamlit_files, Needs.MACHINE),
    Check("clock", "the clock is not in the past", clock, Needs.MACHINE),
    Check("text-encoding", "file names may contain any character", text_encoding, Needs.MACHINE),
)
