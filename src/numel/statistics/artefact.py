"""How are histograms kept in a file, so that every later question is answered without the weights?

A Parquet file, one row per tensor, described in docs/histograms.md: any reader of Parquet opens it. It is written beside
its place and renamed when it is whole; a part of one has no footer, so that nothing takes it for the whole.
"""

from __future__ import annotations

import io
import json
import os
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

from ..core.config import ModelConfig
from ..core.dtypes import SAFETENSORS_DTYPES, DType
from ..core.tensors import Inventory, Source, TensorInfo
from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, MissingDependencyError, Sentence, UnsupportedError, UsageError, reason
from .exact import PowerSums, from_hexadecimal, hexadecimal
from .histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from ..core.bytes import ByteSource
    from ..core.parameters import ParameterTable

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    package = "pyarrow"
    raise MissingDependencyError(package, extra="arrow", what=Sentence("a file of histograms")) from error

VERSION = 1
_ABOUT = b"numel"  # the key of the JSON object in the footer
_ABOUT_CRC = b"numel.crc32"
_GROUP_NBYTES = 4 << 20  # of histograms in one row group: what is held at a time
_MAX_SHOWN = 120
_MOST = 2.0**62  # values of one tensor
_LISTS = ("values", "counts")
_SUMS = ("sum_x", "sum_x2", "sum_x3", "sum_x4", "sum_abs")
_INTEGERS = ("zeros", "n_nan", "n_plus_inf", "n_minus_inf")
_OF_TENSOR = ("name", "shape", "dtype", "block_nbytes", "block_numel", "block_stored", "shard", "offset", "position")
_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.int64()), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),
        pa.field("block_nbytes", pa.int32(), nullable=False),
        pa.field("block_numel", pa.int32(), nullable=False),
        pa.field("block_stored", pa.int32()),
        pa.field("shard", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("values", pa.list_(pa.float64())),
        pa.field("counts", pa.list_(pa.int64())),
        *(pa.field(key, pa.int64()) for key in _INTEGERS),
        pa.field("least", pa.float64()),
        pa.field("greatest", pa.float64()),
        pa.field("resolution", pa.float64()),
        pa.field("used_bits", pa.int64()),
        *(pa.field(key, pa.string()) for key in _SUMS),
    ]
)
_ENCODING = {  # together a quarter smaller than as they are
    "values.list.element": "BYTE_STREAM_SPLIT",  # the lower bytes of floats are mostly zero
    "counts.list.element": "DELTA_BINARY_PACKED",  # neighbours occur nearly as often
}


