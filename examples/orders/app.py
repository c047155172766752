"""A small shop with a database: SQLModel on SQLite or PostgreSQL."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, status
from sqlmodel import Session, SQLModel, col, create_engine, select

from fluxlit import ApiClient, FluxLit
from models import CUSTOMERS, PRODUCTS, NewOrder, Order, OrderRow, Product

# postgresql+psycopg://user:password@host/name works the same. An engine connects at its first use, and only the API
# uses it: the pages, in processes of their own, call the API.
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///orders.db"))


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        if session.exec(select(Product)).first() is None:
            fill(session)
    yield
    engine.dispose()


def fill(session: Session) -> None:
    products = [Product(name=name, price=price, stock=stock) for name, (price, stock) in PRODUCTS.items()]
    session.add_all(products)
    session.flush()  # they have their numbers now
    for number, customer in enumerate(CUSTOMERS):
        product = products[number % len(products)]
        new = NewOrder.model_validate({"customer": customer, "product_id": product.id, "quantity": number % 3 + 1})
        session.add(Order.model_validate(new, update={"shipped": number < 3}))
    session.commit()


app = FluxLit(title="Orders", fastapi_kwargs={"lifespan": lifespan})


# --- the API: http://127.0.0.1:8000/api/docs -------------------------------------------------------------------


def database() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


Database = Annotated[Session, Depends(database)]


def row(order: Order) -> OrderRow:
    total = order.quantity * order.product.price
    return OrderRow.model_validate(order, update={"product": order.product.name, "total": total})


@app.api.get("/products")
def products(session: Database) -> list[Product]:
    return list(session.exec(select(Product).order_by(Product.name)))


@app.api.get("/orders")
def orders(session: Database) -> list[OrderRow]:
    return [row(order) for order in session.exec(select(Order).order_by(col(Order.id).desc()))]


@app.api.post("/orders", status_code=status.HTTP_201_CREATED)
def take_order(new: NewOrder, session: Database) -> OrderRow:
    # PostgreSQL locks the row until the commit, so two customers cannot buy the same kettle. SQLite has one writer.
    product = session.exec(select(Product).where(Product.id == new.product_id).with_for_update()).first()
    if product is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such product.")
    if product.stock < new.quantity:
        raise HTTPException(status.HTTP_409_CONFLICT, f"{product.name}: only {product.stock} left.")
    product.stock -= new.quantity
    order = Order.model_validate(new)
    session.add(order)
    session.commit()
    return row(order)


@app.api.post("/orders/{order_id}/ship")
def ship(order_id: int, session: Database) -> OrderRow:
    order = session.get(Order, order_id)
    if order is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no order {order_id}.")
    order.shipped = True
    session.commit()
    return row(order)


# --- the pages: http://127.0.0.1:8000 --------------------------------------------------------------------------


@app.page("/", title="Orders", icon=":material/local_shipping:", layout="wide")
def orders_page(st: Any, client: ApiClient) -> None:
    st.title("Orders")
    rows = client.get_model("/orders", list[OrderRow])
    turnover, count, waiting = st.columns(3)
    turnover.metric("Turnover", f"€ {sum(order.total for order in rows):,.0f}", border=True)
    count.metric("Orders", len(rows), border=True)
    waiting.metric("To ship", sum(not order.shipped for order in rows), border=True)

    board, queue = st.columns([8, 5])
    board.dataframe(
        [order.model_dump() for order in rows],
        hide_index=True,
        column_order=["id", "customer", "product", "total", "shipped"],
        column_config={
            "id": "No.",
            "customer": "Customer",
            "product": "Product",
            "total": st.column_config.NumberColumn("Total", format="€ %.0f"),
            "shipped": "Shipped",
        },
    )
    for order in rows:
        if not order.shipped:
            with queue.container(border=True, horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{order.customer}**  \n{order.quantity}x {order.product}", width=130)
                if st.button("Ship", key=f"ship-{order.id}"):
                    client.post(f"/orders/{order.id}/ship").raise_for_status()
                    st.rerun()


@app.page("/new", title="New order", icon=":material/add_shopping_cart:")
def new_order_page(st: Any, client: ApiClient) -> None:
    st.title("New order")
    stock = {product["name"]: product for product in client.get("/products").json()}
    with st.form("order"):
        customer = st.text_input("Customer", placeholder="Ada Lovelace", max_chars=60)
        name = st.selectbox("Product", stock, format_func=lambda name: f"{name}, € {stock[name]['price']:.2f}")
        quantity = st.number_input("Pieces", 1, 100)
        submitted = st.form_submit_button("Order", type="primary")
    if submitted:
        new = {"customer": customer, "product_id": stock[name]["id"], "quantity": quantity}
        answer = client.post("/orders", json=new)
        if answer.is_success:
            order = OrderRow.model_validate_json(answer.content)
            st.success(f"Order {order.id}: {order.quantity}x {order.product} for € {order.total:.2f}")
        elif answer.status_code == status.HTTP_409_CONFLICT:
            st.error(answer.json()["detail"])
        else:
            for problem in answer.json()["detail"]:
                st.error(f"{problem['loc'][-1].title()}: {problem['msg']}")
