"""Groups of parameters as a table that prints itself and turns into pandas, polars or Arrow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import MissingDependencyError, Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from .core.groups import Grouping


_INTEGERS = frozenset({"layer", "expert", "nbytes"})  # whatever else a column of only unknown values would be


class GroupTable:
    """Rows of keys, `n_tensors`, `numel`, `nbytes` and `share`; made by `Model.by` and `Comparison.by`."""

    def __init__(self, groupings: tuple[Grouping, ...], show: Callable[[str], str]) -> None:
        self._groupings = groupings
        self._show = show  # renders the same groups for a terminal or for HTML

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per group; with more than one model each starts with its name.

        >>> import numel
        >>> numel.inspect("gpt2").by("component").to_dicts()[1]["numel"]
        28348416
        """
        many = len(self._groupings) > 1
        return [
            {
                **({"model": grouping.model} if many else {}),
                **dict(zip(grouping.names, group.keys, strict=True)),
                **dict(zip(group._fields[1:], group[1:], strict=True)),
            }
            for grouping in self._groupings
            for group in grouping
        ]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_dicts())

    def __len__(self) -> int:
        return sum(len(grouping.groups) for grouping in self._groupings)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame; integers stay integers where some are missing (Int64). Raises MissingDependencyError."""
        pandas = _package("pandas", extra="pandas")
        rows = self.to_dicts()
        frame: pd.DataFrame = pandas.DataFrame(rows)
        for name in frame.columns:
            values = [row[name] for row in rows]
            if None in values and (name in _INTEGERS or any(type(value) is int for value in values)):
                frame[name] = pandas.array(values, dtype="Int64")
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame. Raises MissingDependencyError without polars."""
        frame: pl.DataFrame = _package("polars", extra="polars").DataFrame(self.to_dicts(), infer_schema_length=None)
        return frame

    def to_arrow(self) -> pa.Table:
        """An Arrow table. Raises MissingDependencyError without pyarrow."""
        table: pa.Table = _package("pyarrow", extra="arrow").Table.from_pylist(self.to_dicts())
        return table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow stream, so that any library that speaks it takes the table as it is."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return self._show("terminal")

    def _repr_html_(self) -> str:
        return self._show("html")


def _package(name: str, *, extra: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(name, extra=extra, what=Sentence("a {library} table", library=name)) from error
