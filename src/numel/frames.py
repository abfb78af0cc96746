"""Groups of parameters as tables that print themselves and turn into pandas, polars or Arrow."""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class _Frame(ABC):
    """Rows as dicts, and as what other libraries make of them."""

    def __init__(self, show: Callable[[str], str]) -> None:
        self._show = show  # renders the same groups for a terminal or for HTML

    @abstractmethod
    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per group; with more than one model each starts with its name."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_dicts())

    def __len__(self) -> int:
        return len(self.to_dicts())

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


class GroupTable(_Frame):
    """Rows of keys, `n_tensors`, `numel`, `nbytes` and `share`; made by `Model.by` and `Comparison.by`."""

    def __init__(self, groupings: tuple[Grouping, ...], show: Callable[[str], str]) -> None:
        super().__init__(show)
        self._groupings = groupings

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


class ValueTable(_Frame):
    """Rows of keys and statistics, quantiles as `q0.5`; made by `Model.values` and `Comparison.values`."""

    def __init__(self, models: list[dict[str, Any]], show: Callable[[str], str]) -> None:
        super().__init__(show)
        self._models = models

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per group; with more than one model each starts with its name."""
        many = len(self._models) > 1
        return [
            {**({"model": model["name"]} if many else {}), **_flat(group)}
            for model in self._models
            for group in model["groups"]
        ]


def _flat(group: dict[str, Any]) -> dict[str, Any]:
    """A group of `--json` as one row."""
    row = {key: value for key, value in group.items() if key not in ("stats", "spectrum")}
    stats = dict(group["stats"])
    quantiles = {f"q{q}": value for q, value in stats.pop("quantiles").items()}
    return {**row, **stats, **quantiles, **group.get("spectrum", {})}


def _package(name: str, *, extra: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(name, extra=extra, what=Sentence("a {library} table", library=name)) from error
