"""What are the singular values of a model's matrices, and how do parts and layers differ in them? `--spectrum`."""

from __future__ import annotations

import os
from functools import partial
from math import sqrt
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.groups import reading_order
from ..core.parameters import Component
from ..core.report import Chart, ChartKind, Column, Series, Table, Text, Unit, Value
from ..core.visible import visible
from ..errors import Sentence, UsageError
from ..statistics.matrices import matrices
from ..statistics.spectrum import TOP_K, NotFiniteError, needed_nbytes, spectrum_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter
    from ..core.tensors import TensorInfo
    from ..statistics.matrices import Matrix
    from ..statistics.powerlaw import PowerLaw
    from ..statistics.spectrum import Spectrum

TIERS = ("top-k", "exact")
_MOST_VALUES = 1 << 21  # singular values that one answer holds; of more matrices each gives its largest
_FEW_VALUES = 64
_MOST_LINES = 12
_RANKS_PER_DOUBLING = 4
_LEAST_RANK = 8  # of two token types there is no curve

COLUMNS = (
    Column("n_matrices", Text("matrices"), Unit.COUNT),
    Column("spectral_norm", Text("largest singular value"), Unit.REAL),
    Column("stable_rank", Text("stable rank"), Unit.REAL),
    Column("effective_rank", Text("effective rank"), Unit.REAL),
    Column("alpha", Text("α"), Unit.REAL),
    Column("beyond_edge", Text("beyond the edge"), Unit.REAL),
)


class MatrixSpectrum(NamedTuple):
    """One matrix of a parameter, and what its singular values say."""

    row: Parameter
    spectrum: Spectrum
    law: PowerLaw | None


