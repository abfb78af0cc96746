"""The page of the model types that `numel cost` covers says what the program does."""

from __future__ import annotations

import pytest

from cost_table import DOCS, page


@pytest.mark.parametrize(("language", "name"), [("en", "cost.md"), ("vi", "cost.vi.md")])
def test_the_page_is_current(language, name):
    assert (DOCS / name).read_text(encoding="utf-8") == page(language), "run python tools/cost_table.py"
