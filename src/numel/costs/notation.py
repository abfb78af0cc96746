"""How is it written what a forward pass does with a model's tensors, where names and shapes do not say it?

    # Swin (Liu et al., 2021): a patch meets those of its window; a picture is padded to whole windows.
    reads   picture                     # text (assumed), picture, sound, text and picture, text and sound
    stack   encoder                     # decoder (assumed), encoder, encoder_decoder
    like    gemma2                      # all that is known of another type, before what is said here
    around  text                        # of what stands around a text model: all that is known of that, before this

    config                              # what a field is where the configuration states none or null
        shift = 2
    let                                 # names for what is needed more than once; none is evaluated unless it is used
        side = image_size[0] // patch_size[0]
        positions = side * side
    require context % 4 == 0            # what must hold of the setting

    tokens                              # part of a tensor's name; how many vectors of one sequence are multiplied with it
        encoder.layers.{stage}          (side // 2 ** stage) ** 2
        classifier                      1
        embeddings.probe                table           # no product: added as it is, and read as a whole
        embed                           lookup          # rows of it are taken
        mixer.A                         always n        # a product, though the name does not sound like one or is tied
        upsample                        n               writes 4 * d    # numbers for each vector, where the shape does not say
        position_proj                   once 2 * n - 1  # of the batch together: a table that is mapped
        depth                           spread n over 8         # each meets one of so many slices of the tensor
        mtp                             idle            # does not work in a plain pass, and is not read

    attention                           # one for each module of this name, in the place of all q, k, v and o matrices
        encoder.layers.{stage}.blocks.{layer}   queries = 49, keys = 49, scores = widths[stage], values = widths[stage]

    products                            # what is multiplied that is no parameter: multiply-adds of one sequence
        encoder.layers.{layer}          attention distances     n * heads * d       writes n * heads

    state                               # numbers that are kept of a sequence, however long it is
        layers.{layer}.mixer            ssm     d_inner * d_state

- Where a number stands, tables, factors and biases stay what they are unless it is `always`, and of routed experts the
  share is taken that works.
- Columns are two spaces apart. A line that ends in a comma goes on in the next one.
- A name stands between dots anywhere in a tensor's name; `{layer}` catches a number, `{q, k}_proj` is either, `*` is
  anything without a dot, `...` anything. Of several lines the last that fits is taken.
- Variables: the configuration's values as the blueprint fills them in, `context`, `n` (new vectors: 1 when decoding),
  `encoded` (what an encoder reads, 0 when decoding), `decoding`, `batch`, `chunked` (whether a prompt passes states in
  chunks), what braces caught, and the names of `let`.
  Expressions are those of `core.expressions`.
- Names of `let` that are used: `size` (height and width of the picture in pixels, of a film its frames before them; the
  field `image_size` is where it comes from), `positions` (vectors of the input; of a picture or a sound all there are, else the most),
  `usual` (the context that is taken where nobody asks), `d_model` (the stream's width), `heard` (what an encoder makes of
  a sound, whatever the context is), `choices` (experts that a token chooses among, where some of them do nothing).
- Of an attention: `scores` and `values` are widths of all heads together; `kept`: numbers that the cache keeps of each
  token (0); `queries` and `keys` where they are not all tokens, or `pairs` of them; `sums`: values that are summed, where
  not one for each pair, and `results`: how many sums that makes, where not one for each query; `window`, `length`, `reuses`, `cross` as in `attention.Attention`; `when`: whether there is one.
  Of latent attention: `expand`, the parameters that make keys and values of what is kept, `expanded` numbers of a token,
  and `absorbed_scores` and `absorbed_values`, the widths without that. Where tokens are chosen: `chosen`, how many;
  `index_kept`, numbers of each token's index key; `index_pair`, products to look at one token.
  Around a text model its own attention stays as it is.
"""

from __future__ import annotations

import os
import re
from functools import cache
from types import MappingProxyType

from ..core.expressions import compile_expression
from ..core.records import NamedTuple
from ..errors import NumelError, Sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.expressions import Expression

_FOLDER = os.path.join(os.path.dirname(__file__), "passes")
_SUFFIX = ".pass"
_MODEL_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{,99}")  # a model type comes from a file: it is no path
WORDS = frozenset({"table", "lookup", "idle"})
_BEFORE_NUMBERS = frozenset({"always", "once", "spread"})
_SECTIONS = frozenset({"config", "let", "tokens", "attention", "products", "state"})
_READS = frozenset({"text", "picture", "sound", "text and picture", "text and sound"})
_STACKS = frozenset({"decoder", "encoder", "encoder_decoder"})
_OF_ATTENTION = frozenset({
    "scores", "values", "kept", "queries", "keys", "pairs", "sums", "results", "window", "length", "reuses", "cross", "when",
    "expand", "expanded", "absorbed_scores", "absorbed_values", "chosen", "index_kept", "index_pair",
})  # fmt: skip


