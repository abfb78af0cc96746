"""From a table of parameters to the model itself, ready to run, each of its modules in its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .classify import classify, place
from .core.visible import visible
from .errors import MissingDependencyError, MissingValuesError, Sentence, UsageError
from .runs import Running
from .sources.local import find
from .sources.text import read_text

try:
    from .sources import runnable
except ImportError as error:
    raise MissingDependencyError(
        str(error.name or "transformers"), extra="transformers", what=Sentence("running a model")
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .core.parameters import ParameterTable


class Opener:
    """What makes the model of `table` run; nothing is loaded before it is asked to.

    `live` is the module itself where there is one.
    """

    def __init__(self, table: ParameterTable, live: object = None) -> None:
        self._table = table
        self._live: Any = live
        if live is not None and not hasattr(live, "forward"):
            message = Sentence("{model}: a state dict does not run", model=visible(table.name, 100))
            raise UsageError(message, hint=Sentence("give the module"))

    def device(self, name: str) -> Any:
        """torch's device of that name, and how many bytes are free there if that is known. Raises UsageError."""
        if self._live is not None:  # it is where it is, and has its memory
            return next(self._live.parameters()).device, None
        device = runnable.device_of(name)
        return device, runnable.free_nbytes(device)

    def run(self, device: Any, dtype: str) -> Running:
        """The model as its configuration or its folder makes it. Raises UsageError and UnsupportedError."""
        if self._live is not None:
            return _placed(self._live.eval(), is_random=False)
        config = self._table.config
        if config is None or config.model_type is None:
            message = Sentence("{model}: without a configuration it does not run", model=visible(self._table.name, 100))
            raise MissingValuesError(message, hint=Sentence("give a folder with a config.json, or a name"))
        wanted = runnable.dtype_of(dtype)
        if self._table.source.kind == "folder":
            folder = os.path.expanduser(self._table.source.location)
            return _placed(runnable.loaded(folder, config, dtype=wanted, device=device), is_random=False)
        return _placed(runnable.made(config, dtype=wanted, device=device), is_random=True)

    def check_causal_lm(self) -> None:
        """Raises MissingValuesError where there is no folder with trained weights, UnsupportedError for another task's model."""
        config = self._table.config
        if self._live is not None or config is None or self._table.source.kind != "folder":
            message = Sentence("{model}: the question needs a folder with trained weights, a config.json and a tokenizer",
                               model=visible(self._table.name, 100))  # fmt: skip
            raise MissingValuesError(message, hint=Sentence("save_pretrained of model and tokenizer make one"))
        runnable.check_causal_lm(config, self.folder)

    def run_causal_lm(self, device: Any, dtype: str) -> Running:
        """The model that a folder holds, which predicts the next token. Raises UnsupportedError where it does not load."""
        module = runnable.loaded_causal_lm(self.folder, dtype=runnable.dtype_of(dtype), device=device)
        return _placed(module, is_random=False)

    @property
    def folder(self) -> str:
        """Where the model lies."""
        return os.path.abspath(os.path.expanduser(self._table.source.location))

    def identity(self) -> list[list[Any]]:
        """Name, size and time of the last change of the files that the model is made of."""
        place = find(self.folder)
        names = {*place.weights, *(row.tensor.shard for row in self._table.rows), place.config}
        found = []
        for name in sorted(filter(None, names)):
            status = os.stat(os.path.join(self.folder, name))
            found.append([name, status.st_size, status.st_mtime_ns])
        return found

    def tokens(self, path: str) -> Sequence[int]:
        """The text of a file as the folder's tokenizer reads it."""
        return runnable.tokens_of(self.folder, read_text(os.path.expanduser(path)))


def _placed(module: Any, *, is_random: bool) -> Running:
    from .sources.module import read

    inventory = read(module)
    table = classify(inventory)
    components = {row.tensor.name: row.component for row in table.rows if row.excluded != "buffer"}
    components |= {name: place(name).component for name in inventory.aliases}
    return Running(module, table.rows, components, is_random, {"transformers": runnable.VERSION})


def openers(tables: Sequence[ParameterTable], live: Sequence[object]) -> tuple[Opener, ...]:
    """One for each model."""
    return tuple(Opener(table, held) for table, held in zip(tables, live, strict=True))
