"""`python -m numel`."""

from .cli import run

run()
