"""Targets: "module:attribute" or "./file.py:attribute"."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fluxlit._internal import tracebacks
from fluxlit._internal.lazy import attributes
from fluxlit.errors import FluxLitError, TargetError

DEFAULT_ATTRIBUTE = "app"
DEFAULT_TARGET = "app:app"


@dataclass(frozen=True)
class Target:
    """A place to import an application from.

    Attributes:
        module: dotted name of a module.
        attribute: dotted path of the object in it.
        directory: directory that must be importable for it, `None` for the working directory.
    """

    module: str
    attribute: str
    directory: Path | None = None

    @classmethod
    def parse(cls, text: str, directory: Path | None = None) -> Target:
        """Parse ``module[:attribute]`` or ``path/to/file.py[:attribute]``.

        Args:
            text: the target.
            directory: where its module is; `None` for the working directory.

        Raises:
            TargetError: the string is neither.
        """
        place, _, attribute = text.rpartition(":") if ":" in text else (text, "", "")
        attribute = attribute or DEFAULT_ATTRIBUTE
        if _is_path(place):
            path = Path(place).resolve()
            if not path.is_file():
                raise TargetError(text, f"Target {text!r}: there is no file {path}.")
            module, directory = _importable(path)
            return cls(module, attribute, directory)
        if not all(part.isidentifier() for part in place.split(".") + attribute.split(".")):
            raise TargetError(
                text, f"Target {text!r} is not valid: write module:attribute, such as app:app, or ./file.py:attribute."
            )
        return cls(place, attribute, directory)

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"

    def load(self) -> object:
        """Import the application.

        The working directory, or that of the file, comes first on the import path.

        Raises:
            TargetError: there is no such module or attribute, or it is not a FluxLit object.
            Exception: any error of the user's module.
        """
        return self.found_in(self.import_module())

    def import_module(self) -> ModuleType:
        """Import the module.

        Raises:
            TargetError: there is no such module.
            Exception: any error of the user's module.
        """
        directory = str(self.directory or Path.cwd())
        if directory not in sys.path:
            sys.path.insert(0, directory)
        try:
            return importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name is None or not (self.module + ".").startswith(error.name + "."):
                raise
            raise TargetError(str(self), self._missing(error.name, directory)) from None

    def _missing(self, name: str, directory: str) -> str:
        return (
            f"Target {str(self)!r}: there is no module {name!r} in {directory} or on the import path. "
            f"Run the command in the project's directory, or pass the file: ./path/to/{name.rpartition('.')[2]}.py:"
            f"{self.attribute}."
        )

    def found_in(self, module: object) -> object:
        """Return the FluxLit object of an imported module.

        Raises:
            TargetError: there is no such attribute, or it is not a FluxLit object.
        """
        found = module
        for part in self.attribute.split("."):
            found = getattr(found, part, None)
        where = getattr(module, "__file__", None) or self.module
        if found is None:
            others = [name for name, value in vars(module).items() if is_application(value)]
            hint = f"Create one at its top level: {self.attribute} = FluxLit()."
            if others:
                hint = f"It has {', '.join(map(repr, others))}: did you mean {self.module}:{others[0]}?"
            raise TargetError(str(self), f"Target {str(self)!r}: {where} has no attribute {self.attribute!r}. {hint}")
        if not is_application(found):
            remedy = f"Write {self.attribute} = FluxLit(...), or pass the attribute that holds it."
            if is_streamlit_app(found):
                script = str(getattr(found, "script_path", "..."))
                remedy = f"Serve its script, as with `fluxlit run {script}`, or adopt it with FluxLit(ui={script!r}). "
                remedy += "Routes of its own belong to FluxLit(api=...)."
            raise TargetError(
                str(self),
                f"Target {str(self)!r}: {self.attribute!r} in {where} is {described(found)}, not "
                f"a FluxLit object. {remedy}",
            )
        return found


def anchored(text: str, directory: Path) -> str:
    """A target with its file, if it names one, relative to a directory."""
    place = text.rpartition(":")[0] or text
    return f"{directory / place}{text[len(place) :]}" if _is_path(place) else text


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place


def described(value: object) -> str:
    """What a value is, for messages: "an APIRouter", "the class Shop"."""
    for kind, test in (("class", inspect.isclass), ("module", inspect.ismodule), ("function", inspect.isroutine)):
        if test(value):
            return f"the {kind} {getattr(value, '__name__', value)}"
    name = type(value).__name__
    return f"{'an' if name.lstrip('_')[:1].lower() in 'aeio' else 'a'} {name}"


def is_application(value: object) -> bool:
    """Whether a value is a FluxLit object; does not import the class."""
    return getattr(type(value), "is_fluxlit", False) is True


def is_streamlit_app(value: object) -> bool:
    """Whether a value is Streamlit's ASGI application."""
    return type(value).__module__.partition(".")[0] == "streamlit" and hasattr(value, "script_path")


def locate(application: object) -> Target | None:
    """Return a target from which other processes can import an object.

    Returns:
        `None` if it is in no importable module, but in a function or in ``__main__``.
    """
    for name, module in list(sys.modules.items()):
        found = attributes(module)
        if name == "__main__" or found.get("__spec__") is None:
            continue
        for attribute, value in list(found.items()):
            if value is application and attribute.isidentifier():
                return Target(name, attribute)
    return None


def load(text: str, directory: Path | None = None) -> object:
    """Load the application of a target.

    Args:
        text: the target.
        directory: where its module is; `None` for the working directory.

    Raises:
        TargetError: the import failed. The message has file and line; the user's exception is the cause.
    """
    target = Target.parse(text, directory)
    with import_errors(text):
        return target.load()


@contextlib.contextmanager
def import_errors(text: str) -> Iterator[None]:
    """Raise errors of the user's module as `TargetError` with file and line."""
    try:
        yield
    except FluxLitError:
        raise
    except Exception as error:
        raise TargetError(text, f"Target {text!r} cannot be imported: {blame(error)}") from error


def _importable(file: Path) -> tuple[str, Path]:
    """Return a file's dotted module name, and the directory to import it."""
    name, directory = file.stem, file.parent
    while (directory / "__init__.py").is_file() and directory.name.isidentifier():
        name, directory = f"{directory.name}.{name}", directory.parent
    return name, directory


def blame(error: BaseException) -> str:
    """Return the exception with its last line in user code, and that line."""
    text = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    place = tracebacks.place_of(error)
    if place is None:
        return text
    source = linecache.getline(*place).strip()
    return f"{text} ({place[0]}:{place[1]})" + (f"\n    {source}" if source else "")
