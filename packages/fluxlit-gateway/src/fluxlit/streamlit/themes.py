# ruff: noqa: PLC0415, SLF001
"""Cache of the theme message that every run of a page begins with.

Streamlit makes the message anew for each run, and walks all of its more than 300 options six times for that: 10 to
20 % of the processor time of a rerun of a light page. The options hardly ever change, so the result is kept, section
by section, until one of them does.

An option that is set holds a new function that returns its value (`ConfigOption.set_value`), so comparing these
functions shows whether any option was set, at a quarter of what reading the values costs. Values that are set are
compared as well, for a list can change in place. A section with an option that computes its value is never kept.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fluxlit.streamlit.feature import Feature


def keep_themes() -> Callable[[], None]:
    """Have Streamlit send the theme from memory until an option changes.

    Streamlit must be configured. A theme that Streamlit warns of is warned of when it is set, no longer at every run.

    Returns:
        Ends that.
    """
    return THEMES.attempt(_keep, lambda: None)


def _keep() -> Callable[[], None]:
    from streamlit.runtime import app_session

    module: Any = app_session
    fill = module._populate_theme_msg
    module._populate_theme_msg = Themes(fill).fill
    return lambda: setattr(module, "_populate_theme_msg", fill)


def _probe() -> None:
    """Try all that `Themes` relies on, with an option of its own."""
    from streamlit.config_option import ConfigOption
    from streamlit.proto.NewSession_pb2 import CustomThemeConfig
    from streamlit.runtime import app_session

    fill = app_session._populate_theme_msg
    if [(name, item.default) for name, item in inspect.signature(fill).parameters.items()] != [
        ("msg", inspect.Parameter.empty),
        ("section", "theme"),
    ]:
        raise TypeError("_populate_theme_msg takes other arguments")
    option = ConfigOption("theme.probe", default_val="a")
    first = _Read.of([option])
    option.set_value("b")
    second = _Read.of([option])
    if not (first.is_plain and second.is_plain and second.still([option])) or first.still([option]):
        raise ValueError("an option does not hold its value as it did")
    if _Read.of([option(lambda: "c")]).is_plain:
        raise ValueError("an option that computes its value looks like any other")
    fill(CustomThemeConfig())


THEMES = Feature(
    "kept themes",
    off="Every run of a page takes some 10 % longer: Streamlit makes the message about its theme anew.",
    names=(
        "streamlit.runtime.app_session:_populate_theme_msg",
        "streamlit.config_option:ConfigOption._get_val_func",
        "streamlit.config_option:ConfigOption.section",
        "streamlit.config_option:ConfigOption.set_value",
        "streamlit.config_option:ConfigOption.value",
    ),
    probe=_probe,
)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the options of a section held when they were read."""

    functions: list[Any]
    values: list[Any]
    copies: list[Any]

    @classmethod
    def of(cls, options: list[Any]) -> _Read:
        functions = [option._get_val_func for option in options]
        values = [value for option in options if (value := option.value) is not None]
        return cls(functions, values, copy.deepcopy(values))

    @property
    def is_plain(self) -> bool:
        """No option computes its value."""
        from streamlit.config_option import ConfigOption

        setter = f"{ConfigOption.set_value.__qualname__}."
        return all(getattr(function, "__qualname__", "").startswith(setter) for function in self.functions)

    def still(self, options: list[Any]) -> bool:
        """The options hold the same."""
        return [option._get_val_func for option in options] == self.functions and self.values == self.copies


class Themes:
    """Cached messages of the theme's sections, for the event loop.

    Args:
        fill: Streamlit's own, which fills a message from the options of a section.
    """

    def __init__(self, fill: Callable[[Any, str], None]) -> None:
        self._fill = fill
        self._options: Mapping[str, Any] = {}
        self._count = 0
        self._sections: dict[str, list[Any]] = {}
        self._kept: dict[str, tuple[_Read, bytes]] = {}

    def fill(self, msg: Any, section: str = "theme") -> None:
        """Fill a message; the names are Streamlit's."""
        options = self._options_of(section)
        kept = self._kept.get(section)
        if kept is None or not kept[0].still(options):
            kept = self._keep(type(msg)(), section, options)
        if kept is None:
            self._fill(msg, section)
        elif kept[1]:  # merging nothing would make an empty section of one that is absent
            msg.MergeFromString(kept[1])

    def _keep(self, fresh: Any, section: str, options: list[Any]) -> tuple[_Read, bytes] | None:
        """Cache a section, unless it computes values or is present and empty."""
        self._kept.pop(section, None)
        self._fill(fresh, section)
        kept = _Read.of(options), fresh.SerializeToString()  # filling has brought older forms of lists up to date
        if not kept[0].is_plain or (kept[0].values and not kept[1]):
            return None
        self._kept[section] = kept
        return kept

    def _options_of(self, section: str) -> list[Any]:
        from streamlit import config

        options = config.get_config_options()
        if options is not self._options or len(options) != self._count:
            self._options, self._count = options, len(options)
            self._sections, self._kept = {}, {}
            for option in options.values():
                self._sections.setdefault(option.section, []).append(option)
        return self._sections.get(section, [])
