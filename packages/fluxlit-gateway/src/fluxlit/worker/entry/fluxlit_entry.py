# ruff: noqa: INP001
"""The script that Streamlit runs for registered pages.

Streamlit puts this folder on the import path, so nothing else may live in it.
"""

from fluxlit.worker.app_context import run_entry

# Processes that a page starts by "spawn" or "forkserver" import this file again, under another name.
if __name__ == "__main__":
    run_entry()
