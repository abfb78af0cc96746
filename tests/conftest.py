"""What all tests share: property tests that draw the same examples every time, so that a failure is there to be seen again."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
