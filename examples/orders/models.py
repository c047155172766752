"""The tables, and what the API accepts and returns."""

from datetime import UTC, datetime

from sqlmodel import Field, Relationship, SQLModel


class Product(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    price: float
    stock: int


class NewOrder(SQLModel):
    customer: str = Field(min_length=2, max_length=60)
    product_id: int = Field(foreign_key="product.id")
    quantity: int = Field(ge=1, le=100)


class Order(NewOrder, table=True):
    id: int | None = Field(default=None, primary_key=True)
    taken: datetime = Field(default_factory=lambda: datetime.now(UTC))
    shipped: bool = Field(default=False, index=True)
    product: Product = Relationship()


class OrderRow(SQLModel):
    """An order as the API returns it, with the name of its product."""

    id: int
    customer: str
    product: str
    quantity: int
    total: float
    shipped: bool


PRODUCTS = {"Cast-iron kettle": (79.0, 12), "Tea tin": (14.5, 60), "Bamboo whisk": (18.0, 25), "Sencha": (64.0, 8)}
CUSTOMERS = ("Ada", "Grace", "Katherine", "Mary", "Radia", "Hedy")
