"""Process 1 of a container: passes signals on and reaps orphans.

The kernel treats process 1 of a PID namespace unlike others (pid_namespaces(7)): a signal without a handler does
nothing to it, and every process that loses its parent becomes its child, to stay a zombie until process 1 waits for it.
A page that starts a program which starts another is enough to fill the process table of a container over weeks.

The gateway cannot wait for "any child" itself: it would take away the exit codes that its supervisor, or the
application's own `subprocess`, waits for. So process 1 forks before anything else is loaded; the child is the gateway,
and everything else that ever ends is an orphan. tini and dumb-init do the same; this needs no program in the image.
"""

from __future__ import annotations

import os
import signal

_NOT_PASSED_ON = {
    signal.SIGCHLD,
    signal.SIGKILL,
    signal.SIGSTOP,
    # Sent by the kernel to the process at fault; the child gets its own.
    signal.SIGSEGV,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGBUS,
    signal.SIGTRAP,
    signal.SIGABRT,
    signal.SIGTTIN,
    signal.SIGTTOU,
}
PASSED_ON = frozenset(signal.valid_signals()) - _NOT_PASSED_ON


def split() -> int | None:
    """Fork into process 1 and the process that does the work.

    No thread may have been started yet.

    Returns:
        `None` in the process that goes on to do the work. In the other one, once that has ended, the exit code to
        leave with.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})
    child = os.fork()
    if child:
        # Where this is inherited as "ignore", the kernel throws exit codes away.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return attend(child)
    _take_terminal()
    # systemd, and podman after it, address the sockets that they pass to one process by its number (sd_listen_fds(3)).
    if os.environ.get("LISTEN_PID") == str(os.getppid()):
        os.environ["LISTEN_PID"] = str(os.getpid())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return None


def attend(child: int) -> int:
    """Pass signals on and reap processes until one child has ended.

    Args:
        child: its process id. `PASSED_ON` and SIGCHLD must be blocked since before it was started.

    Returns:
        Its exit code, 128 and the number of the signal if one killed it, as shells count.
    """
    while True:
        number = signal.sigwait(PASSED_ON | {signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(child, number)
        elif (status := _reap(child)) is not None:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _reap(child: int) -> int | None:
    """Reap all ended processes (signals merge); return the child's status."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _take_terminal() -> None:
    """Make Ctrl-C reach this process once; twice would mean "stop at once"."""
    os.setpgid(0, 0)
    if os.isatty(0):
        handler = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, handler)
