"""What is each attention and each MLP worth? The loss on a text while its output is replaced by zero or by its mean."""

from __future__ import annotations

import json
from contextlib import ExitStack
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.visible import visible, visible_path
from ..costs.estimate import usual_context
from ..costs.fields import TextFields
from ..costs.setting import dtype_called
from ..errors import Sentence, StoppedError, UnsupportedError, UsageError
from .ablate_report import report

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence

    from ..core.parameters import ParameterTable
    from ..runs.blocks import Block
    from ..runs.knockout import Judge
    from ..statistics.journal import Lines

__all__ = ["Ablation", "Knockout", "Options", "add_options", "analyze", "report", "runs_models"]

BY = ("layer", "kind")
REPLACE = ("zero", "mean")
_MAX_SHOWN = 120


class Options(NamedTuple):
    """The words of the command line. `context` None: 1,024 tokens, or as many positions as the model has.

    `runs` and `progress` come from the api: what makes each model run, and what hears how far it is.
    """

    text: str | None = None
    by: str = "layer"
    replace: str = "zero"
    context: int | None = None
    journal: str | None = None
    on: str = "cpu"
    dtype: str = "fp32"
    runs: tuple[Any, ...] = ()
    progress: Callable[[int, int], None] | None = None


class Knockout(NamedTuple):
    """The loss without the blocks of `kind` in `layer`, or in all `n_blocks` layers that have it (`layer` None)."""

    kind: str
    layer: int | None
    n_blocks: int
    numel: int
    loss: float


class Ablation(NamedTuple):
    """The losses of one model on one text, in nats per predicted token. `missed`: what has no module of its own."""

    table: ParameterTable
    text: str
    n_tokens: int
    n_predicted: int
    context: int
    replace: str
    dtype: str
    loss: float
    knockouts: tuple[Knockout, ...]
    missed: tuple[str, ...]
    n_known: int


def runs_models(options: Mapping[str, Any]) -> bool:
    """Always: a loss takes a model that runs."""
    del options
    return True


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--text", metavar="FILE", help="the text to predict, in UTF-8")
    parser.add_argument(
        "--by", default="layer", metavar="KEY", help="layer: each block alone and each kind; kind: only those"
    )
    parser.add_argument(
        "--replace", default="zero", metavar="VALUE", help="what a block adds instead: zero, or its mean"
    )
    parser.add_argument("--context", type=int, metavar="N", help="tokens that the model sees at once")
    parser.add_argument("--journal", metavar="FILE", help="keep each result there: the same command goes on from it")
    parser.add_argument("--device", dest="on", default="cpu", metavar="NAME", help="where it runs: cpu or cuda")
    parser.add_argument(
        "--dtype", default="fp32", metavar="TYPE", help="element type in which it runs: fp32, bf16, fp16"
    )


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[Ablation, ...]:
    """The losses of each model. Raises UsageError for what cannot be asked, UnsupportedError for what does not run."""
    for what, value, known in (("--by", options.by, BY), ("--replace", options.replace, REPLACE)):
        if value not in known:
            message = Sentence(
                "{option}: not one of {names}", option=f"{what} {visible(value, 40)}", names=", ".join(known)
            )
            raise UsageError(message)
    if options.text is None:
        message = Sentence("a loss needs a text to predict")
        raise UsageError(message, hint=Sentence("give {option}", option="--text FILE"))
    with ExitStack() as stack:
        journal = None
        if options.journal is not None:
            from ..statistics.journal import Lines

            journal = Lines(options.journal)
            stack.callback(journal.close)
        try:
            return tuple(_ablate(t, o, options, journal) for t, o in zip(models, options.runs, strict=True))
        except KeyboardInterrupt as error:
            if journal is None or not journal.holds_something():
                raise
            message = Sentence("stopped; what is counted so far is kept")
            hint = Sentence("the same command goes on from there")
            raise StoppedError(message, path=visible_path(journal.path, _MAX_SHOWN), hint=hint) from error


