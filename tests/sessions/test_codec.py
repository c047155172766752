"""Values to JSON and back, and what is refused."""

import datetime as dt
import enum
import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import BaseModel, ConfigDict, SecretBytes, model_validator

from fluxlit_sessions import Codec, SessionDataError, SessionStoreError

ZONES = st.sampled_from([dt.UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")])
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
HASHABLE = st.recursive(PLAIN, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["$date", "$", "$map"]), inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=8,
)


class Size(enum.StrEnum):
    SMALL = "s"


class Line(BaseModel):
    model_config = ConfigDict(strict=True)
    price: Decimal
    size: Size


class Cart(BaseModel):
    kind: Literal["cart"] = "cart"
    lines: list[Line] = []
    made: datetime | None = None


@dataclass
class Filter:
    cart: Cart
    tags: set[str]
    cached: int = field(default=7, init=False)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_goes_in_comes_out(data: dict[str, Any]) -> None:
    codec = Codec()
    stored = codec.encode(data)
    assert codec.decode(stored) == data
    json.loads(stored, parse_constant=pytest.fail)  # NaN and Infinity are not JSON


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=3))
def test_encoding_again_changes_nothing(data: dict[str, Any]) -> None:
    codec = Codec()
    once = codec.decode(codec.encode(data))
    assert codec.decode(codec.encode(once)) == once


def test_a_zone_keeps_its_name_and_its_side_of_the_clock_change() -> None:
    moment = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    back = Codec().decode(Codec().encode({"m": moment}))["m"]
    assert (back.tzinfo, back.fold, back.utcoffset()) == (moment.tzinfo, 1, moment.utcoffset())


def test_registered_types_come_back_as_themselves() -> None:
    codec = Codec([Cart, Filter, Size])
    cart = Cart(lines=[Line(price=Decimal("1.10"), size=Size.SMALL)])
    data = {"cart": cart, "filter": Filter(cart, {"a"}), "size": Size.SMALL}
    back = codec.decode(codec.encode(data))
    assert back == data
    assert type(back["size"]) is Size
    assert isinstance(back["cart"].lines[0].price, Decimal)


def test_types_are_stored_under_their_names_and_not_their_paths() -> None:
    stored = Codec({"basket.v1": Cart}).encode({"cart": Cart()})
    assert b"basket.v1" in stored
    assert b"test_codec" not in stored

    class Renamed(Cart):
        pass

    assert type(Codec({"basket.v1": Renamed}).decode(stored)["cart"]) is Renamed


@pytest.mark.parametrize(
    "value",
    [object(), 1j, Size.SMALL, Cart(), np.float64(1.5), np.int64(1), bytearray(b"x"), range(3), print, Codec],
)
def test_what_is_not_registered_is_refused_and_never_converted(value: Any) -> None:
    with pytest.raises(SessionDataError, match=r"data\['a'\]\[0\]: a value of type .* cannot be stored"):
        Codec().encode({"a": [value]})


def test_a_subclass_is_not_its_registered_parent() -> None:
    class Special(Cart):
        pass

    with pytest.raises(SessionDataError, match="Special"):
        Codec([Cart]).encode({"cart": Special()})


def test_a_structure_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(SessionDataError, match="contains itself"):
        Codec().encode({"loop": loop})


def test_a_time_in_a_named_zone_is_refused() -> None:
    with pytest.raises(SessionDataError, match="named zone"):
        Codec().encode({"t": dt.time(12, tzinfo=ZoneInfo("Europe/Berlin"))})


def test_a_moment_in_a_zone_that_this_machine_does_not_know_keeps_its_offset() -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    stored = Codec().encode({"m": moment}).replace(b"Europe/Berlin", b"Europe/Atlantis")
    assert Codec().decode(stored)["m"] == moment


@pytest.mark.parametrize("data", [{1: 2}, {"a": "\ud800"}, {"a": 10**5000}])
def test_what_json_cannot_say_is_refused(data: Any) -> None:
    with pytest.raises(SessionDataError):
        Codec().encode(data)


def test_a_model_that_refuses_to_be_written_is_named() -> None:
    class Key(BaseModel):
        secret: bytes

    with pytest.raises(SessionDataError, match=r"data\['key'\]"):
        Codec([Key]).encode({"key": Key(secret=b"\xff")})


def test_a_model_that_refuses_what_is_stored_is_an_error_and_no_empty_session() -> None:
    stored = Codec({"Cart": Cart}).encode({"cart": Cart()})

    class Stricter(BaseModel):
        @model_validator(mode="after")
        def refuse(self) -> "Stricter":
            raise ValueError("no longer valid")

    with pytest.raises(SessionDataError, match="no longer valid"):
        Codec({"Cart": Stricter}).decode(stored)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"a":{"$unknown":1}}',
        b'{"a":{"$model":["Cart",{}]}}',
        b'{"a":{"$enum":["Cart","X"]}}',
        b'{"a":{"$datetime":["yesterday",0,""]}}',
        b'{"a":{"$set":[[]]}}',
    ],
)
def test_what_the_codec_did_not_write_is_refused(stored: bytes) -> None:
    with pytest.raises(SessionDataError):
        Codec().decode(stored)


@pytest.mark.parametrize("item", [int, object, SecretBytes, enum.Flag("F", ["A"]), "Cart"])
def test_other_types_cannot_be_registered(item: Any) -> None:
    with pytest.raises(SessionStoreError, match="cannot be registered"):
        Codec([item])


def test_two_types_cannot_share_a_name() -> None:
    other = type("Cart", (BaseModel,), {})
    with pytest.raises(SessionStoreError, match="'Cart'"):
        Codec([Cart, other])


def test_equal_sets_are_written_alike() -> None:
    first, second = {str(number) for number in range(20)}, {str(number) for number in reversed(range(20))}
    assert Codec().encode({"s": first}) == Codec().encode({"s": second})
