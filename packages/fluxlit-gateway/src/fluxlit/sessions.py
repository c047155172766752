"""The session store of this process, and the session of a page.

Stores and sessions are those of another distribution, `fluxlit-sessions` or a third party's. They are found by
entry points, so nothing here imports them:

``fluxlit.session_stores``      URL scheme -> callable(url, **options) that returns a store
``fluxlit.session_bindings``    ``url_session`` -> callable(st, store, param=...) that returns the visitor's session,
                                a context manager around one run
``fluxlit.session_copies``      ``copies`` -> callable(store, listener) that returns `SessionCopies`
``fluxlit.session_annotations`` ``store`` and ``session`` -> the classes by which pages ask for them
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlencode

from fluxlit.errors import FluxLitError
from fluxlit.observability.session_store_counters import STORE_COUNTERS
from fluxlit.settings import Settings

STORES = "fluxlit.session_stores"
BINDINGS = "fluxlit.session_bindings"
COPIES = "fluxlit.session_copies"
ANNOTATIONS = "fluxlit.session_annotations"

# Stores that cannot be opened if they are not there.
OPEN_IS_ENOUGH = frozenset({"memory", "sqlite"})

# A password may hold any character, so a "?" begins the options only where the name of one follows.
_OPTIONS = re.compile(r"\?(?=[a-z_]+=)")
COPIES_ROOM = "copies"
LONGEST_NAMESPACE = 64

INSTALL = 'Install it: pip install "fluxlit-sessions[redis,encryption]".'
NO_STORE = (
    "there is no session store. Set FLUXLIT_SESSION_STORE (session_store in fluxlit.toml), for example to "
    '"sqlite:///sessions.db" on one machine, or "redis://host" for several.'
)


class SessionStore(Protocol):
    """What FluxLit needs of a session store.

    `fluxlit_sessions.SessionStore` documents it.
    """

    @property
    def location(self) -> str:
        """Which store this is, without credentials."""
        ...

    @property
    def available(self) -> bool:
        """Whether the last operation reached it. No I/O."""
        ...

    def create(self, data: Mapping[str, Any] | None = None, *, subject: str | None = None) -> Any:
        """Starts a session under a new id."""
        ...

    def read(self, session_id: str, *, touch: bool = False) -> Any:
        """Returns the session, `None` if there is none of this id."""
        ...

    def save(self, session: Any, data: Mapping[str, Any]) -> Any:
        """Replaces the content of a session that was not saved in the meantime."""
        ...

    def delete(self, session_id: str) -> None:
        """Ends a session."""
        ...

    def ping(self) -> None:
        """Raises unless the store answers."""
        ...

    def close(self) -> None:
        """Releases the connections of blocking code."""
        ...

    async def aclose(self) -> None:
        """Releases all connections, those of the running event loop included."""
        ...


class SessionCopy(Protocol):
    """The copy of one live session; see `fluxlit_sessions.copies.Copy`."""

    owner: str
    attached: bool
    lost: bool

    @property
    def dirty(self) -> bool:
        """There is something that has not been written yet."""
        ...

    def put(self, state: Mapping[str, Any], rest: Mapping[str, Any], lost: Mapping[str, str]) -> bool:
        """Records the session's content; returns whether to write it. No I/O."""
        ...

    def call_when_saved(self, function: Callable[[], None]) -> bool:
        """Calls a function in another thread once nothing is left to write.

        Returns `False` if that is already the case.
        """
        ...

    def end(self) -> None:
        """Makes the session impossible to restore."""
        ...


class SessionCopies(Protocol):
    """The copies of all live sessions; see `fluxlit_sessions.copies.Copies`."""

    @property
    def down(self) -> bool:
        """The store could not be reached when something was last to be written."""
        ...

    async def look(self, name: str) -> Any:
        """Returns the copy of a session, with `owner` and `saved_at`, or `None`."""
        ...

    def begin(self, name: str, identity: Mapping[str, Any], address: str | None = None) -> SessionCopy:
        """Returns a copy, still empty, for a session that is new.

        The address is for the budget of anonymous visitors.
        """
        ...

    def take_over(
        self, name: str, found: Any, identity: Mapping[str, Any], address: str | None = None
    ) -> tuple[SessionCopy, dict[str, Any]] | None:
        """Takes over a found session; `None` if it is another user's."""
        ...

    def submit(self, copy: SessionCopy) -> None:
        """Has a copy written in the background."""
        ...

    async def aclose(self, timeout: float) -> bool:
        """Writes what is left and closes the store; returns whether it worked."""
        ...


