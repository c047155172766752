"""Requests for leave, kept in memory and gone with the process."""

from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from threading import Lock
from typing import Annotated

from pydantic import BaseModel, Field


class State(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"


class NewRequest(BaseModel):
    days: Annotated[int, Field(ge=1, le=30)]
    reason: Annotated[str, Field(min_length=3, max_length=100)]


class Request(NewRequest):
    id: int
    person: str
    name: str
    state: State = State.OPEN


class Event(BaseModel):
    at: datetime
    who: str
    what: str


class LeaveBook:
    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count(1)
        self.requests: dict[int, Request] = {}
        self.events: list[Event] = []
        samples = ("grace", 3, "A conference"), ("mary", 10, "The sea"), ("radia", 2, "Moving house")
        for person, days, reason in samples:
            self.ask(person, person.title(), NewRequest(days=days, reason=reason))

    def ask(self, person: str, name: str, new: NewRequest) -> Request:
        with self._lock:
            request = Request(**new.model_dump(), id=next(self._numbers), person=person, name=name)
            self.requests[request.id] = request
            self._note(name, f"asked for {new.days} days: {new.reason}")
        return request

    def decide(self, number: int, state: State, by: str) -> Request:
        with self._lock:
            request = self.requests[number] = self.requests[number].model_copy(update={"state": state})
            self._note(by, f"{state} the request of {request.name}")
        return request

    def _note(self, who: str, what: str) -> None:
        self.events.append(Event(at=datetime.now(UTC), who=who, what=what))
