"""Shared code of training processes."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Exit this process as soon as its parent has exited, for whatever reason."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
