"""A portal with a login: requests for leave, managers, administrators."""

from typing import Annotated, Any

from fastapi import Body, Depends, HTTPException

from fluxlit import ApiClient, CurrentUser, FluxLit, require_roles, sign_out
from fluxlit_auth import OIDC
from leave import Event, LeaveBook, NewRequest, Request, State

# The provider comes from settings (FLUXLIT_OIDC_ISSUER, ...). `fluxlit dev --login` needs none.
app = FluxLit(title="Team portal", auth=OIDC.from_settings())
book = LeaveBook()


# --- the API: every route needs a user, as the application has a login -----------------------------------------


@app.api.get("/requests/mine")
def my_requests(user: CurrentUser) -> list[Request]:
    return [request for request in book.requests.values() if request.person == user.subject]


@app.api.post("/requests", status_code=201)
def ask(new: NewRequest, user: CurrentUser) -> Request:
    return book.ask(user.subject, user.name or user.subject, new)


@app.api.get("/requests", dependencies=[Depends(require_roles("manager", "admin"))])
def all_requests() -> list[Request]:
    return list(book.requests.values())


@app.api.put("/requests/{number}/state")
def decide(
    number: int, state: Annotated[State, Body(embed=True)], user: Annotated[Any, Depends(require_roles("manager"))]
) -> Request:
    if number not in book.requests:
        raise HTTPException(404, f"There is no request {number}.")
    if book.requests[number].person == user.subject:
        raise HTTPException(409, "Another manager decides about your own request.")
    return book.decide(number, state, user.name or user.subject)


@app.api.get("/events", dependencies=[Depends(require_roles("admin"))])
def events() -> list[Event]:
    return book.events[::-1]


# --- the pages: the menu shows a visitor only what their roles allow -------------------------------------------

COLOURS = {State.OPEN: "orange", State.APPROVED: "green", State.DECLINED: "red"}


def signed_in(st: Any, user: CurrentUser) -> None:
    with st.sidebar:
        st.caption(f"{user.name}, {', '.join(sorted(user.roles)) or 'no role'}")
        sign_out()


@app.page("/", title="My leave", icon=":material/beach_access:")
def home(st: Any, client: ApiClient, user: CurrentUser) -> None:
    signed_in(st, user)
    st.title(f"Hello, {user.name}")
    with st.form("leave", clear_on_submit=True):
        days = st.slider("Days", 1, 30, 5)
        reason = st.text_input("Reason", placeholder="The sea")
        if st.form_submit_button("Ask for leave", type="primary"):
            answer = client.post("/requests", json={"days": days, "reason": reason})
            if answer.is_error:
                st.error(answer.json()["detail"][0]["msg"])
    for request in client.get_model("/requests/mine", list[Request]):
        with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
            st.markdown(f"**{request.days} days**, {request.reason}", width="content")
            st.badge(request.state, color=COLOURS[request.state])


@app.page("/approvals", title="Approvals", icon=":material/task_alt:", roles={"manager"})
def approvals(st: Any, client: ApiClient, user: CurrentUser) -> None:
    signed_in(st, user)
    st.title("Approvals")
    waiting = [request for request in client.get_model("/requests", list[Request]) if request.state == State.OPEN]
    if not waiting:
        st.info("Nothing is waiting for you.", icon=":material/done_all:")
    for request in waiting:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{request.name}**  \n{request.days} days, {request.reason}", width=320)
            for label, state in (("Approve", State.APPROVED), ("Decline", State.DECLINED)):
                if st.button(label, key=f"{label}-{request.id}"):
                    answer = client.put(f"/requests/{request.id}/state", json={"state": state})
                    if answer.is_error:
                        st.toast(answer.json()["detail"], icon=":material/block:")
                    else:
                        st.rerun()


@app.page("/admin", title="Administration", icon=":material/admin_panel_settings:", roles={"admin"})
def admin(st: Any, client: ApiClient, user: CurrentUser) -> None:
    signed_in(st, user)
    st.title("Administration")
    requests = client.get_model("/requests", list[Request])
    for column, state in zip(st.columns(3), State, strict=True):
        column.metric(state.title(), sum(request.state == state for request in requests), border=True)
    st.subheader("What happened")
    st.dataframe(
        [event.model_dump() for event in client.get_model("/events", list[Event])],
        hide_index=True,
        column_config={
            "at": st.column_config.DatetimeColumn("When", format="HH:mm:ss"),
            "who": "Who",
            "what": "What",
        },
    )
