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
    """Compress Streamlit's front end ahead of time, for an image or for the first visitor of a slow machine.

    The result goes into the Python environment; where that is not writable, into the user's cache. Without this
    command the gateway compresses each file quickly when a browser first asks for it, and better soon after.
    """
    from fluxlit._internal.cpus import usable_cpus  # noqa: PLC0415  (of another distribution)
    from fluxlit.frontend import Cache, Files  # noqa: PLC0415
    from fluxlit.frontend.precompression import prepare  # noqa: PLC0415

    files = Files.of_streamlit()
    if files is None:
        output.error("Streamlit is not installed here, so there is nothing to compress. Install fluxlit-gateway.")
        return exit_codes.FAILURE
    shelf = Cache.to_fill(files.version)
    if shelf is None:
        output.error(
            "There is no folder that only you may write, neither in the Python environment nor in your cache. "
            "Set XDG_CACHE_HOME to one, for this command and for `fluxlit run`."
        )
        return exit_codes.FAILURE
    try:
        found = list(_followed(*prepare(files, shelf, threads=usable_cpus())))
    except OSError as error:
        output.error(f"The compressed files could not be kept in {shelf.writable}: {error.strerror or error}.")
        return exit_codes.FAILURE
    size, compressed = sum(each.size for each in found), sum(each.compressed for each in found)
    output.say(
        f"{len(found)} files of Streamlit {files.version}: {size / 1e6:.1f} MB are {compressed / 1e6:.1f} MB "
        f"as Brotli, in {shelf.writable}"
    )
    return exit_codes.SUCCESS


def _followed(total: int, prepared: Iterator[Prepared]) -> Iterator[Prepared]:
    """Hand on what is prepared, with a progress bar where a person looks on."""
    with contextlib.ExitStack() as stack:
        bar = None
        if sys.stderr is not None and sys.stderr.isatty():
            bar = stack.enter_context(typer.progressbar(length=total, label="Compressing", file=sys.stderr))
        for each in prepared:
            yield each
            if bar is not None:
                bar.update(each.size)
