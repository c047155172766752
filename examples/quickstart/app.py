"""A tea house: an API and two pages on one port."""

import csv
import hashlib
import io
from typing import Annotated, Any

from fastapi import HTTPException, Query, Response, status

from fluxlit import ApiClient, FluxLit
from orders import NewOrder, Order, OrderBook, Summary, Tea

app = FluxLit(
    title="Tea house",
    fastapi_kwargs={"version": "1.0.0", "description": "Take orders for tea, and see how the house is doing."},
)

# --- the API: http://127.0.0.1:8000/api/docs -------------------------------------------------------------------

# The API and the pages run in different processes. What they share goes through the API.
book = OrderBook()


@app.api.get("/summary", tags=["figures"])
def summary() -> Summary:
    """Add up all orders."""
    return book.summary()


@app.api.get("/orders", tags=["orders"])
def latest_orders(limit: Annotated[int, Query(ge=1, le=500)] = 10) -> list[Order]:
    """List the newest orders first."""
    return book.latest(limit)


@app.api.post("/orders", tags=["orders"], status_code=status.HTTP_201_CREATED)
def take_order(order: NewOrder) -> Order:
    """Take an order; the price is worked out here."""
    return book.add(order)


@app.api.get("/orders/{order_id}", tags=["orders"], responses={404: {"description": "There is no such order"}})
def one_order(order_id: int) -> Order:
    """Look an order up by its number."""
    order = book.find(order_id)
    if order is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no order {order_id}.")
    return order


@app.api.get("/report.csv", tags=["figures"], response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def report() -> Response:
    """Download what every day brought in."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["day", "revenue"])
    rows.writerows((total.day, f"{total.revenue:.2f}") for total in book.summary().days)
    return Response(text.getvalue(), media_type="text/csv")


# --- the pages: http://127.0.0.1:8000 --------------------------------------------------------------------------


@app.page("/", title="Dashboard", icon=":material/monitoring:", layout="wide")
def dashboard(st: Any, client: ApiClient) -> None:
    """How the house is doing."""
    figures = client.get_model("/summary", Summary)

    st.title("Tea house")
    for column, (label, value) in zip(
        st.columns(4),
        {
            "Revenue": f"€ {figures.revenue:,.0f}",
            "Orders": f"{figures.orders}",
            "Today": f"{figures.orders_today}",
            "Favourite": figures.favourite.value,
        }.items(),
        strict=True,
    ):
        column.metric(label, value, border=True)

    st.subheader("Revenue by day")
    st.bar_chart(
        {
            "Day": [f"{total.day:%d %b}" for total in figures.days],
            "Revenue (€)": [total.revenue for total in figures.days],
        },
        x="Day",
        y="Revenue (€)",
        sort=False,
    )

    st.subheader("Latest orders")
    st.dataframe(
        client.get("/orders", params={"limit": 8}).json(),
        column_order=["id", "day", "customer", "tea", "pots", "total"],
        column_config={
            "id": "No.",
            "day": "Day",
            "customer": "Customer",
            "tea": "Tea",
            "pots": "Pots",
            "total": st.column_config.NumberColumn("Total", format="€ %.2f"),
        },
        hide_index=True,
    )
    st.download_button(
        "Download the report",
        client.get("/report.csv").content,
        file_name="report.csv",
        mime="text/csv",
        icon=":material/download:",
    )


@app.page("/orders", title="New order", icon=":material/emoji_food_beverage:")
def new_order(st: Any, client: ApiClient) -> None:
    """Take an order, and keep a document with it."""
    st.title("New order")
    with st.form("order", clear_on_submit=True):
        customer = st.text_input("Customer", placeholder="Ada Lovelace")
        tea = st.selectbox("Tea", [tea.value for tea in Tea])
        pots = st.slider("Pots", 1, 20, 2)
        note = st.text_input("Note", placeholder="No sugar, please")
        submitted = st.form_submit_button("Take the order", type="primary")

    if submitted:
        answer = client.post("/orders", json={"customer": customer, "tea": tea, "pots": pots, "note": note})
        if answer.is_success:
            order = Order.model_validate_json(answer.content)
            st.success(f"Order {order.id} for {order.customer}: {order.pots} pots of {order.tea}, € {order.total:.2f}")
            st.json(client.get(f"/orders/{order.id}").json())
        else:
            for problem in answer.json()["detail"]:
                st.error(f"{problem['loc'][-1].title()}: {problem['msg']}")

    st.subheader("Attach a document")
    document = st.file_uploader("Any file, up to 200 MB")
    if document is not None:
        checksum = hashlib.file_digest(document, "sha256").hexdigest()
        st.write(f"**{document.name}**: {document.size:,} bytes")
        st.code(f"sha256 {checksum}", language=None)