class Spectra(NamedTuple):
    """All matrices of one model. `k`: how many singular values were sought, None for all.

    `n_not_finite` matrices hold NaN or ±∞; `needed_nbytes`: the memory for the largest of them.
    `groups`: the cells of the groups that are shown.
    """

    k: int | None
    matrices: tuple[MatrixSpectrum, ...]
    n_not_finite: int
    needed_nbytes: int
    groups: tuple[dict[str, Any], ...] = ()

    def cells_of(self, getters: Iterable[Callable[[Parameter], Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """What the matrices of each group come to, by its keys."""
        functions = tuple(getters)
        of_keys: dict[tuple[Any, ...], list[MatrixSpectrum]] = {}
        for one in self.matrices:
            of_keys.setdefault(tuple(get(one.row) for get in functions), []).append(one)
        return {keys: cells(found) for keys, found in of_keys.items()}

    def grouped(self, of_keys: Mapping[tuple[Any, ...], dict[str, Any]], groups: Iterable[tuple[Any, ...]]) -> Spectra:
        """With the cells of the groups that have these keys."""
        return self._replace(groups=tuple(of_keys.get(keys) or cells(()) for keys in groups))

    def data(self) -> list[dict[str, Any]]:
        """Every matrix for other programs."""
        n_values = sum(len(one.spectrum.values) for one in self.matrices)
        most = None if n_values <= _MOST_VALUES else _FEW_VALUES
        return [_matrix_data(one, most) for one in self.matrices]

    @staticmethod
    def assumptions(spectra: Sequence[Spectra]) -> list[Text]:
        """How the singular values were found, and how exactly."""
        known = [one.spectrum for each in spectra for one in each.matrices]
        worst = max((s.error / s.spectral_norm for s in known if s.spectral_norm), default=0.0)
        values = {
            "error": Value(worst, Unit.REAL),
            "memory": Value(max(each.needed_nbytes for each in spectra), Unit.NBYTES),
        }
        if all(s.is_complete for s in known):
            method = "singular values: by LAPACK in float64, each right to within {error} of the largest; memory: at most {memory}"
        else:
            method = (
                "singular values: the {k} largest by block Krylov iteration; within {error} of the largest "
                "from each lies a true one; memory: at most {memory}"
            )
            values["k"] = Value(spectra[0].k, Unit.COUNT)
        said = [
            Text(method, values),
            Text("a tensor of experts is a matrix for each; other kernels are flattened to first dimension × the rest"),
            Text(
                "of a group: its largest singular value; stable rank, effective rank, α and the number beyond the edge are medians"
            ),
            Text(
                "edge: of independent values of the same mean square (Marchenko–Pastur); of them none or one lies beyond"
            ),
        ]
        if any(one.law for each in spectra for one in each.matrices):
            said.append(
                Text("α: of the eigenvalues of WᵀW, fitted after Clauset, Shalizi and Newman, as weightwatcher does")
            )
        elif known and not all(s.is_complete for s in known):
            said.append(Text("α and effective rank need every singular value: --spectrum exact"))
        return said

    def warnings(self, name: str) -> list[Text]:
        """What is not in the table."""
        found = []
        if self.n_not_finite:
            values = {"model": Value(name, Unit.NAME), "n": Value(self.n_not_finite, Unit.COUNT)}
            found.append(Text("{model}: {n} matrices hold NaN or ±∞, and so have no singular values", values))
        n_more = sum(_may_be_more(one.spectrum) for one in self.matrices)
        if n_more:
            values = {"model": Value(name, Unit.NAME), "n": Value(n_more, Unit.COUNT)}
            found.append(
                Text(
                    "{model}: of {n} matrices all singular values found lie beyond the edge: there may be more", values
                )
            )
        return found

    def chart(self, name: str) -> Chart | None:
        """The singular values of each part by their rank, over the edge: the median of its matrices."""
        parts: dict[tuple[str, str, str], list[Spectrum]] = {}
        for row, spectrum, _ in self.matrices:
            if spectrum.edge > 0 and spectrum.matrix.rank >= _LEAST_RANK:
                parts.setdefault((row.component.value, row.part, row.tower), []).append(spectrum)
        if not parts:
            return None
        keys = sorted(parts, key=lambda key: reading_order(("component", "part", "tower"), key))[:_MOST_LINES]
        ranks = _ranks(max(len(spectrum.values) for key in keys for spectrum in parts[key]))
        one_tower = len({key[:2] for key in keys}) == len(keys)
        return Chart(
            "spectrum",
            Text("Singular values of the matrices of {model}", {"model": Value(name, Unit.NAME)}),
            ChartKind.RANKS,
            (),
            tuple(
                Series(
                    key[0], _title(*key, with_tower=not one_tower), tuple(_middle(parts[key], rank) for rank in ranks)
                )
                for key in keys
            ),
            Text(
                "over the Marchenko–Pastur edge (grey), where those of random values end; the median matrix of each part"
            ),
            Unit.REAL,
            x=tuple(map(float, ranks)),
            x_title=Text("rank of the singular value"),
            x_unit=Unit.COUNT,
        )

    def table(self, columns: tuple[Column, ...], leads: Sequence[tuple[Any, ...]]) -> Table:
        """The groups' table: `leads` name them, the last one all together; columns that nobody has are left out."""
        of = [*self.groups, cells(self.matrices)]
        shown = [column for column in COLUMNS if any(each[column.key] is not None for each in of)]
        rows = [(*lead, *(each[column.key] for column in shown)) for lead, each in zip(leads, of, strict=True)]
        kept = [row for row, each in zip(rows[:-1], of[:-1], strict=True) if each["n_matrices"]]
        return Table(Text("Singular values"), (*columns, *shown), tuple(kept), rows[-1], key="spectra")

    @staticmethod
    def columns() -> tuple[Column, ...]:
        """What is known of a group."""
        return COLUMNS


def k_of(tier: str) -> int | None:
    """How many singular values the words behind --spectrum ask for. Raises UsageError for others."""
    if tier == "exact":
        return None
    if tier == "top-k":
        return TOP_K
    if tier.isascii() and tier.isdecimal() and 0 < int(tier) <= 1000:
        return int(tier)
    message = Sentence("--spectrum {tier}: neither top-k, nor exact, nor a number", tier=visible(tier, 60))
    raise UsageError(message, hint=Sentence("numel values MODEL --spectrum"))


class Plan(NamedTuple):
    """Which matrices are to be measured, and the memory that the largest of them needs."""

    k: int | None
    wanted: tuple[tuple[Parameter, Matrix], ...]
    needed_nbytes: int


def plan(rows: Iterable[Parameter], tensors: Iterable[TensorInfo], tier: str) -> Plan:
    """All matrices among the rows, in their order; `tensors`: the rows' as they are read.

    Raises UsageError where memory does not suffice.
    """
    k = k_of(tier)
    wanted = tuple(
        (row, matrix)
        for row, tensor in zip(rows, tensors, strict=True)
        for matrix in matrices(tensor, of_experts=row.component is Component.MOE)
    )
    needed = [needed_nbytes(matrix, k) for _, matrix in wanted]
    most = max(needed, default=0)
    if most > _memory():
        _refuse(wanted[needed.index(most)][0].tensor.name, most)
    return Plan(k, wanted, most)


def measure(planned: Plan, open_shard: Callable[[str], ValueFile], hears: Callable[[int, int], None] | None) -> Spectra:
    """The spectra of the matrices. `hears` is told of bytes, as many of them as correspond to the work that is done."""
    costs = [matrix.rows * matrix.columns * matrix.rank for _, matrix in planned.wanted]
    nbytes = sum(matrix.tensor.dtype.nbytes(matrix.rows * matrix.columns) or 0 for _, matrix in planned.wanted)
    found, shard, file, n_not_finite, n_done = [], None, None, 0, 0
    for (row, matrix), cost in zip(planned.wanted, costs, strict=True):
        if file is None or matrix.tensor.shard != shard:
            shard = matrix.tensor.shard
            file = open_shard(shard or "")
        try:
            spectrum = _interruptible(partial(spectrum_of, matrix, file, k=planned.k))
        except NotFiniteError:
            n_not_finite += 1
        else:
            found.append(MatrixSpectrum(row, spectrum, spectrum.power_law()))
        n_done += cost
        if hears is not None:
            hears(nbytes * n_done // sum(costs), nbytes)
    return Spectra(planned.k, tuple(found), n_not_finite, planned.needed_nbytes)


def _interruptible(call: Callable[[], Spectrum]) -> Spectrum:
    """What `call` returns, in a thread that Ctrl-C need not wait for: LAPACK works on a large matrix for minutes."""
    done: list[Spectrum] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:  # noqa: BLE001 - it is raised below, where someone waits
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _memory() -> float:
    """The bytes of memory that this machine has, as far as it tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # pragma: no cover - not on this system
        return float("inf")


def _refuse(name: str, needs: int) -> None:
    message = Sentence(
        "the singular values of {name} need {n} MiB of memory, and this machine has {all}",
        name=visible(name, 100),
        n=needs >> 20,
        all=int(_memory()) >> 20,
    )
    raise UsageError(message, hint=Sentence("--spectrum top-k takes little, and --match chooses tensors"))


def cells(found: Iterable[MatrixSpectrum]) -> dict[str, Any]:
    """One value for each of COLUMNS: the largest norm, and the medians of all else."""
    known = list(found)
    if not known:
        return dict.fromkeys((column.key for column in COLUMNS), None) | {"n_matrices": 0}
    spectra = [one.spectrum for one in known]
    return {
        "n_matrices": len(known),
        "spectral_norm": max(s.spectral_norm for s in spectra),
        "stable_rank": _median(s.stable_rank for s in spectra),
        "effective_rank": _median(s.effective_rank for s in spectra),
        "alpha": _median(one.law and one.law.alpha for one in known),
        "beyond_edge": _median(s.n_beyond for s in spectra),
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _matrix_data(one: MatrixSpectrum, most: int | None) -> dict[str, Any]:
    row, s = one.row, one.spectrum
    return {
        "tensor": row.tensor.name, "component": row.component.value, "part": row.part, "tower": row.tower,
        "layer": row.layer, "expert": s.matrix.expert if s.matrix.expert is not None else row.expert,
        "rows": s.matrix.rows, "columns": s.matrix.columns, "method": "svd" if s.is_complete else "block_krylov",
        "error": s.error, "spectral_norm": s.spectral_norm, "frobenius_norm": sqrt(s.square),
        "stable_rank": s.stable_rank, "effective_rank": s.effective_rank,
        "power_law": one.law and {
            "alpha": one.law.alpha, "x_min": one.law.x_min, "n_tail": one.law.n_tail, "distance": one.law.distance
        },
        "mp_edge": s.edge, "n_beyond_edge": s.n_beyond, "more_may_be_beyond": _may_be_more(s),
        "n_singular_values": len(s.values), "singular_values": s.values[:most].tolist(),
    }  # fmt: skip


def _may_be_more(spectrum: Spectrum) -> bool:
    return not spectrum.is_complete and spectrum.n_beyond == len(spectrum.values)


def _title(component: str, part: str, tower: str, *, with_tower: bool) -> Text:
    values = {"component": Value(component, Unit.WORD), "part": Value(part, Unit.WORD)}
    if with_tower:
        return Text("{tower} · {component} · {part}", {**values, "tower": Value(tower, Unit.WORD)})
    return Text("{component} · {part}", values)


def _ranks(most: int) -> list[int]:
    """Ranks that lie evenly on a logarithmic axis, from 1 to `most`."""
    found = {1, most}
    step = 2 ** (1 / _RANKS_PER_DOUBLING)
    at = 1.0
    while at < most:
        found.add(int(at))
        at *= step
    return sorted(found)


def _middle(spectra: Sequence[Spectrum], rank: int) -> float | None:
    """The singular value of that rank over its matrix' edge: the median of all matrices that have as many."""
    if 2 * sum(len(s.values) >= rank for s in spectra) <= len(spectra):
        return None
    return _median(float(s.values[rank - 1]) / s.edge for s in spectra if len(s.values) >= rank)