class _Process:
    """The store of this process, opened when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: Settings | None = None
        self._store: SessionStore | None = None
        self._binding: Callable[..., Any] | None = None

    def configure(self, settings: Settings | None) -> SessionStore | None:
        with self._lock:
            if settings is not None and settings == self._settings:
                return None
            store, self._store, self._settings = self._store, None, settings
            return store

    def store(self) -> SessionStore:
        with self._lock:
            if self._store is None:
                self._store = open_store(self._settings)
            return self._store

    def binding(self) -> Callable[..., Any]:
        # Looked up once: it reads the metadata of every installed package, and pages run in many threads.
        with self._lock:
            if self._binding is None:
                found = entry_points(group=BINDINGS, name="url_session")
                if not found:
                    raise FluxLitError(f"A page asks for its session, but nothing installed has sessions. {INSTALL}")
                self._binding = next(iter(found)).load()
            return self._binding


_process = _Process()


def configure(settings: Settings) -> None:
    """Set the settings of this process; a store opened with others is closed."""
    if store := _process.configure(settings):
        store.close()


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[None]:
    """Have the store open, if one is set, as long as the application runs.

    Raises:
        FluxLitError: it cannot be opened.
    """
    configure(settings)
    try:
        if settings.session_store is not None:
            store = session_store()
            if settings.session_store.partition(":")[0].lower() not in OPEN_IS_ENOUGH:
                # Not awaited: the application can start before its store does.
                threading.Thread(target=_reach, args=(store,), name="session store", daemon=True).start()
        yield
    finally:
        if last := _process.configure(None):
            await last.aclose()


def _reach(store: SessionStore) -> None:
    """Probe the store, which logs an outage itself."""
    with contextlib.suppress(Exception):  # another package's; the result is not used
        store.ping()


def session_store() -> SessionStore:
    """The session store of this process, for pages, scripts and the API alike.

    Raises:
        FluxLitError: no store is set, or it cannot be opened.
    """
    return _process.store()


def is_shared(url: str | None) -> bool:
    """Whether other processes can have the store that a URL names."""
    return url is not None and url.partition(":")[0].lower() != "memory"


def session_copies(settings: Settings, listener: Any) -> SessionCopies:
    """Copies of live sessions, in a namespace of their own of the store.

    Args:
        settings: they name the store and its keys.
        listener: hears what becomes of them: `taken`, `away` and `back`.

    Raises:
        FluxLitError: the store cannot be opened, or nothing installed keeps copies.
    """
    found = entry_points(group=COPIES, name="copies")
    if not found:
        raise FluxLitError(f"restore_sessions: nothing installed keeps copies of sessions. {INSTALL}")
    return cast("SessionCopies", next(iter(found)).load()(open_store(settings, room=COPIES_ROOM), listener))


def page_session(st: Any, settings: Settings) -> Iterator[Any]:
    """The visitor's session for one run: the value of a `session` parameter."""
    bind = _process.binding()
    with bind(st, session_store(), param=settings.url_session_query_param) as session:
        yield session


@cache
def session_classes() -> Mapping[str, str]:
    """The classes that annotate a store or a session.

    ``module:name`` -> ``store`` or ``session``.
    """
    return {entry.value: entry.name for entry in entry_points(group=ANNOTATIONS)}


def open_store(settings: Settings | None, *, room: str = "", **limits: float) -> SessionStore:
    """Open another store beside that of the process; the caller closes it.

    Args:
        settings: they name the store and its keys.
        room: appended to its namespace: what is there appears in no listing of the application's sessions.
        limits: options of the store that replace those in its URL.

    Raises:
        FluxLitError: no store is set, or it cannot be opened.
    """
    if settings is None or settings.session_store is None:
        raise FluxLitError(f"A session was asked for, but {NO_STORE}")
    scheme = settings.session_store.partition(":")[0].lower()
    known = entry_points(group=STORES)
    found = known.select(name=scheme)
    if not found:
        names = ", ".join(sorted(f"{entry.name}://" for entry in known))
        there = f"There are stores for {names}." if names else INSTALL
        raise FluxLitError(f"session_store: no installed package has a store for {scheme}://. {there}")
    options: dict[str, Any] = {**limits, **({"keys": list(settings.secret_key)} if settings.secret_key else {})}
    url = settings.session_store
    if room:
        url, namespace = _without_options(url, {"namespace", *limits})
        options["namespace"] = f"{namespace[: LONGEST_NAMESPACE - len(room) - 1]}-{room}"
    try:
        store: Any = next(iter(found)).load()(url, **options)
    except Exception as error:  # another package's; its message is for the person who set it
        raise FluxLitError(f"session_store: {error}") from error
    if callable(observe := getattr(store, "add_observer", None)):
        observe(STORE_COUNTERS)
    return cast("SessionStore", store)


def _without_options(url: str, names: AbstractSet[str]) -> tuple[str, str]:
    """A store's URL without some options in its query, and its namespace."""
    place, query = [*_OPTIONS.split(url, maxsplit=1), ""][:2]
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name not in names]
    return place + (f"?{urlencode(kept)}" if kept else ""), dict(pairs).get("namespace", "default")
