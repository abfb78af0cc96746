"""What all tests share: property tests that draw the same examples every time, so that a failure is there to be seen again.

Python looks for cycles less often than it would: beside transformers' half a million objects that took a third of the time.
"""

import gc

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
gc.set_threshold(100_000, 50, 100)
