"""What a model on disk holds: its weights in whatever format, and the configuration beside them."""

from __future__ import annotations

from ..core.tensors import Inventory, Source
from ..core.visible import visible, visible_path
from ..errors import NoModelError, NumelError, Sentence, UnsupportedError
from . import FORMATS, Format
from .strict_json import MAX_PATH_SHOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Protocol

    from ..core.bytes import ByteSource
    from ..core.config import ModelConfig

    class Found(Protocol):
        """What a source says about a place that may hold a model; the names of files are relative to it."""

        @property
        def location(self) -> str:
            """The place as the user gave it."""

        @property
        def kind(self) -> str:
            """What `Source.kind` will be."""

        @property
        def name(self) -> str:
            """What the model is called."""

        @property
        def shard_index(self) -> str | None:
            """The file that lists the shards."""

        @property
        def weights(self) -> tuple[str, ...]:
            """The files with weights, when no index lists them."""

        @property
        def config(self) -> str | None:
            """The config.json that belongs to the weights, or stands alone."""

        @property
        def beside(self) -> tuple[str, ...]:
            """Files of the index's kind that lie in its folder."""

        @property
        def warnings(self) -> tuple[str, ...]:
            """What is odd about the place."""

        def open(self, file: str, /) -> AbstractContextManager[ByteSource]:
            """One of the files."""


_HEAD_NBYTES = 64


def read(found: Found) -> Inventory:
    """The tensors and the configuration of a model.

    Of a configuration without weights the inventory has no tensors and the source's kind `config`: which tensors
    it has, its blueprint says. Beside weights that can be read, a configuration that cannot is a warning.
    """
    if found.shard_index is None and not found.weights:
        return _config_alone(found)
    config, warnings = _config_beside(found)
    if found.shard_index is None:
        try:
            row = _format_of(found)
        except UnsupportedError as error:  # a pickle beside a config.json that says as much
            if config is None or found.kind != "folder":
                raise
            said = Sentence(
                "counted from config.json, as {file} {why}",
                file=visible(found.weights[0], 64),
                why=error.message,
            )
            return _config_alone(found)._replace(warnings=(*found.warnings, said))
        inventory = _read_files(found, row)
    else:
        from .sharded import read as read_sharded

        with found.open(found.shard_index) as index:
            inventory = read_sharded(index, found.open, beside=found.beside)
    if inventory.source.format == "numel":  # it says itself which model it is of
        return inventory._replace(source=Source(found.kind, "numel", found.location))
    return inventory._replace(
        name=found.name,
        source=Source(found.kind, inventory.source.format, found.location),
        config=config if config is not None else inventory.config,
        warnings=(*found.warnings, *inventory.warnings, *warnings),
    )


def choose(source: ByteSource) -> Format:
    """The row of FORMATS that reads `source`: by its first bytes, then by its name.

    Raises the error that says what the file is, when no format of ours has it.
    """
    head = source.read(0, min(source.size, _HEAD_NBYTES))
    for row in FORMATS.values():
        if row.is_at(head):
            return row
    for row in FORMATS.values():
        if source.name.lower().endswith(row.suffixes):
            return row
    from .recognise import refuse_foreign

    refuse_foreign(source, "file of weights that numel reads")
    message = Sentence("is in no format that numel reads")
    hint = Sentence("numel reads {formats} and config.json", formats=", ".join(FORMATS))
    raise UnsupportedError(message, path=visible_path(source.name, MAX_PATH_SHOWN), hint=hint)


def _format_of(found: Found) -> Format:
    """The format of the weights; only safetensors and GGUF may lie in several files."""
    with found.open(found.weights[0]) as source:
        row = choose(source)
        if len(found.weights) > 1 and row not in (FORMATS["safetensors"], FORMATS["gguf"]):
            message = Sentence("is one of {n} files without an index that numel reads", n=len(found.weights))
            raise UnsupportedError(message, path=visible_path(source.name, MAX_PATH_SHOWN))
    return row


def _read_files(found: Found, row: Format) -> Inventory:
    if len(found.weights) > 1 and row is FORMATS["gguf"]:
        from .gguf import join

        return join(_read_each(found, row))
    if len(found.weights) > 1:
        from .sharded import read_loose

        return read_loose(found.weights, found.open, path=found.location)
    with found.open(found.weights[0]) as source:
        return row.load()(source)


def _read_each(found: Found, row: Format) -> Iterator[Inventory]:
    for file in found.weights:
        with found.open(file) as source:
            yield row.load()(source)


def _config_beside(found: Found) -> tuple[ModelConfig | None, tuple[str, ...]]:
    """The configuration beside the weights, or None and why not."""
    from .hf_config import read as read_config

    if found.config is None:
        return None, ()
    try:
        with found.open(found.config) as source:
            return read_config(source), ()
    except NumelError as error:
        file = visible(found.config, 64)
        return None, (Sentence("{file} is not used: {why}", file=file, why=error.message),)


def _config_alone(found: Found) -> Inventory:
    from .hf_config import read as read_config

    if found.config is None:
        message = Sentence("holds neither weights nor a config.json")
        raise NoModelError(message, path=visible_path(found.location, MAX_PATH_SHOWN))
    with found.open(found.config) as source:
        config = read_config(source)
    return Inventory(
        found.name, Source("config", "hf_config", found.location), (), config=config, warnings=found.warnings
    )