class PassSyntaxError(NumelError, ValueError):
    """A line of a pass file is not understood: a fault of the file, not of the user's model."""

    exit_code = 4


class Rule(NamedTuple):
    """`where`: the tensors or modules it is about. `word`: what is said instead of a number. `values`: what is said, by name."""

    where: re.Pattern[str]
    values: dict[str, Expression]
    word: str = ""
    component: str = ""
    part: str = ""


class Pass(NamedTuple):
    """A pass file as it was read; `reads`, `stack` and `like` are "" where it does not say."""

    model_type: str
    reads: str = ""
    stack: str = ""
    like: str = ""
    around: str = ""
    config: Mapping[str, Expression] = MappingProxyType({})
    lets: Mapping[str, Expression] = MappingProxyType({})
    requires: tuple[Expression, ...] = ()
    tokens: tuple[Rule, ...] = ()
    attention: tuple[Rule, ...] = ()
    products: tuple[Rule, ...] = ()
    state: tuple[Rule, ...] = ()

    def works(self, tower: str) -> bool:
        """Whether what the model reads gives a tower something to do."""
        if tower in ("vision", "audio"):
            return ("picture" if tower == "vision" else "sound") in self.reads
        return "picture" in self.reads or "sound" in self.reads  # (what stands between a tower and the text)

    def on_top_of(self, parent: Pass) -> Pass:
        """This, and of `parent` what it does not say otherwise."""
        return self._replace(
            reads=self.reads or parent.reads,
            stack=self.stack or parent.stack,
            like=parent.like or self.like,
            around=self.around or parent.around,
            config={**parent.config, **self.config},
            lets={**parent.lets, **self.lets},
            requires=parent.requires + self.requires,
            tokens=parent.tokens + self.tokens,
            attention=self.attention or parent.attention,
            products=parent.products + self.products,
            state=parent.state + self.state,
        )


def noted_types() -> tuple[str, ...]:
    """Every model type that has a pass file."""
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in os.listdir(_FOLDER) if name.endswith(_SUFFIX)))


@cache
def pass_of(model_type: str) -> Pass | None:
    """What is noted of the type, with what it is like; None where nothing is."""
    path = os.path.join(_FOLDER, model_type + _SUFFIX)
    if not _MODEL_TYPE.fullmatch(model_type) or not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return parse(file.read(), model_type)


def parse(text: str, model_type: str) -> Pass:
    r"""The pass that `text` writes. Raises PassSyntaxError with the line's number.

    >>> tiny = parse("stack  encoder\n\ntokens\n    layers.{layer}  context // 2 ** layer", "tiny")
    >>> tiny.stack, tiny.tokens[0].values["n"].evaluate({"context": 8, "layer": 1})
    ('encoder', 4)
    """
    draft = _Draft()
    for number, is_inside, line in _lines(text):
        try:
            draft.add(line, is_inside=is_inside)
        except ValueError as error:
            message = Sentence("{where}: {what}", where=f"{model_type}{_SUFFIX}, {number}", what=str(error))
            raise PassSyntaxError(message) from error
    own = draft.done(model_type)
    parent = pass_of(own.like) if own.like else None
    return own if parent is None else own.on_top_of(parent)


