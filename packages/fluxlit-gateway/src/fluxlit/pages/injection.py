"""One run of a page: fill its parameters, call it, clean up.

Order of a run: everything that comes from the browser is read and validated first, so that a bad
link is answered before any work is done; then dependencies are called, each once; then the page;
then clean-up in reverse order.

A page that ends itself by `st.stop`, `st.rerun` or `st.switch_page` has ended well: dependencies go on
after their `yield` as if the page had returned. A page that raises, or that Streamlit interrupts half-way
because the user clicked something else, has not: the exception appears at the `yield`, so that a
half-done transaction is not committed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from fluxlit.pages.elements import show_denied
from fluxlit.pages.plan import Input, Kind, Needed, Plan, Planner, Provided
from fluxlit.pages.record import PageRecord
from fluxlit.pages.request import InputError, read_input
from fluxlit.pages.run_context import RunContext
from fluxlit.users import Denied


def run_page(record: PageRecord, context: RunContext) -> None:
    """Run a page function with its parameters filled, if the user may see it.

    A value from the browser that does not validate is shown on the page, which then stops; so is that the page, or
    one of its dependencies, is not for this user. Exceptions of the page go on to Streamlit after clean-up.
    """
    try:
        context.check(record.requirement)
        with contextlib.ExitStack() as stack:
            ended = _call_page(record, _Run(context, record.planner, stack))
    except InputError as error:
        _show(context.st, error)
        context.st.stop()
    except Denied as error:
        show_denied(context.st, error)
        context.st.stop()
    if ended is not None:
        raise ended


def _call_page(record: PageRecord, run: _Run) -> BaseException | None:
    """The exception by which the page ended itself, raised after clean-up."""
    assert record.plan is not None
    try:
        run.read(run.planned(record.plan))
        run.call(record.plan)
    except Exception:
        raise
    except BaseException as error:
        if not _ended_by_page(error):
            raise
        return error
    return None


def _ended_by_page(error: BaseException) -> bool:
    """Whether the page asked to end (`st.stop`, `st.rerun`, `st.switch_page`).

    Streamlit interrupts a run by the same exceptions, raised inside the next element call;
    only the commands themselves pass through this module.
    """
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "streamlit.commands.execution_control":
            return True
        trace = trace.tb_next
    return False


def _show(st: Any, error: InputError) -> None:
    st.error("**This page cannot be shown: its address or request does not fit.**\n\n" + "\n".join(error.problems))


class _Run:
    """Values, clean-up and event loop of one run."""

    def __init__(self, context: RunContext, planner: Planner, stack: contextlib.ExitStack) -> None:
        self._context = context
        self._planner = planner
        self._stack = stack
        self._inputs: dict[int, Any] = {}
        self._cache: dict[Callable[..., Any], Any] = {}
        self._stand_ins: dict[Callable[..., Any], Plan] = {}
        self._runner: asyncio.Runner | None = None

    def planned(self, plan: Plan) -> Iterable[Plan]:
        """A plan and its dependencies, with overrides, dependencies first."""
        for argument in plan.arguments:
            if isinstance(argument.source, Needed):
                yield from self.planned(self._override(argument.source.plan))
        yield plan

    def read(self, plans: Iterable[Plan]) -> None:
        """Read and validate all input; report every problem at once."""
        problems: list[str] = []
        for plan in plans:
            for argument in plan.arguments:
                if isinstance(argument.source, Input) and id(argument.source) not in self._inputs:
                    try:
                        self._inputs[id(argument.source)] = read_input(argument.source, self._context)
                    except InputError as error:
                        problems.extend(problem for problem in error.problems if problem not in problems)
        if problems:
            raise InputError(problems)

    def call(self, plan: Plan) -> Any:
        """Call a function with its parameters filled; what it returns or yields."""
        positional = [self._value(argument.source) for argument in plan.arguments if argument.positional]
        named = {item.name: self._value(item.source) for item in plan.arguments if not item.positional}
        value = plan.call(*positional, **named)
        if plan.kind is Kind.YIELDS:
            return self._stack.enter_context(_manager(value))
        if plan.kind is Kind.AWAITS:
            return self._loop().run(value)
        if plan.kind is Kind.YIELDS_ASYNC:
            return self._enter_async(_async_manager(value))
        return value

    def _value(self, source: Provided | Input | Needed) -> Any:
        if isinstance(source, Provided):
            return source.provider(self._context)
        if isinstance(source, Input):
            return self._inputs[id(source)]
        key = source.plan.call
        if not source.use_cache:
            return self.call(self._override(source.plan))
        if key not in self._cache:
            self._cache[key] = self.call(self._override(source.plan))
        return self._cache[key]

    def _override(self, plan: Plan) -> Plan:
        function = self._context.overrides.get(plan.call)
        if function is None:
            return plan
        if function not in self._stand_ins:
            self._stand_ins[function] = self._planner.plan_dependency(function)
        return self._stand_ins[function]

    def _loop(self) -> asyncio.Runner:
        if self._runner is None:
            # With a factory of its own the runner leaves the loop alone that Streamlit keeps for the thread.
            self._runner = self._stack.enter_context(asyncio.Runner(loop_factory=asyncio.new_event_loop))
        return self._runner

    def _enter_async(self, manager: contextlib.AbstractAsyncContextManager[Any]) -> Any:
        loop = self._loop()
        value = loop.run(_enter(manager))
        self._stack.push(lambda *failure: loop.run(_leave(manager, failure)))
        return value


def _manager(value: Any) -> contextlib.AbstractContextManager[Any]:
    """A started generator as a context manager, unless it is one."""
    return value if hasattr(value, "__enter__") else contextlib.contextmanager(lambda: value)()


def _async_manager(value: Any) -> contextlib.AbstractAsyncContextManager[Any]:
    return value if hasattr(value, "__aenter__") else contextlib.asynccontextmanager(lambda: value)()


async def _enter(manager: contextlib.AbstractAsyncContextManager[Any]) -> Any:
    return await manager.__aenter__()


async def _leave(manager: contextlib.AbstractAsyncContextManager[Any], failure: tuple[Any, Any, Any]) -> bool | None:
    return await manager.__aexit__(*failure)
