"""Fixtures for every test of the tree: real servers from wheels, one set for each worker."""

import signal

pytest_plugins = ["flowtask_local.testing"]


def pytest_configure() -> None:
    """Hear every signal, also where the run was begun with some of them ignored, as by nohup: programs inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
