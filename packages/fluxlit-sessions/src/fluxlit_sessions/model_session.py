"""`ModelSession`: the session of a page as one Pydantic model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from fluxlit_sessions.errors import SessionModelError
from fluxlit_sessions.page import RESERVED, PageSession

MODEL_VERSION = "$model"


class Model(Protocol):
    """What is used of a Pydantic model."""

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self:
        """Makes one out of JSON, or raises `ValueError`."""
        ...

    def model_dump_json(self, *, round_trip: bool = False) -> str:
        """Writes it as JSON."""
        ...


M = TypeVar("M", bound=Model)
Migrate = Callable[[dict[str, Any], int], Mapping[str, Any]]
"""Turns data of an older model into data of the present one: (data as JSON has it, its version) -> data."""


@dataclass(frozen=True)
class Schema(Generic[M]):
    """A model, and how its data got to be what it is.

    Attributes:
        model: the Pydantic model; every field has a default.
        version: of the model in this code.
        migrate: brings data of older versions up to date.
    """

    model: type[M]
    version: int
    migrate: Migrate | None

    def load(self, data: Mapping[str, Any]) -> M:
        """Returns the model that stored data stands for."""
        stored = data.get(MODEL_VERSION)
        fields = {key: value for key, value in data.items() if not key.startswith(RESERVED)}
        if stored is not None and stored < self.version and self.migrate is not None:
            fields = dict(self.migrate(fields, stored))
        try:
            return self.model.model_validate_json(json.dumps(fields))
        except ValueError as error:  # Pydantic's ValidationError is one
            raise SessionModelError(self.model.__name__, stored or 0, self.version, str(error)) from error

    def store(self, value: M, data: dict[str, Any]) -> None:
        """Writes a model into the data of a session.

        Fields that this model does not have stay: a newer replica may have written them. Those of an older version
        go, for migration has made something else of them.
        """
        stored = data.get(MODEL_VERSION)
        if stored is not None and stored < self.version:
            for key in [key for key in data if not key.startswith(RESERVED)]:
                del data[key]
        data.update(json.loads(value.model_dump_json(round_trip=True)))
        data[MODEL_VERSION] = max(stored or 0, self.version)


class ModelSession(PageSession, Generic[M]):
    """The visitor's session as one Pydantic model, `value`.

    Change it in place within the ``with`` block, or assign a new one. Changes of different fields in two tabs come
    together; the fields are the keys.
    """

    def __init__(self, schema: Schema[M], *arguments: Any) -> None:
        self._schema = schema
        self._value: M | None = None
        self._revision = -1
        super().__init__(*arguments)

    @property
    def value(self) -> M:
        """The model.

        Raises:
            SessionModelError: what is stored does not fit it.
        """
        if self._value is None or self._revision != self._tab.revision:
            self._value = self._schema.load(self._tab.data)
            self._loaded = self._dumped()
            self._revision = self._tab.revision
        return self._value

    @value.setter
    def value(self, value: M) -> None:
        self._value, self._revision = value, self._tab.revision
        self._loaded = None
        self._save_own()

    def change(self, function: Callable[[M], M | None]) -> M:
        """Changes the model by a function, repeated until no write interferes.

        Args:
            function: changes the model in place, or returns another. It may be called more than once.

        Returns:
            The model as it was saved.

        Raises:
            SessionError: as for `save`, except a conflict.
        """
        while True:
            self._revision = -1
            value = function(self.value)
            if value is not None:
                self._value = value
            self._into_data()
            if not self._binding.save():
                self._check_outage()
                return self.value

    def _dumped(self) -> str | None:
        return None if self._value is None else self._value.model_dump_json(round_trip=True)

    def _into_data(self) -> None:
        # Only what the page has changed: a model that was merely read must not create a session.
        if self._value is not None and self._revision == self._tab.revision and self._dumped() != self._loaded:
            self._schema.store(self._value, self._tab.data)
            self._loaded = self._dumped()
