"""What is seen of every request from the outside: its id, a line in the access log, and counters."""

from fluxlit.observe.access import AccessLog
from fluxlit.observe.observation import ANSWER, OBSERVATION, Defaults, Observation, classify
from fluxlit.observe.observer import Observer
from fluxlit.observe.request_id import is_request_id, new_request_id
from fluxlit.observe.traffic import Traffic

__all__ = [
    "ANSWER",
    "OBSERVATION",
    "AccessLog",
    "Defaults",
    "Observation",
    "Observer",
    "Traffic",
    "classify",
    "is_request_id",
    "new_request_id",
]
