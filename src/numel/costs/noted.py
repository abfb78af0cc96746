"""What does a pass file say of one model in one setting: vectors of each tensor, attention, other products, states?"""

from __future__ import annotations

from ..core.records import NamedTuple
from ..errors import Sentence, UnsupportedError, UsageError
from .attention import Attention, Index, Latent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from ..core.expressions import Expression
    from ..core.parameters import Parameter
    from .notation import Pass, Rule


class Beside(NamedTuple):
    """What a module does or keeps beside its tensors. `numel`: multiply-adds of one sequence, or numbers kept of it."""

    component: str
    part: str
    tower: str
    layer: int | None
    numel: int
    written: int = 0


class Noted:
    """A pass file with the numbers of one configuration, and of a setting once `at` was called."""

    def __init__(
        self, noted: Pass, values: Mapping[str, Any], model: str, setting: Mapping[str, Any] | None = None
    ) -> None:
        self._pass, self._config, self._model = noted, values, model
        self._setting = setting or {}
        self._known: dict[str, Any] = {}
        self._rules: dict[str, tuple[Rule | None, dict[str, int]]] = {}
        self._pending: set[str] = set()  # so that d_model = d_model // 2 reads the configuration's

    def at(self, n: int, context: int, encoded: int, *, decoding: bool, **more: int) -> Noted:
        """The same in a setting (`more`: `batch` and `chunked`). Raises UsageError for one that it does not run in."""
        setting = {
            "n": n,
            "context": context,
            "encoded": encoded,
            "decoding": decoding,
            "batch": 1,
            "chunked": True,
            **more,
        }
        made = Noted(self._pass, self._config, self._model, setting)
        for needed in self._pass.requires:
            if not made._number(needed, {}):
                message = Sentence("{model}: it runs only where {condition}", model=self._model, condition=needed.text)
                raise UsageError(message, hint=made._way_out(needed))
        return made

    def _way_out(self, needed: Expression) -> Sentence:
        """How a condition can be met."""
        if "decoding" in needed.names:
            return Sentence("give {option}", option="--phase prefill")
        fields = sorted(needed.names - self._setting.keys() - self._pass.lets.keys())
        if needed.text in fields and needed.text not in self._pass.config:  # what follows from the architecture
            return Sentence("numel costs only architectures whose attention was checked")
        option = "--context" if "context" in needed.names or not fields else f"--set {fields[0]}=…"
        return Sentence("give another {option}", option=option)

    def named(self, name: str) -> int | None:
        """The value of one of the names of `let` that are used, None where it is not there."""
        return int(self._variable(name)) if name in self._pass.lets else None

    def listed(self, name: str) -> tuple[int, ...]:
        """The same for a name that is a list of numbers, () where it is not there."""
        return tuple(map(int, self._variable(name))) if name in self._pass.lets else ()

    def is_assumed(self, name: str) -> bool:
        """Whether the configuration leaves a field out, or null, whose value the pass file says."""
        return name in self._pass.config and self._config.get(name) is None

    def vectors(self, name: str) -> int | str | None:
        """How many vectors of one sequence are multiplied with the tensor, or the word for it; None: nothing is said."""
        rule, caught = self._rule(name)
        if rule is None:
            return None
        return max(0, int(self._number(rule.values["n"], caught))) if rule.values else rule.word

    def width(self, name: str, what: str = "width") -> int | None:
        """The numbers that each of these vectors writes (`together`: all routed experts), None where the shape says it."""
        rule, caught = self._rule(name)
        return None if rule is None or what not in rule.values else int(self._number(rule.values[what], caught))

    def slices(self, name: str) -> int:
        """In how many slices the tensor is, of which each vector meets one; 1 where it is whole."""
        return self.width(name, "slices") or 1

    def is_together(self, name: str) -> bool:
        """Whether what the tensor writes is that of all routed experts together."""
        rule, _ = self._rule(name)
        return rule is not None and "together" in rule.values

    def is_sure(self, name: str) -> bool:
        """Whether the tensor is said to be multiplied with, whatever it is called."""
        rule, _ = self._rule(name)
        return rule is not None and rule.word in ("always", "once")

    @property
    def tells_experts_apart(self) -> bool:
        """Whether it matters somewhere which of the experts a tensor belongs to."""
        return any("(?P<expert>" in rule.where.pattern for rule in self._pass.tokens)

    def is_shared(self, name: str) -> bool:
        """Whether its vectors are those of the batch together."""
        rule, _ = self._rule(name)
        return rule is not None and rule.word == "once"

    def _rule(self, name: str) -> tuple[Rule | None, dict[str, int]]:
        """The last line about the tensor, and what its name caught there."""
        if name not in self._rules:
            fits = ((rule, rule.where.search(name)) for rule in reversed(self._pass.tokens))
            self._rules[name] = next(((r, _caught(found.groupdict())) for r, found in fits if found), (None, {}))
        return self._rules[name]

    def works(self, tower: str) -> bool:
        """Whether what the model reads gives a tower something to do."""
        return self._pass.works(tower)

    @property
    def reads_text(self) -> bool:
        """Whether its input is text, or text beside something else."""
        return "text" in (self._pass.reads or "text")

    def is_passed_by(self, name: str) -> bool:
        """Whether nothing passes through the tensor."""
        return self.vectors(name) == "idle"

    def describes(self, name: str) -> bool:
        """Whether the tensor belongs to an attention that is described."""
        return any(rule.where.search(name) for rule in self._pass.attention)

    @property
    def is_around(self) -> bool:
        """Whether it is about what stands around a text model, whose own attention stays as it is."""
        return bool(self._pass.around)

    @property
    def has_attention(self) -> bool:
        """Whether attention is described here, in the place of its matrices."""
        return bool(self._pass.attention)

    def attentions(self, rows: Iterable[Parameter]) -> tuple[Attention, ...]:
        """Every attention that is described, in the order of the parameters."""
        rows = list(rows)
        return tuple(
            self._attention(rule, caught, row)
            for rule, caught, row in self._modules(self._pass.attention, rows)
            if self._value(rule, "when", caught, default=True)
        )

    def _attention(self, rule: Rule, caught: dict[str, int], row: Parameter) -> Attention:
        names = ("window", "length", "queries", "keys", "pairs", "sums", "results")
        numbers = {name: self._value(rule, name, caught) for name in names}
        scores, values, kept = self._integers(rule, caught, ("scores", "values", "kept"))
        pairs = numbers["pairs"]
        if pairs is None and (numbers["queries"] is not None or numbers["keys"] is not None):
            queries, keys = numbers["queries"], numbers["keys"]
            pairs = (self._setting["n"] if queries is None else queries) * (
                self._setting["context"] if keys is None else keys
            )
        return Attention(
            row.layer,
            row.tower,
            scores,
            values,
            kept,
            window=numbers["window"],
            is_cross=bool(self._value(rule, "cross", caught, default=False)),
            length=numbers["length"],
            reuses=int(self._value(rule, "reuses", caught, default=0)),
            pairs=pairs,
            queries=numbers["queries"],
            sums=numbers["sums"],
            results=numbers["results"],
            latent=Latent(*self._integers(rule, caught, ("expand", "absorbed_scores", "absorbed_values", "expanded")))
            if "expand" in rule.values
            else None,
            indexer=Index(*self._integers(rule, caught, ("chosen", "index_kept", "index_pair")))
            if "chosen" in rule.values
            else None,
        )

    def _integers(self, rule: Rule, caught: Mapping[str, int], names: Iterable[str]) -> list[int]:
        """Several values of a line, 0 where nothing is said. Raises UnsupportedError for one that is negative."""
        found = {name: int(self._value(rule, name, dict(caught), default=0)) for name in names}
        for name, number in found.items():
            if number < 0:
                raise UnsupportedError(self._without_value(rule.values[name]))
        return list(found.values())

    def _without_value(self, expression: Expression) -> Sentence:
        return Sentence("{model}: {what} has no value here", model=self._model, what=expression.text)

    def products(self, rows: Iterable[Parameter]) -> Iterator[Beside]:
        """Products of no parameter, with the numbers that they write."""
        for rule, caught, row in self._modules(self._pass.products, rows):
            numel, written = (int(self._number(rule.values[name], caught)) for name in ("products", "writes"))
            yield Beside(rule.component, rule.part, row.tower, row.layer, numel, written)

    def states(self, rows: Iterable[Parameter]) -> Iterator[Beside]:
        """What is kept of a sequence, however long it is."""
        for rule, caught, row in self._modules(self._pass.state, rows):
            kept = int(self._number(rule.values["kept"], caught))
            yield Beside(rule.component, rule.part, row.tower, row.layer, kept)

    def _modules(
        self, rules: Iterable[Rule], rows: Iterable[Parameter]
    ) -> Iterator[tuple[Rule, dict[str, int], Parameter]]:
        """Each module that a rule is about once, with what its name caught and its first tensor."""
        rules = tuple(rules)
        seen = set()
        for row in rows if rules else ():
            for rule in rules:
                found = None if row.excluded is not None else rule.where.search(row.tensor.name)
                if found is None:
                    continue
                key = (id(rule), row.tensor.name[: found.end()])
                if key not in seen:
                    seen.add(key)
                    yield rule, _caught(found.groupdict()), row

    def _value(self, rule: Rule, name: str, caught: dict[str, int], *, default: Any = None) -> Any:
        expression = rule.values.get(name)
        return default if expression is None else self._number(expression, caught)

    def _number(self, expression: Expression, caught: Mapping[str, int]) -> Any:
        """The value of an expression; names of `let` are evaluated when they are needed."""
        values: dict[str, Any] = dict(caught)
        for name in expression.names - values.keys():
            values[name] = self._variable(name)
        try:
            return expression.evaluate(values)
        except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError, OverflowError) as error:
            raise UnsupportedError(self._without_value(expression)) from error

    def _variable(self, name: str) -> Any:
        if name not in self._known:
            if name in self._pass.lets and name not in self._pending:
                self._pending.add(name)
                self._known[name] = self._number(self._pass.lets[name], {})
                self._pending.discard(name)
            elif name in self._setting:
                return self._setting[name]
            elif name in self._config and not self.is_assumed(name):
                return self._config[name]
            elif name in self._pass.config:
                return self._number(self._pass.config[name], {})
            else:
                message = Sentence("{model}: the configuration does not say {field}", model=self._model, field=name)
                raise UnsupportedError(message, hint=Sentence("give {option}", option=f"--set {name}=…"))
        return self._known[name]


def _caught(groups: Mapping[str, str | None]) -> dict[str, int]:
    return {name: int(text) for name, text in groups.items() if text is not None}
