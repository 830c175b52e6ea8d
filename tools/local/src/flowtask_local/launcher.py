"""Becomes the program, after what must hold before its first instruction: on the lifeline, locked, without root.

Run as `python -I -S launcher.py <order as JSON>` by `lifeline.py`; it uses only the standard library and replaces
itself with the program, so the process id stays the same. The order of the steps matters: a process is
announced to the guardian before anything that could outlive its parent is started.
"""

import fcntl
import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

_LOCK_PATIENCE = 15.0
_CANNOT_START = 70
_CAP_DAC_OVERRIDE = 1 << 1
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def main() -> NoReturn:
    """Carry out the order in `argv[1]`; exit with 70 and a sentence on stderr when the program cannot be started."""
    order = json.loads(sys.argv[1])
    _announce(order["lifeline"], order["signals"])
    if order["lock"] is not None:
        _hold(order["lock"])
    for path in order["stale"]:
        _remove(path)
    if order["uid"] is not None:
        _drop_root(order["uid"], order["gid"], order["needs"])
    if sys.platform == "linux":
        _die_with(order["parent"], order["signals"][0])
    for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    command = order["command"]
    try:
        os.execv(command[0], command)  # noqa: S606 - the supervisor's own command, no shell
    except OSError as error:
        _fail(f"cannot run {command[0]}: {error.strerror}")


def _announce(lifeline: int, signals: list[str]) -> None:
    """Tell the guardian about this process group; from now on the group ends with its supervisor."""
    try:
        os.write(lifeline, f"+ {os.getpid()} {','.join(signals)}\n".encode())
    except OSError:
        _fail("the guardian of this process is gone")
    os.set_inheritable(lifeline, False)


def _hold(path: str) -> None:
    """Lock the file for as long as the program or a child of it lives, waiting for a predecessor that is ending."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                _fail(f"{path} is still locked by an earlier process")
            time.sleep(0.02)
        else:
            break
    _sign(handle)
    os.set_inheritable(handle, True)


def _sign(handle: int) -> None:
    """Write down who has the lock, for those who wait for it; a full disk is no reason not to start."""
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
    except OSError:
        return


def _remove(path: str) -> None:
    """Take away what a crashed predecessor left; the lock proves that it is gone, its process id could be anybody's."""
    try:
        os.unlink(path)  # noqa: PTH108 - pathlib would cost each start ten milliseconds
    except FileNotFoundError:
        return


def _drop_root(uid: int, gid: int, needs: list[str]) -> None:
    """Become that user for good; keep only the right to pass closed folders, and only where it is needed."""
    linux = sys.platform == "linux"
    if linux:
        _prctl(_PR_SET_KEEPCAPS, 1)
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        _fail(f"cannot become user {uid}: {error.strerror}")
    closed = [path for path in needs if not os.access(path, os.R_OK | (os.X_OK if path.endswith("/") else 0))]
    if linux:
        _keep_capabilities(_CAP_DAC_OVERRIDE if closed else 0)
        closed = [path for path in closed if not _opens(path)]
    if closed:
        _fail(f"user {uid} may not enter {closed[0]}; move this folder to a place that other users may enter")


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True


def _keep_capabilities(kept: int) -> None:
    """Hold exactly these capabilities, also through the next exec; none when the kernel refuses them."""
    import ctypes  # noqa: PLC0415 - only a child of root pays for it

    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    wanted = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)
    if _libc().capset(header, wanted) != 0:
        _libc().capset(header, (ctypes.c_uint32 * 6)())
    elif kept:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, kept.bit_length() - 1)


def _die_with(parent: int, name: str) -> None:
    """Ask the kernel too to end this process with its parent, in case the guardian is killed at the same moment."""
    _prctl(_PR_SET_PDEATHSIG, int(getattr(signal, f"SIG{name}")))
    if os.getppid() != parent:
        _fail("the supervisor of this process is gone")


def _prctl(option: int, *arguments: int) -> None:
    import ctypes  # noqa: PLC0415 - macOS does not need it

    padded = (*arguments, 0, 0, 0, 0)[:4]
    _libc().prctl(option, *(ctypes.c_ulong(argument) for argument in padded))


def _libc() -> Any:
    import ctypes  # noqa: PLC0415 - macOS does not need it

    return ctypes.CDLL(None)


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(_CANNOT_START)


if __name__ == "__main__":
    main()