class _Draft:
    """A pass while it is read."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self.config: dict[str, Expression] = {}
        self.lets: dict[str, Expression] = {}
        self.requires: list[Expression] = []
        self.rules: dict[str, list[Rule]] = {"tokens": [], "attention": [], "products": [], "state": []}
        self.section = ""

    def add(self, line: str, *, is_inside: bool) -> None:
        """One more line. Raises ValueError for one that is not understood."""
        head, _, rest = line.partition(" ")
        if not is_inside and head in _SECTIONS and not rest:
            self.section = head
        elif not is_inside and head == "require":
            self.requires.append(compile_expression(rest.strip()))
        elif not is_inside:
            self.said[head] = _header(head, rest.strip())
        elif self.section in ("config", "let"):
            name, value = _named(line)
            (self.lets if self.section == "let" else self.config)[name] = value
        elif self.section:
            self.rules[self.section].append(_rule(self.section, line))
        else:
            raise ValueError(Sentence("no section begins before this line"))

    def done(self, model_type: str) -> Pass:
        """All that was read."""
        tokens, attention, products, state = (tuple(found) for found in self.rules.values())
        reads, stack, like, around = (self.said.get(head, "") for head in ("reads", "stack", "like", "around"))
        names, requires = (self.config, self.lets), tuple(self.requires)
        return Pass(model_type, reads, stack, like, around, *names, requires, tokens, attention, products, state)


def _lines(text: str) -> Iterator[tuple[int, bool, str]]:
    """Each line with its number and whether it stands inside a section; comments off, continued lines joined."""
    waiting, first, is_inside = "", 0, False
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", raw).rstrip()
        if not line.strip():
            continue
        if not waiting:
            first, is_inside = number, line[0] == " "
        waiting = f"{waiting} {line.strip()}".strip()
        if not waiting.endswith(","):
            yield first, is_inside, waiting
            waiting = ""
    if waiting:
        yield first, is_inside, waiting


def _header(head: str, rest: str) -> str:
    known = {"reads": _READS, "stack": _STACKS, "around": frozenset({"text"})}.get(head)
    if head == "like" or (known is not None and rest in known):
        return rest
    raise ValueError(Sentence("{line} is not understood", line=f"{head} {rest}"))


def _named(text: str) -> tuple[str, Expression]:
    name, is_there, value = text.partition("=")
    if not is_there or not name.strip().isidentifier():
        raise ValueError(Sentence("{line}: NAME = EXPRESSION is wanted", line=text))
    return name.strip(), compile_expression(value.strip())


def _rule(section: str, line: str) -> Rule:
    columns = re.split(r"\s{2,}", line)
    where = _pattern(columns[0])
    if section == "attention" and len(columns) > 1:
        values = dict(_named(item) for item in _items(" ".join(columns[1:])))
        unknown = values.keys() - _OF_ATTENTION
        if unknown or not {"scores", "values"} <= values.keys():
            raise ValueError(Sentence("{line}: scores and values are wanted, and no others", line=line))
        return Rule(where, values)
    if section == "tokens" and len(columns) in (2, 3):
        if columns[1] in WORDS:
            return Rule(where, {}, columns[1])
        width = _width(columns[2]) if len(columns) > 2 else {}
        word, _, rest = columns[1].partition(" ")
        word, number = (word, rest) if word in _BEFORE_NUMBERS else ("", columns[1])
        if word == "spread":
            number, _, slices = number.partition(" over ")
            width["slices"] = compile_expression(slices)
        return Rule(where, {"n": compile_expression(number), **width}, word)
    if section == "state" and len(columns) == 3:
        return Rule(where, {"kept": compile_expression(columns[2])}, "", columns[1], "state")
    if section == "products" and len(columns) in (3, 4) and len(columns[1].split()) == 2:
        component, part = columns[1].split()
        writes = _written(columns[3]) if len(columns) > 3 else "0"
        values = {"products": compile_expression(columns[2]), "writes": compile_expression(writes)}
        return Rule(where, values, "", component, part)
    raise ValueError(Sentence("{line}: not the columns of {section}", line=line, section=section))


def _width(column: str) -> dict[str, Expression]:
    """What each vector writes; of routed experts all `together` where so it is said."""
    number = _written(column)
    key = "together" if number.startswith("together ") else "width"
    return {key: compile_expression(number.removeprefix("together "))}


def _written(column: str) -> str:
    word, _, number = column.partition(" ")
    if word != "writes":
        raise ValueError(Sentence("{line}: writes EXPRESSION is wanted", line=column))
    return number


def _items(text: str) -> Iterator[str]:
    """What commas outside all brackets part."""
    depth, start = 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            yield text[start:i]
            start = i + 1
    yield text[start:]


_PIECES = re.compile(r"\{(?P<name>\w+)\}|\{(?P<either>[^{}]*,[^{}]*)\}|(?P<any>\.\.\.)|(?P<some>\*)|(?P<text>[^{}*]+?)")


def _pattern(text: str) -> re.Pattern[str]:
    """A name as it is written here, as a regular expression for `search`."""
    made, at = "", 0
    while at < len(text):
        piece = _PIECES.match(text, at)
        if piece is None:
            raise ValueError(Sentence("{name} is no name of tensors", name=text))
        if piece["name"]:
            made += rf"(?P<{piece['name']}>\d+)"
        elif piece["either"]:
            made += "(?:" + "|".join(re.escape(word.strip()) for word in piece["either"].split(",")) + ")"
        else:
            made += ".*" if piece["any"] else "[^.]*" if piece["some"] else re.escape(piece["text"])
        at = piece.end()
    return re.compile(rf"(?:^|(?<=\.)){made}(?=\.|$)")
