"""What every report says alike about a model: its JSON head, its summary line, and how it was counted."""

from __future__ import annotations

from math import prod

from ..core.counts import Counts, count
from ..core.holdings import arithmetic
from ..core.kinds import kinds_of
from ..core.report import Note, NoteKind, Text, Unit, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..core.dtypes import DType
    from ..core.formulas import Formula
    from ..core.holdings import Holding
    from ..core.parameters import ParameterTable


def model_data(table: ParameterTable, counts: Counts | None = None) -> dict[str, Any]:
    """The head of a model's entry in `--json`: name, source, model type, the four counts, what is stored beyond them."""
    counts = counts or count(table)
    return {
        "name": table.name,
        "source": dict(table.source._asdict()),
        "model_type": table.model_type,
        "counts": dict(counts._asdict()),
        "n_tensors": len(table.rows),
        "nbytes": _nbytes(table),
        "stored_difference": stored_difference(table),
        "quantisation": quantisation(table),
        "published_files": published_files(table, counts.total),
    }


WHY = {
    "buffer": "buffers",
    "tied": "second copies of tied tensors",
    "scale": "quantisation scales",
    "mtp": "multi-token-prediction layers",
    "unread": "weights that the model never reads",
    "packed": "packed weights",
}


def stored_difference(table: ParameterTable) -> list[dict[str, Any]]:
    """What the source stores beyond the parameters, by kind: `stored` less these is `total`."""
    terms: dict[tuple[str, str], dict[tuple[int, ...], int]] = {}
    packed: dict[str, list[int]] = {}
    for row, n in kinds_of(table):
        if row.excluded is not None:
            part = row.part if row.excluded == "buffer" else ""
            shapes = terms.setdefault((row.excluded, part), {})
            shapes[row.tensor.shape] = shapes.get(row.tensor.shape, 0) + n
        elif row.tensor.dtype.block_stored is not None:
            sums = packed.setdefault(row.tensor.dtype.name, [0, 0, 0])
            sums[2] += n
            sums[0] += n * row.tensor.dtype.stored(row.tensor.numel)
            sums[1] += n * row.tensor.numel
    return [
        {
            "what": _what(why, part),
            "kind": why,
            "part": part,
            "n_tensors": sum(shapes.values()),
            "numel": sum(n * prod(shape) for shape, n in shapes.items()),
            "formula": arithmetic(shapes),
        }
        for (why, part), shapes in terms.items()
    ] + [
        {
            "what": _what("packed", name),
            "kind": "packed",
            "part": name,
            "n_tensors": n_tensors,
            "numel": stored - numel,
            "formula": f"{stored} - {numel}",
        }
        for name, (stored, numel, n_tensors) in packed.items()
    ]


def quantisation(table: ParameterTable) -> dict[str, Any] | None:
    """The quantised weights of a file: how many, and their bits with and without scales; None if there are none."""
    dtypes: dict[str, None] = {}
    n_weights = numel = nbytes = scales = 0
    for row, n in kinds_of(table):
        if row.excluded == "scale" or row.tensor.name.endswith("g_idx"):
            scales += n * (row.tensor.nbytes or 0)
        elif row.excluded is None and _is_quantised(row.tensor.dtype):
            dtypes[row.tensor.dtype.name] = None
            n_weights += n
            numel += n * row.tensor.numel
            nbytes += n * (row.tensor.nbytes or 0)
    if not numel:
        return None
    return {
        "dtypes": list(dtypes),
        "n_weights": n_weights,
        "numel": numel,
        "nbytes": nbytes,
        "scales_nbytes": scales,
        "bits_per_weight": 8 * (nbytes + scales) / numel,
        "bits_per_parameter": 8 * (_nbytes(table) or 0) / max(1, count(table).total),
    }


def _is_quantised(dtype: DType) -> bool:
    """Whether values of this type are fewer than 16 bits, or share a scale in their block."""
    return dtype.block_numel > 1 or dtype.block_nbytes == 1


