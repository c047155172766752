# ruff: noqa: INP001
"""The script that Streamlit runs for registered pages.

Streamlit puts this folder on the import path, so nothing else may live in it.
"""

from fluxlit.worker.app_context import run_entry

run_entry()
