"""How a blueprint is written, and its parser: from the text to lines of name template, loops, conditions and shape.

    # What is special about the architecture.
    extends llama                       # take all of another blueprint, then change it
    class   Mixtral                     # transformers' prefix: the section ForCausalLM is MixtralForCausalLM
    class   Llama, InternLM3            # transformers' own, then others that published configs use
    base    model                       # where the bare model hangs inside a class with a head

    config                              # the fields that matter, and what is assumed of them
        vocab_size                      # must be given
        num_experts = 8                 # when absent
        head_dim ?= d // n_heads        # when absent or null
        d_inner := 2 * d                # always computed (from its own given value too)
        hidden_size -> n_embd           # another name for a field
        text_config is gemma3_text              # a configuration of its own, of this model type
        vision_config is siglip by default      # of this model type unless it names another
        require d % n_heads == 0        # what must hold; `drop require` forgets what the parent required

    model                               # the bare model: a tensor's name, two spaces or more, its shape
        embed.weight                    vocab_size, d
        layers.{layer} for layer < num_hidden_layers            # a group: what is indented below stands inside it
            ln.{weight, bias}           d                       # two tensors
            {q, k, v}_proj              d -> n_heads * head_dim     bias if attention_bias
            experts.{e} for e < num_experts     if layer in moe_layers
                up.weight               d_inner, d
            if layer >= first_dense
                ...
            else
                ...
            rotary.inv_freq             d // 2                  buffer
            attn.mask                   1, 1, n, n              legacy buffer
        stem                            3 -> d, 7, 7        bias            # a convolution of 7 × 7
        stem_norm                       batch_norm d
        vision_tower                    include vision_config
        adapters.{name} for name in languages       # one for each text of a list
            ...
        drop layers.{layer}.mlp         # forget an inherited line, or all below a name

    ForCausalLM                         # what this class adds; the first is the default, though dropped and written anew
        lm_head.weight                  vocab_size, d           tied to model.embed.weight if tie_word_embeddings
    ForMaskedLM, ForPreTraining         # several classes at once; a class may be named again
        has_pooler := false             # and may set fields
        base bert                       # and hang the bare model elsewhere (`base none`: nowhere below)
    Backbone
        base bert in memory             # which checkpoints leave away
    EncoderModel
        drop model                      # and hold nothing of the bare model but what it says itself

    hub                                 # what checkpoints call otherwise than transformers in memory
        model.visual -> visual          # at the start of a name; the first that fits is taken
        model -> none                   # the start left away
        *.attn.query -> *.q             # anywhere in a name; all that fit are taken

- `name  a -> b` is a linear map: the tensor `name.weight` of shape (b, a), and `name.bias` of shape (b) where `bias`
  or `bias if …` is said. `()` is the shape of a scalar.
- `name  a -> b, k, k` is a convolution: its weight has the shape (b, a, k, k). `1 -> b` where each channel has its own.
- `name  batch_norm n` is `name.weight` and `name.bias`, and the running mean and variance with their count: buffers.
- After the shape, two spaces apart: `if …`; `bias`; `tied to NAME`, with or without `if …` (no tensor of its own then);
  `buffer` (no parameter); `legacy` (only old checkpoints have it); `extra` or `extra if …` (checkpoints have it and
  the model does not run it). A group takes `if`, `legacy` and `extra` for all that it holds.
- Checkpoints are described. Where the loaded model differs by more than names, `in_memory` tells the two apart.
- A line that ends in a comma goes on in the next one.
- A name that is written again replaces all that the parent says of it; a name that is new goes beside its like.
- `is TYPE` may end in `or null` (absent means that there is none), `or flat` (absent: its fields stand beside it) and
  `with a = 1, b = 2` (the fields of an absent one) or `filled with …` (of a given one that lacks them, too). Its own
  values are read as `text_config.hidden_size`.
- `include FIELD`, `include FIELD as ForCausalLM or LMHeadModel` (the first that it has), `include FIELD with a = 1, b = 2`: the tensors of a sub-configuration.
- Known without saying: `num_labels` (the length of id2label, else 2), `tie_word_embeddings` (else false), `model_type`.
- Conditions and dimensions are those of `core.expressions`; a `#` comment behind a tensor is shown where it is explained.
"""