def _ablate(table: ParameterTable, opener: Any, options: Options, journal: Lines | None) -> Ablation:
    from ..runs.blocks import blocks
    from ..runs.forward import one_line_of_errors
    from ..runs.knockout import Judge
    from .measured import refuse_too_large

    context = _context(table, options.context)
    dtype = dtype_called(options.dtype, "--dtype").name
    device, free = opener.device(options.on)
    opener.check_causal_lm()
    ids = opener.tokens(options.text)
    if len(ids) < 2:
        message = Sentence("the text has fewer than two tokens: nothing is predicted")
        shown = visible_path(str(options.text), _MAX_SHOWN)
        raise UsageError(message, path=shown, hint=Sentence("give a text of two tokens or more"))
    needed = sum(row.tensor.numel for row in table.rows) * (dtype_called(options.dtype, "--dtype").block_nbytes or 4)
    refuse_too_large(table.name, needed, free, device)
    running = opener.run_causal_lm(device, dtype)
    with one_line_of_errors():
        judge = Judge(running.module, ids, context=min(context, len(ids)), device=device)
    found, missed = blocks(running)
    if not found:
        message = Sentence("{model}: no attention and no MLP with a module of its own", model=visible(table.name, 100))
        raise UnsupportedError(message, hint=Sentence("numel MODEL --by layer,component shows how it was read"))
    about = [
        opener.identity(),
        sha256(json.dumps(list(ids)).encode()).hexdigest(),
        context,
        dtype,
        str(device),
        running.versions,
    ]
    run = _Run(judge, found, options, journal, json.dumps(about, sort_keys=True))
    with one_line_of_errors():
        loss, knockouts = run.all()
    return Ablation(
        table, str(options.text), len(ids), judge.n_predicted, context, options.replace, dtype, loss, knockouts,
        tuple(missed), run.n_known,
    )  # fmt: skip


def _context(table: ParameterTable, asked: int | None) -> int:
    longest = TextFields(table).n_positions
    if asked is None:
        return usual_context(table)
    if asked < 2:
        message = Sentence("--context {n}: a token is predicted from another, so it must be 2 or more", n=asked)
        raise UsageError(message)
    if longest is not None and asked > longest:
        message = Sentence("{model}: --context {context} is beyond the model's {n} positions",
                           model=table.name, context=str(asked), n=str(longest))  # fmt: skip
        raise UsageError(message, hint=Sentence("--context {n} is the longest", n=str(longest)))
    return asked


class _Run:
    """All losses that are asked for; those that the journal knows are not computed again."""

    def __init__(self, judge: Judge, found: list[Block], options: Options, journal: Lines | None, about: str) -> None:
        self._judge, self._blocks, self._options, self._journal, self._about = judge, found, options, journal, about
        self._n_done = self._n_steps = self.n_known = 0
        self._has_means = False

    def all(self) -> tuple[float, tuple[Knockout, ...]]:
        """The loss of the whole model, and that of each knockout: kinds first, then layer by layer."""
        kinds = list(dict.fromkeys(block.kind for block in self._blocks))
        asked: list[tuple[int | None, list[Block]]] = [(None, [b for b in self._blocks if b.kind == k]) for k in kinds]
        if self._options.by == "layer":
            asked += [(block.layer, [block]) for block in self._blocks]
        known = [self._known([]), *(self._known(without) for _, without in asked)]
        self.n_known = sum(loss is not None for loss in known)
        n_left = len(known) - self.n_known
        self._n_steps = (n_left + (self._options.replace == "mean" and n_left > 0)) * self._judge.n_steps
        losses = [
            self._computed(without) if loss is None else loss
            for loss, without in zip(known, [[], *(w for _, w in asked)], strict=True)
        ]
        knockouts = tuple(
            Knockout(without[0].kind, layer, len(without), sum(block.numel for block in without), loss)
            for (layer, without), loss in zip(asked, losses[1:], strict=True)
        )
        return losses[0], knockouts

    def _key(self, without: list[Block]) -> str:
        replace = self._options.replace if without else ""
        said = json.dumps(["ablate", self._about, replace, [block.path for block in without]])
        return sha256(said.encode()).hexdigest()

    def _known(self, without: list[Block]) -> float | None:
        line = self._journal.line(self._key(without)) if self._journal is not None else None
        loss = line.get("loss") if line is not None else None
        return loss if isinstance(loss, float) else None

    def _computed(self, without: list[Block]) -> float:
        if self._options.replace == "mean" and not self._has_means and without:
            self._judge.learn_means(self._blocks, self._step)
            self._has_means = True
        loss = self._judge.loss(without, self._options.replace, self._step)
        if self._journal is not None:
            named = [block.path for block in without]
            self._journal.append(
                {"key": self._key(without), "replace": self._options.replace, "without": named, "loss": loss}
            )
        return loss

    def _step(self) -> None:
        self._n_done += 1
        if self._options.progress is not None:
            self._options.progress(self._n_done, self._n_steps)
