"""Streamlit's front end: its files, compressed variants and cache."""

from fluxlit.frontend.cache import Cache
from fluxlit.frontend.content_negotiation import chosen, matches
from fluxlit.frontend.files import Asset, Files
from fluxlit.frontend.shared_files import SharedFiles, store_of
from fluxlit.frontend.variants import ENCODINGS, Variants

__all__ = [
    "ENCODINGS",
    "Asset",
    "Cache",
    "Files",
    "SharedFiles",
    "Variants",
    "chosen",
    "matches",
    "store_of",
]