from __future__ import annotations

import re

from ..core.expressions import compile_expression
from ..errors import Sentence
from .lines import (
    FIELD,
    VARIABLE,
    Row,
    Scope,
    alternatives,
    best_place,
    field_rule,
    loop,
    modified,
    otherwise,
    rename,
    rows_of,
    set_rule,
    tensors,
)
from .syntax import BUILT_IN, Blueprint, BlueprintSyntaxError, Line, Loop, Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet


def parse(text: str, model_type: str, parent: Blueprint | None = None) -> Blueprint:
    r"""The blueprint that `text` writes, on top of `parent` if it extends one.

    Raises BlueprintSyntaxError with the line's number.

    >>> tiny = parse("config\n    d = 4\n\nmodel\n    up  d -> 2 * d  bias", "tiny")
    >>> [(line.template, [dim.text for dim in line.dims]) for line in tiny.sections["model"].lines]
    [('up.weight', ['2 * d', 'd']), ('up.bias', ['2 * d'])]
    """
    return _Parser(model_type, parent).parse(text)


def parent_of(text: str) -> str | None:
    """The model type that the file extends, None if it stands alone.

    >>> parent_of("extends  llama")
    'llama'
    """
    found = re.search(r"^extends\s+(\S+)", text, re.MULTILINE)
    return found[1] if found else None


class _SectionDraft:
    """A section while it is read; `inherited` are the templates of the parent that nothing has replaced yet."""

    def __init__(self, inherited: Section = Section()) -> None:  # noqa: B008 - immutable
        self.lines = list(inherited.lines)
        self.rules = list(inherited.rules)
        self.base = inherited.base
        self.has_model = inherited.has_model
        self.gap: int | None = None  # where lines were dropped: what comes in their stead goes there
        self.inherited = {line.template for line in inherited.lines}

    def done(self) -> Section:
        """The section as it was read."""
        return Section(tuple(self.lines), tuple(self.rules), self.base, self.has_model)

    def add(self, line: Line) -> None:
        """Put `line` in the place of an inherited one of that name, else after the lines most like it."""
        if line.template in self.inherited:
            self.inherited.discard(line.template)
            at = next(i for i, old in enumerate(self.lines) if old.template == line.template)
            self.lines[:] = [old for old in self.lines if old.template != line.template]
            self.lines.insert(at, line)
        elif self.inherited:
            self.lines.insert(best_place(self.lines, line.template, self.gap), line)
        else:
            self.lines.append(line)

    def forget(self, names: Iterable[str]) -> None:
        """Let go of inherited lines, if there are any of these names."""
        gone = self.inherited.intersection(names)
        self.inherited -= gone
        self.lines[:] = [line for line in self.lines if line.template not in gone]

    def drop(self, name: str) -> None:
        """Forget the inherited lines called `name` or below it."""
        below = tuple(alternative + "." for alternative in alternatives(name))
        gone = {template for template in self.inherited if (template + ".").startswith(below)}
        if not gone:
            message = Sentence("nothing to drop below {name}", name=name)
            raise ValueError(message)
        self.gap = next(i for i, line in enumerate(self.lines) if line.template in gone)
        self.forget(gone)