def quantised(table: ParameterTable) -> tuple[Note, ...]:
    """One line on the quantised weights."""
    found = quantisation(table)
    if found is None:
        return ()
    values = {
        "n": Value(found["n_weights"], Unit.COUNT),
        "dtype": Value("+".join(found["dtypes"]), Unit.NAME),
        "numel": Value(found["numel"], Unit.COUNT),
        "bits": Value(found["bits_per_weight"], Unit.RATIO),
        "whole": Value(found["bits_per_parameter"], Unit.RATIO),
    }
    text = Text(
        "quantised: {numel} parameters in {n} weights of {dtype}, {bits} bits each with their scales; {whole} in the "
        "whole file",
        values,
    )
    return (Note(text),)


def published_files(table: ParameterTable, total: int) -> list[dict[str, Any]]:
    """What checkpoints of a configuration hold beside its `total` parameters; none where no blueprint describes them.

    `numel` is the hub's count of the published `model`; where none is known, the parameters and what every checkpoint
    holds. `explained`: whether the lines that are counted lead to it.
    """
    files = []
    for published, lines in table.checkpoints:
        counted = sum(line.numel for line in lines if line.counted)
        numel = published.numel if published else total + counted
        files.append(
            {
                "model": published.model if published else None,
                "numel": numel,
                "beyond_parameters": numel - total,
                "explained": numel == total + counted,
                "lines": [_holding(line) for line in lines],
                "source": published.source if published else None,
            }
        )
    return files


def _holding(line: Holding) -> dict[str, Any]:
    return {
        "what": _what(line.kind, line.part),
        "kind": line.kind,
        "part": line.part,
        "n_tensors": line.n_tensors,
        "numel": line.numel,
        "formula": line.formula,
        "counted": line.counted,
    }


def _what(kind: str, part: str) -> str:
    return f"{WHY.get(kind, kind)}: {part}" if part else WHY.get(kind, kind)


def _nbytes(table: ParameterTable) -> int | None:
    """Bytes of all tensors; None where a dtype is unknown."""
    total = 0
    for row, n in kinds_of(table):
        nbytes = row.tensor.nbytes
        if nbytes is None:
            return None
        total += n * nbytes
    return total


def summary(table: ParameterTable, counts: Counts) -> Note:
    """The line above a model's table."""
    nbytes = _nbytes(table)
    if not table.rows:
        said = "{model} holds no tensors: there is nothing to count"
        return Note(Text(said, {"model": Value(table.name, Unit.NAME)}), NoteKind.SUMMARY)
    values = {
        "model": Value(table.name, Unit.NAME),
        "total": Value(counts.total, Unit.COUNT),
        "non_embedding": Value(counts.non_embedding, Unit.SHORT_COUNT),
        "n_tensors": Value(len(table.rows), Unit.COUNT),
        "dtype": Value("+".join(sorted({row.tensor.dtype.name for row, _ in kinds_of(table)})), Unit.NAME),
        "nbytes": Value(nbytes, Unit.NBYTES),
    }
    said = "{model} · {total} parameters ({non_embedding} without embeddings) · {n_tensors} tensors · {dtype} {nbytes}"
    if nbytes is None:
        said = "{model} · {total} parameters ({non_embedding} without embeddings) · {n_tensors} tensors, bytes unknown"
    elif counts.stored != counts.total:
        said = (
            "{model} · {total} parameters ({non_embedding} without embeddings) · "
            "all that is stored: {n_tensors} tensors, {dtype} {nbytes}"
        )
    return Note(Text(said, values), NoteKind.SUMMARY)


def active(counts: Counts) -> tuple[Note, ...]:
    """What works on one token, in both conventions; nothing for a model without experts, or where it is unknown."""
    if counts.active in (None, counts.total):
        return ()
    values = {
        "active": Value(counts.active, Unit.COUNT),
        "without": Value(counts.active_without_input_embedding, Unit.COUNT),
    }
    return (Note(Text("active per token: {active} with the input embedding, {without} without it", values)),)


