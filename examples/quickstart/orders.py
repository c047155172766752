"""The tea house's orders: what they are, and where they are kept."""

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Annotated

from pydantic import BaseModel, Field

DAYS = 28


class Tea(StrEnum):
    """What is on the menu."""

    ASSAM = "Assam"
    DARJEELING = "Darjeeling"
    LAPSANG = "Lapsang Souchong"
    ROOIBOS = "Rooibos"
    SENCHA = "Sencha"


PRICES = {Tea.ASSAM: 4.2, Tea.DARJEELING: 5.8, Tea.LAPSANG: 6.4, Tea.ROOIBOS: 3.9, Tea.SENCHA: 5.1}


class NewOrder(BaseModel):
    """What a customer asks for."""

    customer: Annotated[str, Field(min_length=2, max_length=60, examples=["Ada Lovelace"])]
    tea: Annotated[Tea, Field(examples=[Tea.SENCHA])]
    pots: Annotated[int, Field(ge=1, le=20, description="How many pots", examples=[2])]
    note: Annotated[str, Field(max_length=200, examples=["No sugar, please"])] = ""


class Order(NewOrder):
    """An order that was taken."""

    id: Annotated[int, Field(examples=[101])]
    day: date
    total: Annotated[float, Field(description="Price of all pots, in euros", examples=[10.2])]


class DayTotal(BaseModel):
    """What one day brought in."""

    day: date
    revenue: float


class Summary(BaseModel):
    """The dashboard's figures."""

    orders: int
    pots: int
    revenue: Annotated[float, Field(description="In euros")]
    orders_today: int
    favourite: Tea
    days: list[DayTotal]


class OrderBook:
    """All orders, in memory: enough for an example, gone with the process."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._lock = Lock()
        self._make_up(DAYS)

    def add(self, new: NewOrder, day: date | None = None) -> Order:
        """Take an order, by default for today."""
        total = round(PRICES[new.tea] * new.pots, 2)
        with self._lock:
            order = Order(**new.model_dump(), id=len(self._orders) + 1, day=day or today(), total=total)
            self._orders.append(order)
        return order

    def find(self, order_id: int) -> Order | None:
        """The order with a number."""
        return next((order for order in self._orders if order.id == order_id), None)

    def latest(self, limit: int) -> list[Order]:
        """The newest orders first."""
        return self._orders[: -limit - 1 : -1]

    def summary(self) -> Summary:
        """Add everything up."""
        orders = list(self._orders)
        days: defaultdict[date, float] = defaultdict(float)
        for order in orders:
            days[order.day] += order.total
        return Summary(
            orders=len(orders),
            pots=sum(order.pots for order in orders),
            revenue=round(sum(order.total for order in orders), 2),
            orders_today=sum(order.day == today() for order in orders),
            favourite=Counter(order.tea for order in orders).most_common(1)[0][0],
            days=[DayTotal(day=day, revenue=round(revenue, 2)) for day, revenue in sorted(days.items())],
        )

    def _make_up(self, days: int) -> None:
        """Some weeks of trade, the same at every start."""
        chance = random.Random(7)  # noqa: S311 - for looks, not for secrets
        customers = ["Ada", "Grace", "Katherine", "Mary", "Radia", "Hedy"]
        for back in reversed(range(days)):
            for _ in range(chance.randint(2, 7)):
                order = NewOrder(
                    customer=chance.choice(customers), tea=chance.choice(list(Tea)), pots=chance.randint(1, 4)
                )
                self.add(order, today() - timedelta(days=back))


def today() -> date:
    """The day that orders are booked on (UTC)."""
    return datetime.now(UTC).date()
