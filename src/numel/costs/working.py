"""What of a model works, and on what: text, pictures or a sound, which layers not at all and which more than once?"""

from __future__ import annotations

from ..core.counts import experts_of
from ..core.records import NamedTuple
from .families import family_of
from .fields import TextFields
from .pictures import picture_of
from .shared import runs_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter, ParameterTable
    from .families import Family
    from .pictures import Picture


class Working(NamedTuple):
    """A model as it works. `picture`: what is seen beside the text or instead of it.

    `heard`: positions that an encoder makes of a sound, whatever the context is. `skipped`: layers that have nothing to
    work on. `again`: a row for each further run of a shared matrix. `experts`: how many there are, and how many
    of them work on a token.
    """

    table: ParameterTable
    fields: TextFields
    family: Family
    picture: Picture | None = None
    heard: int | None = None
    skipped: frozenset[int] = frozenset()
    again: tuple[Parameter, ...] = ()
    experts: tuple[int, int] | None = None

    @property
    def is_of_pictures(self) -> bool:
        """Whether it works on pictures alone."""
        return self.picture is not None and self.picture.is_alone

    @property
    def d_model(self) -> int:
        """The width of its stream."""
        return self.picture.d_model if self.picture is not None and self.picture.is_alone else self.fields.d_model

    @property
    def n_positions(self) -> int | None:
        """The longest context: of the text, or all tokens of a picture."""
        return self.picture.n_tokens if self.picture is not None and self.picture.is_alone else self.fields.n_positions


def working(table: ParameterTable) -> Working:
    """The model as it works. Raises UnsupportedError for one whose attention is not known."""
    fields = TextFields(table)
    family = family_of(fields, table.name)
    if family.stack == "encoder_decoder" and not any(row.tower == "encoder" for row in table.rows):
        family = family._replace(stack="decoder")  # the decoder alone, as BartForCausalLM
    heard = fields.integer("max_source_positions") if family.sound and family.stack == "encoder_decoder" else None
    skipped = frozenset(fields.get(family.skips, default=()) if family.skips else ())
    again = tuple(runs_again(table, fields, family))
    seen, experts = picture_of(table, fields, family), experts_of(table)
    return Working(table, fields, family, seen, heard, skipped, again, experts)