def assumptions(tables: Sequence[ParameterTable], *, are_bytes_as_stored: bool = True) -> tuple[Text, ...]:
    """How it was counted, in sentences that hold for these models. Who takes a type for weights of none says so itself."""
    said = [
        Text(
            "total: every parameter once, a tied tensor once; buffers, quantisation scales and layers for "
            "multi-token prediction left out"
        ),
        Text("non_embedding: total less token and position embeddings and less an untied output matrix"),
    ]
    counts = [count(table) for table in tables]
    if any(c.active != c.total for c in counts):
        said.append(
            Text(
                "active: parameters that work on one token, routed experts by the number per token; with the input "
                "embedding, and without it where it is not also the output matrix"
            )
        )
    if are_bytes_as_stored:
        said.extend(_without_dtype(tables))
    said.extend(_without_config(tables))
    ties = {(name, target) for table in tables for name, target in table.aliases.items()}
    for name, target in sorted(ties)[:4]:
        values = {"name": Value(name, Unit.NAME), "target": Value(target, Unit.NAME)}
        said.append(Text("{name} is tied to {target}: one matrix, counted once", values))
    said += [
        _overruled(formula, c.total)
        for table, c in zip(tables, counts, strict=True)
        for formula in table.formulas
        if formula.tied_when_loaded
    ]
    if any(t.source.kind in ("config", "preset") and t.hyperparameters.get("in_memory") for t in tables):
        said.append(Text("names as transformers 5 holds the model in memory"))
    if any(table.rule == "study" for table in tables):
        said.append(
            Text(
                "classified by the study's substrings, upper and lower case distinguished, first match: "
                '"attn" or "attention", then "mlp" or "fc", then "ln"'
            )
        )
    else:
        said.append(Text("classified by numel's ordered rules on the tensors' names, norm before attention and MLP"))
    return tuple(said)


def _without_dtype(tables: Sequence[ParameterTable]) -> Iterator[Text]:
    """That bytes are unknown, of each model of which nobody says in which type it is stored."""
    for table in tables:
        if any(not row.tensor.dtype.block_nbytes for row, _ in kinds_of(table)):
            said = "{model}: no known dtype is stated, so bytes are unknown; --set dtype=bfloat16 would suppose one"
            yield Text(said, {"model": Value(table.name, Unit.NAME)})


def _without_config(tables: Sequence[ParameterTable]) -> Iterator[Text]:
    """That buffers are only guessed, of each model of which there are names and shapes and nothing else."""
    for table in tables:
        if table.config is None and table.source.kind != "module":
            said = "{model}: no configuration says which tensors are buffers: told by their names, all others count"
            yield Text(said, {"model": Value(table.name, Unit.NAME)})


def _maybe_tied(tables: Sequence[ParameterTable]) -> Iterator[Text]:
    """That an output matrix as large as the token embedding may be a copy of it, where nobody says whether it is."""
    for table in tables:
        ties = table.config.fields.get("tie_word_embeddings") if table.config else None
        if table.hyperparameters or ties is False or table.source.kind == "module":
            continue  # a blueprint, the configuration or the memory itself has said it
        counted = [row for row, _ in kinds_of(table) if row.excluded is None and row.role == "weight"]
        tokens = {row.tensor.shape: row for row in counted if (row.component, row.part) == ("embedding", "token")}
        for head in counted:
            if head.part == "lm_head" and head.tensor.shape in tokens:
                values = {
                    "model": Value(table.name, Unit.NAME),
                    "head": Value(head.tensor.name, Unit.NAME),
                    "table": Value(tokens[head.tensor.shape].tensor.name, Unit.NAME),
                }
                said = (
                    "{model}: {head} and {table} have the same shape and may be tied; nothing says so, and both count"
                )
                yield Text(said, values)


def _overruled(formula: Formula, total: int) -> Text:
    """That transformers ties a tensor that the configuration, and so the checkpoint, gives values of its own."""
    values = {
        "name": Value(formula.template, Unit.NAME),
        "target": Value(formula.tied_when_loaded, Unit.NAME),
        "numel": Value(formula.numel, Unit.COUNT),
        "total": Value(total, Unit.COUNT),
        "without": Value(total - formula.numel, Unit.COUNT),
    }
    return Text(
        "{name} counts, {numel}, as the config unties it: {total} in the checkpoint; transformers 5.23 ties it to "
        "{target} all the same and holds {without}",
        values,
    )


def warnings(tables: Sequence[ParameterTable]) -> tuple[Text, ...]:
    """What is odd about the sources, each with its model's name."""
    return (*_warned(tables), *_maybe_tied(tables))


def _warned(tables: Sequence[ParameterTable]) -> tuple[Text, ...]:
    """The sources' own warnings."""
    return tuple(
        Text("{model}: {warning}", {"model": Value(table.name, Unit.NAME), "warning": Value(text, Unit.FORMULA)})
        for table in tables
        for text in table.warnings
    )