class _Parser:
    """Holds the state of one file while it is read."""

    def __init__(self, model_type: str, parent: Blueprint | None) -> None:
        self.model_type = model_type
        self.class_prefix = parent.class_prefix if parent else ""
        self.other_prefixes: tuple[str, ...] = ()
        self.base = parent.base if parent else ""
        self.rules = list(parent.rules) if parent else []
        self.requirements = list(parent.requirements) if parent else []
        self.renames = list(parent.renames) if parent else []
        inherited = parent.sections.items() if parent else ()
        self.sections: dict[str, _SectionDraft | None] = {name: _SectionDraft(section) for name, section in inherited}
        self.open: list[_SectionDraft] = []
        self.scopes: list[Scope] = []

    def parse(self, text: str) -> Blueprint:
        rows = list(rows_of(text))
        section = ""
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            opens = following is not None and following.indent > row.indent
            try:
                if row.indent == 0:
                    section = self._top(row)
                elif section == "config":
                    self._config("  ".join(row.columns))
                elif section == "hub":
                    self.renames.append(rename("  ".join(row.columns)))
                else:
                    self._inside(row, opens=opens)
            except ValueError as error:
                place = f"{self.model_type}.blueprint:{row.number}"
                raise BlueprintSyntaxError(error.args[0], path=place) from error
        about = "\n".join(line[1:].strip() for line in text.split("\n\n", 1)[0].splitlines() if line.startswith("#"))
        blueprint = Blueprint(
            self.model_type, self.class_prefix, self.base, tuple(self.rules), tuple(self.requirements),
            {name: draft.done() for name, draft in self.sections.items() if draft},
            tuple(self.renames), about, self.other_prefixes,
        )  # fmt: skip
        _check_names(blueprint)
        return blueprint

    def _top(self, row: Row) -> str:
        """Take a line at the margin; the section that it opens, or ""."""
        head, _, argument = " ".join(row.columns).partition(" ")
        argument = argument.strip()
        self.scopes = [Scope(0)]
        if head == "extends":
            return ""
        if head == "class":
            self.class_prefix, *others = (name.strip() for name in argument.split(","))
            self.other_prefixes = tuple(others)
        elif head == "base":
            self.base = argument
        elif head == "drop":
            for name in argument.split(","):
                self._drop_section(name.strip())
        elif row.columns[0] in ("config", "hub"):
            return row.columns[0]
        else:
            names = [name.strip() for name in " ".join(row.columns).split(",")]
            if not all(name.isidentifier() for name in names):
                message = Sentence("not a section: {text}", text=row.columns[0])
                raise ValueError(message)
            self.open = [self._section(name) for name in names]
            return "lines"
        return ""

    def _section(self, name: str) -> _SectionDraft:
        """The draft of a section; the parent's first class, dropped and written anew, is the first again."""
        draft = self.sections.get(name) or _SectionDraft()
        self.sections[name] = draft
        return draft

    def _drop_section(self, name: str) -> None:
        if name == "hub":
            self.renames.clear()
        elif self.sections.get(name) is None:
            message = Sentence("no section {name} to drop", name=name)
            raise ValueError(message)
        elif name == next((known for known in self.sections if known != "model"), None):
            self.sections[name] = None
        else:
            del self.sections[name]

    def _config(self, text: str) -> None:
        if text == "drop require":
            self.requirements.clear()
        elif text.startswith("require "):
            self.requirements.append(compile_expression(text.removeprefix("require ")))
        else:
            set_rule(self.rules, field_rule(text))

    def _inside(self, row: Row, *, opens: bool) -> None:
        """Take a line of a section: the head of a block, a setting of the class, or a tensor."""
        closed = None
        while self.scopes[-1].indent >= row.indent:
            closed = self.scopes.pop()
        scope = self.scopes[-1]
        if opens:
            self.scopes.append(self._block(row, scope, closed))
        elif scope.indent == 0 and self._setting(row):
            pass
        elif row.columns[0].startswith("drop "):
            for draft in self.open:
                draft.drop(scope.prefix + row.columns[0].removeprefix("drop ").strip())
        else:
            self._tensor(row, scope)

    def _setting(self, row: Row) -> bool:
        """Take what a class says of itself; whether the line was of that kind."""
        head, text = row.columns[0], "  ".join(row.columns)
        for draft in self.open:
            if head.split()[0] == "base":
                draft.base = text.removeprefix("base").strip().removeprefix("none")
            elif head == "drop model":
                draft.has_model = False
            elif FIELD.fullmatch(head):
                set_rule(draft.rules, field_rule(text))
            else:
                return False
        return True

    def _tensor(self, row: Row, scope: Scope) -> None:
        template, loops = self._path(row.columns[0], scope)
        for line in tensors(row, template, scope, loops):
            for draft in self.open:
                draft.add(line)
        if " -> " in row.columns[1]:  # a linear map that is written again has the bias that it says, or none
            for draft in self.open:
                draft.forget(f"{name}.bias" for name in alternatives(template))

    def _block(self, row: Row, scope: Scope, closed: Scope | None) -> Scope:
        """The scope of what is indented below the line; `closed` is that of the block before it."""
        head = row.columns[0]
        if head == "else":
            return otherwise(row, scope, closed)
        if head.startswith("if "):
            condition = compile_expression(" ".join(row.columns).removeprefix("if "))
            return scope._replace(indent=row.indent, conditions=(*scope.conditions, condition))
        return self._group(row, scope)

    def _group(self, row: Row, scope: Scope) -> Scope:
        line = modified(Line(""), scope, row.columns[1:])
        if line.tie or line.is_buffer:
            message = Sentence("a group cannot be {text}", text=row.columns[1])
            raise ValueError(message)
        prefix, loops = self._path(row.columns[0], scope)
        if line.extra and " for " in row.columns[0]:  # belongs to the loop: a child that opens it again has it too
            loops = (*loops[:-1], loops[-1]._replace(extra=line.extra))
        return Scope(row.indent, prefix + ".", loops, line.conditions, line.is_legacy, line.extra)

    def _path(self, head: str, scope: Scope) -> tuple[str, tuple[Loop, ...]]:
        """The full template that `head` writes in `scope`, and its loops."""
        path, *clauses = re.split(r"\s+for\s+", head)
        loops = scope.loops + tuple(loop(clause) for clause in clauses)
        template = scope.prefix + path.strip()
        missing = [v for v in VARIABLE.findall(template) if v not in {loop.variable for loop in loops}]
        if missing:  # a loop of the parent, opened again
            loops = self._inherited_loops(template, missing[0])
        return template, loops

    def _inherited_loops(self, template: str, variable: str) -> tuple[Loop, ...]:
        start = template[: template.rindex("{" + variable + "}") + len(variable) + 2]
        for draft in self.open:
            for line in draft.lines:
                if line.template.startswith(start + "."):
                    inside = set(VARIABLE.findall(start))
                    return tuple(loop for loop in line.loops if loop.variable in inside)
        message = Sentence("{variable} has no `for`", variable=f"{{{variable}}}")
        raise ValueError(message)


