"""Who hears a Ctrl-C, and who speaks of it? Not a worker: Dask loads this into each that numel starts on this machine.

Only the process that was asked stops, and says so in one line; what goes wrong in a worker comes to it as an error.
"""

import logging
import signal
from contextlib import suppress


def dask_setup(worker: object) -> None:
    """What Dask calls in a worker's process before it works."""
    del worker
    with suppress(ValueError):  # not the main thread: it does not hear one anyway
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
