"""The records that a parsed blueprint consists of; `language` says how they are written."""

from __future__ import annotations

from ..core.records import NamedTuple
from ..errors import NumelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.expressions import Expression


# What every blueprint may read without saying what it is.
BUILT_IN = frozenset({"num_labels", "tie_word_embeddings", "in_memory", "model_type"})


class BlueprintSyntaxError(NumelError, ValueError):
    """A line of a blueprint is not understood: a fault of the file that `path` names, not of the user's model."""

    exit_code = 4


class Loop(NamedTuple):
    """`variable` runs from `start` (0 when None) up to, not including, `stop`; what `extra` holds for is not run.

    With `items` it runs over the texts of that list, and `stop` is how many they are.
    """

    variable: str
    stop: Expression
    start: Expression | None = None
    extra: Expression | None = None
    items: Expression | None = None


class Tie(NamedTuple):
    """The tensor shares the values of `target` when `condition` holds (None: always)."""

    target: str
    condition: Expression | None


class Include(NamedTuple):
    """The tensors of a sub-configuration's own blueprint stand here; `settings` override its fields.

    `sections`: which class of it, the first that it has.
    """

    field: str
    sections: tuple[str, ...]
    settings: tuple[tuple[str, Expression], ...] = ()


class Line(NamedTuple):
    """One tensor template, or one include. `loops` are in the order in which their variables stand in the name.

    `is_legacy`: only old checkpoints have it. `extra`: where it holds, checkpoints have the tensor and the model
    does not run it.
    """

    template: str
    dims: tuple[Expression, ...] = ()
    loops: tuple[Loop, ...] = ()
    conditions: tuple[Expression, ...] = ()
    tie: Tie | None = None
    is_buffer: bool = False
    is_legacy: bool = False
    extra: Expression | None = None
    include: Include | None = None
    note: str = ""


class SubRule(NamedTuple):
    """How a field is a configuration of its own: of which model type, and what holds when it is absent.

    `is_fixed`: whatever model type it names. `may_be_null`: absent means none. `may_be_flat`: absent means that its
    fields stand beside it. `settings`: the fields that an absent one has; a given one that lacks them too, with `fills`.
    """

    model_type: str
    is_fixed: bool = True
    may_be_null: bool = False
    may_be_flat: bool = False
    settings: tuple[tuple[str, Expression], ...] = ()
    fills: bool = False


class FieldRule(NamedTuple):
    """What to assume of a config field.

    `mode` is "" (it must be given), "=" (when absent), "?=" (when absent or null), ":=" (always), "->" (another
    name for `target`) or "is" (a configuration of its own, as `sub` says).
    """

    name: str
    mode: str
    value: Expression | None = None
    target: str = ""
    sub: SubRule | None = None


class Section(NamedTuple):
    """What one class adds to the bare model, or the bare model itself.

    `base` None: the blueprint's own. `has_model`: whether the class holds the bare model at all.
    """

    lines: tuple[Line, ...] = ()
    rules: tuple[FieldRule, ...] = ()
    base: str | None = None
    has_model: bool = True


class Rename(NamedTuple):
    """Checkpoints call `memory` otherwise: segments, at the start of a name or (`anywhere`) further in."""

    memory: tuple[str, ...]
    hub: tuple[str, ...]
    anywhere: bool


class Blueprint(NamedTuple):
    """An architecture. `sections` maps "model" and each class suffix to what it holds; `about` is its remark.

    `other_prefixes`: published configs name the classes with these, transformers with `class_prefix`.
    """

    model_type: str
    class_prefix: str
    base: str
    rules: tuple[FieldRule, ...]
    requirements: tuple[Expression, ...]
    sections: Mapping[str, Section]
    renames: tuple[Rename, ...] = ()
    about: str = ""
    other_prefixes: tuple[str, ...] = ()