def _check_names(blueprint: Blueprint) -> None:
    """Every name that an expression reads must be a field, a loop's variable or known without saying."""
    fields = BUILT_IN.union(rule.name for rule in blueprint.rules)
    for rule in blueprint.rules:
        _known(rule.value.names if rule.value else (), fields | {rule.name}, rule.name, blueprint)
    for requirement in blueprint.requirements:
        _known(requirement.names, fields, requirement.text, blueprint)
    for section in blueprint.sections.values():
        set_here = {rule.name for rule in section.rules}
        for line in section.lines:
            _check_line(line, fields | set_here, blueprint)


def _check_line(line: Line, fields: frozenset[str], blueprint: Blueprint) -> None:
    known = set(fields)
    for repeat in line.loops:
        _known(repeat.stop.names, known, line.template, blueprint)
        _known(repeat.start.names if repeat.start else (), known, line.template, blueprint)
        known.add(repeat.variable)
    read = [*line.dims, *line.conditions, line.extra, line.tie.condition if line.tie else None]
    for expression in read:
        _known(expression.names if expression else (), known, line.template, blueprint)
    _known(VARIABLE.findall(line.template), {repeat.variable for repeat in line.loops}, line.template, blueprint)
    if line.include:
        _known((line.include.field,), fields, line.template, blueprint)


def _known(names: Iterable[str], known: AbstractSet[str], where: str, blueprint: Blueprint) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        message = Sentence("{where}: nothing says what {name} is", where=where, name=unknown[0])
        raise BlueprintSyntaxError(message, path=f"{blueprint.model_type}.blueprint")
