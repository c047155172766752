"""Debian packages that well-known distributions need."""

from __future__ import annotations

from collections.abc import Iterable

# To run.
_LIBRARIES = {
    "opencv-python": ("libgl1", "libglib2.0-0"),
    "opencv-contrib-python": ("libgl1", "libglib2.0-0"),
    "opencv-python-headless": ("libglib2.0-0",),
    "lightgbm": ("libgomp1",),
    "psycopg": ("libpq5",),
    "psycopg2": ("libpq5",),
    "mysqlclient": ("libmariadb3",),
    "pyodbc": ("unixodbc",),
    "python-magic": ("libmagic1",),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"),
    "cairosvg": ("libcairo2",),
    "pycairo": ("libcairo2",),
    "graphviz": ("graphviz",),
    "pydot": ("graphviz",),
    "pytesseract": ("tesseract-ocr",),
    "pdf2image": ("poppler-utils",),
    "pyaudio": ("libportaudio2",),
    "sounddevice": ("libportaudio2",),
    "pyzbar": ("libzbar0",),
    "pygraphviz": ("graphviz",),
    "ffmpeg-python": ("ffmpeg",),
    "moviepy": ("ffmpeg",),
    "pydub": ("ffmpeg",),
    "openai-whisper": ("ffmpeg",),
    "pypandoc": ("pandoc",),
    "ocrmypdf": ("ghostscript", "tesseract-ocr"),
    "camelot-py": ("ghostscript",),
    "tabula-py": ("default-jre-headless",),
    "pyspark": ("default-jre-headless",),
    "language-tool-python": ("default-jre-headless",),
    "pyvips": ("libvips42",),
    "mariadb": ("libmariadb3",),
}
# To be compiled: there are no wheels.
_HEADERS = {
    "psycopg2": ("gcc", "libc6-dev", "libpq-dev"),
    "mysqlclient": ("gcc", "libc6-dev", "libmariadb-dev", "pkg-config"),
    "mariadb": ("gcc", "libc6-dev", "libmariadb-dev"),
    "pygraphviz": ("gcc", "libc6-dev", "libgraphviz-dev", "pkg-config"),
    "uwsgi": ("gcc", "libc6-dev"),
    "dlib": ("cmake", "g++"),
    "pycairo": ("gcc", "libc6-dev", "libcairo2-dev", "pkg-config"),
    "pyaudio": ("gcc", "libc6-dev", "portaudio19-dev"),
}


def libraries(names: Iterable[str]) -> set[str]:
    """Return what some distributions need to run."""
    return {package for name in names for package in _LIBRARIES.get(name, ())}


def headers(names: Iterable[str]) -> set[str]:
    """Return what the installation of some distributions needs."""
    return {package for name in names for package in _HEADERS.get(name, ())}