class Saving:
    """A file of histograms while it is written. Leave it by `with`: whole and in its place, or without a trace."""

    def __init__(self, path: str, table: ParameterTable) -> None:
        """Raises UsageError where nothing can be written."""
        self._path = path
        self._place = os.path.realpath(path)
        _refuse_to_replace(path)
        folder, name = os.path.split(self._place)
        self._part = os.path.join(folder, f".{name}.{os.getpid()}.part")
        self._positions = {row.tensor.name: i for i, row in enumerate(table.rows)}
        self._rows: list[dict[str, Any]] = []
        self._n_waiting = 0
        self._left = {row.tensor.name: row.tensor for row in table.rows}
        about = json.dumps(_about(table)).encode()
        with self._writing():
            self._file = open(self._part, "wb")  # noqa: SIM115 - closed by __exit__
            self._writer = pq.ParquetWriter(
                self._file,
                _SCHEMA,
                compression="zstd",
                compression_level=5,
                use_dictionary=False,
                column_encoding=_ENCODING,
                write_page_checksum=True,
                store_schema=False,
            )
            self._writer.add_key_value_metadata({_ABOUT: about, _ABOUT_CRC: str(crc32(about)).encode()})

    def add(self, tensor: TensorInfo, histogram: Histogram | None) -> None:
        """One more tensor; those with a histogram in the order in which they are read later, the others at the end."""
        self._left.pop(tensor.name, None)
        row = dict.fromkeys(_SCHEMA.names) | _of_tensor(tensor, self._positions[tensor.name])
        if histogram is not None:
            row |= _of_histogram(histogram)
            self._n_waiting += 16 * len(histogram.values)
        self._rows.append(row)
        if self._n_waiting > _GROUP_NBYTES:
            self._flush()

    def __enter__(self) -> Saving:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._drop()
            return
        for tensor in list(self._left.values()):  # what is no parameter, and packed types
            self.add(tensor, None)
        self._flush()
        with self._writing():
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._part, self._place)

    def _flush(self) -> None:
        if self._rows:
            with self._writing():
                self._writer.write_table(_table(self._rows), row_group_size=len(self._rows))
        self._rows, self._n_waiting = [], 0

    def _drop(self) -> None:
        with suppress(Exception):  # a writer that failed fails again
            self._writer.close()
        with suppress(Exception):
            self._file.close()
        with suppress(OSError):
            os.unlink(self._part)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Where the disk fails, nothing is left and the error is one line."""
        try:
            yield
        except OSError as error:
            self._drop()
            message = Sentence("cannot write: {why}", why=reason(error))
            shown = visible_path(self._path, _MAX_SHOWN)
            raise UsageError(message, path=shown, hint=Sentence("choose another place")) from error


def read(source: ByteSource) -> Inventory:
    """The tensors of a file of histograms, with the configuration and all that was known of them, in their order."""
    file, about = _opened(source)
    with _reading(source):
        rows = file.read(columns=list(_OF_TENSOR), use_threads=False).to_pylist()
        rows.sort(key=lambda row: row["position"])
        config = about["config"]
        stated = about["source"]
        return Inventory(
            about["name"],
            Source(stated["kind"], "numel", source.name),
            tuple(map(_tensor, rows)),
            config=None if config is None else ModelConfig(config),
            aliases=about["aliases"],
            warnings=tuple(map(_sentence, about["warnings"])),
        )


def stored(source: ByteSource, tensors: Iterable[TensorInfo]) -> Iterator[tuple[TensorInfo, Histogram]]:
    """Each of the tensors with its histogram, as `scan` gives them: in the order of their places in the files."""
    file, _ = _opened(source)
    wanted = list(tensors)
    at = 0
    for group in range(file.num_row_groups):
        if at == len(wanted):
            return
        with _reading(source):
            rows = _rows(file.read_row_group(group, use_threads=False))
        for row in rows:
            if at == len(wanted) or row.cells["name"] != wanted[at].name:
                continue
            with _reading(source):
                histogram = _histogram(row)
                if histogram.numel != wanted[at].numel:
                    _refuse(source)
            yield wanted[at], histogram
            at += 1
    if at < len(wanted):
        _refuse(source)


def _about(table: ParameterTable) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": table.name,
        "source": {"kind": table.source.kind, "format": table.source.format},
        "config": None if table.config is None else dict(table.config.fields),
        "aliases": dict(table.aliases),
        "warnings": [_spelt(warning) for warning in table.warnings],
    }


def _spelt(value: str | int) -> Any:
    """A sentence as data, so that it can be said in another language later."""
    if isinstance(value, Sentence):
        return {"template": value.template, "values": {key: _spelt(each) for key, each in value.values.items()}}
    return value


def _sentence(data: Any) -> Any:
    if isinstance(data, dict):
        return Sentence(data["template"], **{key: _sentence(each) for key, each in data["values"].items()})
    return data


def _of_tensor(tensor: TensorInfo, position: int) -> dict[str, Any]:
    name, *blocks = tensor.dtype
    values = (tensor.name, tensor.shape, name, *blocks, tensor.shard, tensor.offset, position)
    return dict(zip(_OF_TENSOR, values, strict=True))


def _table(rows: list[dict[str, Any]]) -> Any:
    """Rows as Arrow has them; the arrays as they are, and not value by value."""
    columns = {
        field.name: pa.array([row[field.name] for row in rows], field.type)
        for field in _SCHEMA
        if field.name not in _LISTS
    }
    for name in _LISTS:
        given = [row[name] for row in rows]
        ends = np.cumsum([0, *(0 if each is None else len(each) for each in given)]).astype(np.int32)
        flat = [each for each in given if each is not None]
        values = pa.array(np.concatenate(flat) if flat else (), _SCHEMA.field(name).type.value_type)
        is_null = pa.array([each is None for each in given])
        columns[name] = pa.ListArray.from_arrays(ends, values, mask=is_null)
    return pa.table([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)


def _tensor(row: Mapping[str, Any]) -> TensorInfo:
    dtype = DType(row["dtype"], row["block_nbytes"], row["block_numel"], row["block_stored"])
    if dtype.block_nbytes < 0 or dtype.block_numel < 1:
        raise ValueError
    known = SAFETENSORS_DTYPES.get(dtype.name)
    return TensorInfo(row["name"], tuple(row["shape"]), known if known == dtype else dtype, row["shard"], row["offset"])


def _of_histogram(histogram: Histogram) -> dict[str, Any]:
    found = {key: value for key, value in histogram._asdict().items() if key != "sums"}
    sums = () if histogram.sums is None else histogram.sums[1:]
    return found | {key: hexadecimal(x) for key, x in zip(_SUMS, sums, strict=False)}


class _Row(NamedTuple):
    """One row: its `values` and `counts` as arrays, the rest by the names of the columns."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    cells: dict[str, Any]


