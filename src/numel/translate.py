"""How is a sentence said in the reader's language? The catalogue looked up, the values filled in.

Only `gettext` of the standard library at run time, and for English not even that: the messages are the English
sentences. Extraction finds the first argument of `Text(…)`, `N_(…)`, `say(…)` and `word(…)`, and a Plugin's help.
"""

from __future__ import annotations

import os

from .core.report import Text, Unit, Value
from .errors import Sentence, UsageError
from .units import DASH, format_value, is_number, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

LANGUAGES = ("en", "vi")
DOMAIN = "numel"
_ENGLISH = {"moe": "experts"}  # where the taxonomy's word is not the one that people expect
LOCALE = os.path.join(os.path.dirname(__file__), "locale")


def N_(message: str) -> str:  # noqa: N802 - the customary name
    """The message itself: marks a text for the catalogues that is translated somewhere else."""
    return message


class Translator:
    """Sentences, words and values in one language.

    >>> text = Text("{model} has {total} parameters", {"model": Value("gpt2", Unit.NAME), "total": Value(7, Unit.COUNT)})
    >>> Translator("en").text(text)
    'gpt2 has 7 parameters'
    """

    def __init__(
        self, lang: str = "en", *, own: Callable[[str], str] = str, foreign: Callable[[str], str] = str
    ) -> None:
        """`own` and `foreign` make our sentences and other people's words fit for a markup language."""
        self.lang = _known(lang)
        self._look_up = _catalogue(lang)
        self._own = own
        self._foreign = foreign

    def word(self, message: str) -> str:
        """A fixed message or a word of the taxonomy; itself where the catalogue has none.

        >>> Translator("vi").word("weight"), Translator("vi").word("qkv")
        ('trọng số', 'qkv')
        """
        return (
            self._look_up(_ENGLISH.get(message, message) if self.lang == "en" else message) if message else ""
        )  # the empty message is the catalogue's own header

    def text(self, text: Text) -> str:
        """The sentence with its values. Catalogues hold composed characters (NFC), which a test asserts."""
        template = self._own(self.word(text.template))
        return template.format_map({name: self.value(value) for name, value in text.values.items()})

    def value(self, value: Value | Text) -> str:
        """A value as it stands in a sentence: formatted by its unit, a word translated, a name escaped."""
        if isinstance(value, Text):
            return self.text(value)
        if isinstance(value.raw, Sentence):
            return self._foreign(plain(self.sentence(value.raw)))
        if value.unit is Unit.WORD and value.raw is not None:
            return self._foreign(plain(self.word(str(value.raw))))
        shown = format_value(value.raw, value.unit, self.lang)
        return self._own(shown) if is_number(value.unit) and not isinstance(value.raw, str) else self._foreign(shown)

    def sentence(self, said: str) -> str:
        """An error's or a warning's sentence; a text that is none stays as it is.

        >>> Translator("vi").sentence(Sentence("{name} is missing", name="n_layer"))
        'thiếu n_layer'
        """
        if self.lang == "en" or not isinstance(said, Sentence):
            return said
        values = {
            name: format_value(value, Unit.COUNT, self.lang) if isinstance(value, int) else self.sentence(value)
            for name, value in said.values.items()
        }
        return self.word(said.template).format_map(values)

    def cell(self, cell: Any, unit: Unit) -> str:
        """A table's cell; unknown is a dash there.

        >>> Translator("en").cell(1024, Unit.COUNT), Translator("en").cell(None, Unit.COUNT)
        ('1,024', '–')
        """
        if isinstance(cell, Text):
            return self.text(cell)
        if isinstance(cell, Value):
            cell, unit = cell
        elif cell == "" and unit is Unit.NAME:
            return self._foreign('""')  # somebody did call a tensor so; what stays blank is a Value
        return DASH if cell is None else self.value(Value(cell, unit))


def choose(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The language that the user wants: `--lang`, NUMEL_LANG, then the locale's; English if they say nothing.

    Looks ahead of argparse, whose own words are in that language too. Raises UsageError for an unknown language
    that was asked for by name; a locale in another language is English.

    >>> choose(["gpt2", "--lang", "vi"], {}), choose([], {"LANG": "vi_VN.UTF-8"}), choose([], {"LANG": "C"})
    ('vi', 'vi', 'en')
    """
    asked = _option(argv) or environ.get("NUMEL_LANG", "")
    if asked:
        return _known(_primary(asked))
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "vi" if _primary(locale) == "vi" else "en"


def speak(lang: str) -> None:
    """Let argparse say its own words in `lang`; to be called before a parser is built.

    It asks two names of its module for them. In English they are its own: to look for a catalogue would take 1 ms.
    """
    import argparse
    import gettext

    said = gettext.NullTranslations() if lang == "en" else gettext.translation(DOMAIN, LOCALE, [lang])
    vars(argparse).update({"_": said.gettext, "ngettext": said.ngettext})


def _option(argv: Sequence[str]) -> str:
    """The last `--lang`, as argparse would take it."""
    asked = ""
    words = iter(argv)
    for word in words:
        if word == "--":
            break
        if word == "--lang":
            asked = next(words, asked)
        elif word.startswith("--lang="):
            asked = word.partition("=")[2]
    return asked


def _primary(locale: str) -> str:
    """The language of `vi_VN.UTF-8`, `vi-VN` or `vi@latin`."""
    return locale.replace("-", "_").partition("_")[0].partition(".")[0].partition("@")[0].lower()


def _known(lang: str) -> str:
    if lang not in LANGUAGES:
        message = Sentence("no language called '{lang}'", lang=plain(lang))
        raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(LANGUAGES)))
    return lang


def _catalogue(lang: str) -> Callable[[str], str]:
    if lang == "en":
        return str
    import gettext  # English, the usual case, goes without

    return gettext.translation(DOMAIN, LOCALE, [lang]).gettext
