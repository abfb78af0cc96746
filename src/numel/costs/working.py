"""What of a model works, and on what: text, pictures or a sound, which layers not at all and which more than once?"""

from __future__ import annotations

from ..core.counts import experts_of
from ..core.records import NamedTuple
from ..errors import Sentence, UnsupportedError, UsageError
from .families import family_of
from .fields import TextFields
from .noted import Noted
from .pictures import Picture, picture_of
from .shared import never_run, runs_again, tied_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter, ParameterTable
    from .families import Family
    from .setting import Setting


class Working(NamedTuple):
    """A model as it works. `picture`: what is seen beside the text or instead of it.

    `heard`: positions that an encoder makes of a sound, whatever the context is. `skipped`: layers that have nothing to
    work on. `again`: a row for each further run of a shared matrix. `experts`: how many there are, and how many
    of them work on a token. `noted`: its pass file.
    """

    table: ParameterTable
    fields: TextFields
    family: Family
    picture: Picture | None = None
    heard: int | None = None
    skipped: frozenset[int] = frozenset()
    again: tuple[Parameter, ...] = ()
    experts: tuple[int, int] | None = None
    noted: Noted | None = None

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
        """The longest context: of the text, or all tokens of a picture; None where there is no limit."""
        if self.noted is not None:
            stated = self.noted.named("positions")
            if stated is not None or not self.noted.reads_text:
                return stated
        return self.picture.n_tokens if self.picture is not None and self.picture.is_alone else self.fields.n_positions

    @property
    def has_one_length(self) -> bool:
        """Whether its input has so many vectors and no fewer, as a picture of one size."""
        reads_text = self.noted.reads_text if self.noted is not None else not self.is_of_pictures
        return not reads_text and self.n_positions is not None

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of what it sees in pixels, of a film its frames before them; () where it sees nothing."""
        noted = self.noted.listed("size") if self.noted is not None else ()
        return noted or (self.picture.size if self.picture is not None else ())

    @property
    def is_size_assumed(self) -> bool:
        """Whether the configuration does not state that size."""
        return self.noted is not None and self.noted.is_assumed("image_size")

    @property
    def has_one_answer(self) -> bool:
        """Whether its head works on one vector of each sequence; decoders ask theirs of every token, and take one answer."""
        head = (self.table.config.architecture if self.table.config else None) or ""
        return self.family.stack != "decoder" and head.endswith(_ONE_ANSWER)

    @property
    def usual_context(self) -> int:
        """1,024 tokens, or as many as the model has positions, or as its pass file says, or as a picture has."""
        stated = self.noted.named("usual") if self.noted is not None else None
        n = self.n_positions
        if n is None:
            return stated or USUAL_CONTEXT
        return n if self.has_one_length else min(stated or USUAL_CONTEXT, n)

    def at(self, setting: Setting) -> Working:
        """The same in a setting, on which a pass file's numbers depend."""
        if self.noted is None:
            return self
        decoding = setting.phase == "decode"
        encoded = 0 if decoding else self.heard or setting.context
        n = 1 if decoding else setting.context
        chunked = setting.scan == "chunked"
        noted = self.noted.at(n, setting.context, encoded, decoding=decoding, batch=setting.batch, chunked=chunked)
        picture = self.picture
        if picture is not None and picture.n_tokens == 0:  # of any size
            picture = picture._replace(n_patches=setting.context, n_tokens=setting.context)
        return self._replace(noted=noted, picture=picture)


def working(table: ParameterTable) -> Working:
    """The model as it works. Raises UnsupportedError for one whose attention is not known, UsageError for no picture."""
    if not table.rows:
        raise UnsupportedError(Sentence("{model} holds no tensors: there is nothing to count", model=table.name))
    fields = TextFields(table)
    family = family_of(fields, table.name)
    encoders = {"encoder"} if family.notes is None else {"encoder", "vision", "audio"}
    if family.stack == "encoder_decoder" and not any(row.tower in encoders for row in table.rows):
        family = family._replace(stack="decoder")  # the decoder alone, as BartForCausalLM
    heard = fields.integer("max_source_positions") if family.sound and family.stack == "encoder_decoder" else None
    skipped = frozenset(fields.get(family.skips, default=()) if family.skips else ()) | never_run(table, fields, family)
    noted, notes = None, family.notes
    if notes is not None:
        values = fields.values(outer=notes.model_type == fields.wrapper)
        if notes.around:
            values |= fields.values()
        noted = Noted(notes, values, table.name)
        fields.stream, heard = noted.named("d_model"), noted.named("heard") or heard
    again = (*runs_again(table, fields, family), *(tied_again(table, noted) if noted is not None else ()))
    if noted is not None and notes is not None and notes.reads == "picture":
        n = noted.named("positions") or 0
        seen: Picture | None = Picture(n, n, fields.d_model, is_alone=True)
    else:
        seen = picture_of(table, fields, family)
    experts, choices = experts_of(table), noted.named("choices") if noted is not None else None
    if experts is not None and choices is not None:
        experts = choices, experts[1]
    made = Working(table, fields, family, seen, heard, skipped, again, experts, noted)
    if any(side < 1 for side in made.size) or (seen is not None and seen.size and seen.n_patches < 1):
        sides = " × ".join(map(str, made.size))
        message = Sentence("{model}: there is no picture of {sides} pixels", model=table.name, sides=sides)
        raise UsageError(message, hint=Sentence("give {option}", option="--set image_size=…"))
    return made


_ONE_ANSWER = ("ForSequenceClassification", "ForMultipleChoice", "ForNextSentencePrediction")
USUAL_CONTEXT = 1024  # tokens, where nobody asks for another number


def decodes(table: ParameterTable, setting: Setting) -> bool:
    """Whether one more token may be asked for: of an encoder not, nor of what writes many at once."""
    model = working(table)
    try:
        model.at(setting._replace(phase="decode"))
    except UsageError:
        return False
    return model.family.stack != "encoder"
