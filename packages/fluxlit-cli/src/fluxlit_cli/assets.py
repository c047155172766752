"""`fluxlit assets`: compress Streamlit's front end ahead of time."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import typer

from fluxlit_cli import exit_codes, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxlit.frontend.precompression import Prepared


def assets() -> int:
    """Compress Streamlit's front end ahead of time.

    For container images and slow machines. The result goes into the Python environment or, if that is not writable,
    into the user's cache. Without this command the gateway compresses each file when a browser first requests it.
    """
    from fluxlit._internal.cpus import usable_cpus  # noqa: PLC0415  (of another distribution)
    from fluxlit.frontend import Cache, Files  # noqa: PLC0415
    from fluxlit.frontend.precompression import prepare  # noqa: PLC0415

    files = Files.of_streamlit()
    if files is None:
        output.error("Streamlit is not installed, so there is nothing to compress. Install fluxlit-gateway.")
        return exit_codes.FAILURE
    shelf = Cache.to_fill(files.version)
    if shelf is None:
        output.error(
            "Neither the Python environment nor your cache has a folder that only you may write. "
            "Set XDG_CACHE_HOME to one, for this command and for `fluxlit run`."
        )
        return exit_codes.FAILURE
    try:
        found = list(_with_progress(*prepare(files, shelf, threads=usable_cpus())))
    except OSError as error:
        output.error(f"The compressed files cannot be written to {shelf.writable}: {error.strerror or error}.")
        return exit_codes.FAILURE
    size, compressed = sum(each.size for each in found), sum(each.compressed for each in found)
    output.write(
        f"{len(found)} files of Streamlit {files.version}: {size / 1e6:.1f} MB, with Brotli {compressed / 1e6:.1f} MB, "
        f"in {shelf.writable}"
    )
    return exit_codes.SUCCESS


def _with_progress(total: int, prepared: Iterator[Prepared]) -> Iterator[Prepared]:
    """Yield prepared files; shows a progress bar on a terminal."""
    with contextlib.ExitStack() as stack:
        bar = None
        if sys.stderr is not None and sys.stderr.isatty():
            bar = stack.enter_context(typer.progressbar(length=total, label="Compressing", file=sys.stderr))
        for each in prepared:
            yield each
            if bar is not None:
                bar.update(each.size)