def _rows(table: Any) -> list[_Row]:
    """The rows of a group; the lists as parts of one array."""
    lists = []
    for key in _LISTS:
        column = table.column(key).combine_chunks()
        flat, ends = column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()
        lists.append([flat[start:end] for start, end in pairwise(ends.tolist())])
    cells = table.drop_columns(list(_LISTS)).to_pylist()
    return [_Row(*each) for each in zip(*lists, cells, strict=True)]


def _histogram(row: _Row) -> Histogram:
    """The histogram of a row. Raises ValueError where it contradicts itself."""
    values, counts, cells = row
    n = int(counts.sum()) if len(counts) else 0
    if len(values) != len(counts) or (counts < 1).any() or counts.sum(dtype=float) > _MOST:
        raise ValueError
    if not np.isfinite(values).all() or not (values[1:] > values[:-1]).all():
        raise ValueError
    if any(cells[key] is None or cells[key] < 0 for key in (*_INTEGERS, "resolution")):
        raise ValueError
    powers = [cells[key] for key in _SUMS]
    sums = None if None in powers else PowerSums(n, *map(from_hexadecimal, powers))
    rest = {key: cells[key] for key in Histogram._fields[3:]}
    in_order: Any = np.ascontiguousarray(values).data  # float64, which its type in numpy does not say
    return Histogram(in_order, np.ascontiguousarray(counts).data, sums, **rest)


class _Ranges(io.RawIOBase):
    """A source as the kind of file that Arrow reads."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._source.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        """Its length: what Arrow asks first."""
        return self._source.size

    def read(self, size: int = -1) -> bytes:
        left = max(self._source.size - self._at, 0)
        found = self._source.read(self._at, left if size < 0 else min(size, left))
        self._at += len(found)
        return found


def _refuse_to_replace(path: str) -> None:
    """Raises UsageError for a place where something else is: weights, another program's table, a device."""
    message = None
    if os.path.exists(path) and not os.path.isfile(path):
        message = Sentence("is not a regular file")
    elif os.path.isfile(path) and os.path.getsize(path):
        try:
            is_ours = _ABOUT in (pq.read_metadata(path).metadata or {})
        except (pa.ArrowException, OSError):
            is_ours = False
        message = None if is_ours else Sentence("exists, and is not a file of histograms")
    if message is not None:
        raise UsageError(message, path=visible_path(path, _MAX_SHOWN), hint=Sentence("choose another place"))


class _Opened(NamedTuple):
    file: Any
    about: dict[str, Any]


def _opened(source: ByteSource) -> _Opened:
    """The file, and the object in its footer. Raises UnsupportedError for what is of another program or a newer numel."""
    path = visible_path(source.name, _MAX_SHOWN)
    if source.size < 12 or source.read(source.size - 4, 4) != b"PAR1":
        message = Sentence("is not a whole file of histograms: its end is missing")
        raise CorruptFileError(message, path=path, hint=Sentence("write it again with --save-histograms"))
    with _reading(source):
        file = pq.ParquetFile(_Ranges(source), page_checksum_verification=True)
        metadata = file.metadata.metadata or {}
        raw = metadata.get(_ABOUT)
    if raw is None:
        message = Sentence("is a Parquet file, but none that numel wrote")
        raise UnsupportedError(message, path=path, hint=Sentence("numel reads those of --save-histograms"))
    with _reading(source):
        if int(metadata[_ABOUT_CRC]) != crc32(raw):
            _refuse(source)
        about = json.loads(raw)
        version = int(about["version"])
    if version > VERSION:
        message = Sentence(
            "is of version {version}, and this numel reads up to {known}", version=version, known=VERSION
        )
        raise UnsupportedError(message, path=path, hint=Sentence("install a newer numel"))
    with _reading(source):
        for field in _SCHEMA:
            found = file.schema_arrow.field(field.name)  # a KeyError without it
            if found.type != field.type or found.nullable > field.nullable:
                raise TypeError(field.name)
    return _Opened(file, about)


@contextmanager
def _reading(source: ByteSource) -> Iterator[None]:
    """Whatever a damaged file makes Arrow, JSON or numpy complain of is one error."""
    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as e:
        said = str(e).split("\n")[0]
        _refuse(source, why=visible(said, 80) if said else "", because=e)


def _refuse(source: ByteSource, why: str = "", because: BaseException | None = None) -> None:
    """Raises the error for a file that is damaged."""
    message = (
        Sentence("is damaged: {why}", why=why) if why else Sentence("is damaged: its numbers contradict each other")
    )
    hint = Sentence("write it again with --save-histograms")
    raise CorruptFileError(message, path=visible_path(source.name, _MAX_SHOWN), hint=hint) from because
