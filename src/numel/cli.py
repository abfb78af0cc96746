"""The command line: words in, a report out, one line when something is wrong. It computes nothing."""

from __future__ import annotations

import gc
import os
import sys
from argparse import ArgumentParser, HelpFormatter, Namespace, RawDescriptionHelpFormatter

from . import __version__
from .analyses import ANALYSES
from .errors import NumelError, Sentence, StoppedError, UsageError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NoReturn

_NEED_BLAS = ("--spectrum", "--rank", "--measure", "ablate")  # and `--device here`, which asks how fast it is
_FORMATS = ("terminal", "json", "csv", "markdown", "html")


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A wrong command line is an error like any other: one line."""
        raise UsageError(message, hint=f"{self.prog} --help")


def run() -> NoReturn:
    """The console script."""
    if not any(word.startswith(_NEED_BLAS) or word.endswith("here") for word in sys.argv):
        # its threads take 0.07 s of CPU to start
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # one question, one answer: nothing becomes garbage that matters before the process ends
    try:
        code = main(sys.argv[1:])
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = StoppedError.exit_code
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _write_nowhere()
        code = 0
    except OSError as error:  # a full disk behind the answer
        _write_nowhere()
        from .translate import Translator, choose

        said = Sentence("cannot write the answer: {why}", why=reason(error))
        print(f"numel: {Translator(choose(sys.argv[1:], os.environ)).sentence(said)}", file=sys.stderr)  # noqa: T201
        code = 1
    # Nobody waits any more for threads that wait for an answer from afar, or for LAPACK; and where there was never a
    # thread, nothing is left to tidy up, which takes Python 1 ms.
    if code == StoppedError.exit_code or "threading" not in sys.modules:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)
    gc.freeze()  # nor at its end, where Python would go through all objects once more, for 3 ms
    sys.exit(code)


def _write_nowhere() -> None:
    """Let go of what is left to write: Python would try again at its end, and complain."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; the exit code."""
    words, lang = list(argv), "en"
    try:
        lang = _language(words)
        return _run(words, lang)
    except NumelError as error:
        return _fail(error, lang, as_json=_asks_for_json(words))


def _asks_for_json(words: Sequence[str]) -> bool:
    return "--json" in words or "--format=json" in words or "--format json" in " ".join(words)


def _language(words: list[str]) -> str:
    from .translate import choose

    lang: str = choose(words, os.environ)
    return lang


def _run(words: list[str], lang: str) -> int:
    command, words = _command(words)
    if command is None:
        _overview(lang).print_help()
        return 0 if words else 2
    analysis = ANALYSES[command].load()
    parser = _parser(command, analysis, lang, is_read_by_programs=_asks_for_json(words))
    options = parser.parse_args(words, Namespace(command_line=_quoted(["numel", command, *words])))
    return _answer(command, analysis, options)


def _quoted(words: list[str]) -> str:
    """The words as a shell reads them again."""
    import re

    return " ".join(w if re.fullmatch(r"[\w@%+=:,./-]+", w) else "'" + w.replace("'", "'\"'\"'") + "'" for w in words)


def _command(words: list[str]) -> tuple[str | None, list[str]]:
    """The command and the words behind it: the first word, if it is a command's name; else `show`."""
    if not words or words[0] in ("-h", "--help"):
        return None, words
    if words[0] in ANALYSES:
        return words[0], words[1:]
    return "show", words


def _overview(lang: str) -> ArgumentParser:
    from .translate import Translator, speak

    speak(lang)
    translate = Translator(lang)
    lines = [f"  {name:15}{translate.word(plugin.help)}" for name, plugin in ANALYSES.items()]
    usage = translate.word("numel [COMMAND] MODEL [MODEL …] [OPTIONS]")
    epilog = "\n".join((translate.word("commands:"), *lines, "", translate.word("numel COMMAND --help says more.")))
    about = translate.word("Where a Transformer's parameters live.")
    return _Parser("numel", usage, about, epilog, formatter_class=RawDescriptionHelpFormatter)


def _parser(command: str, analysis: Any, lang: str, *, is_read_by_programs: bool) -> ArgumentParser:
    from .translate import Translator, speak

    speak("en" if is_read_by_programs else lang)
    say = Translator(lang).word
    lists = hasattr(analysis, "TAKES_WORDS")
    about = (
        "only those in which every word occurs"
        if lists
        else "a name, a file (safetensors, GGUF, histograms, config.json), a folder, or an address"
    )
    about = getattr(analysis, "ABOUT_WORDS", about)  # the family of fit
    prog = "numel" if command == "show" else f"numel {command}"
    parser = _Parser(prog, description=say(ANALYSES[command].help), allow_abbrev=False, formatter_class=_formatter)
    parser.add_argument(
        "words",
        nargs="*" if lists else "+",
        metavar=say("WORD" if lists and not hasattr(analysis, "ABOUT_WORDS") else "MODEL"),
        help=say(about),
    )
    analysis.add_options(parser)
    for action in parser._actions:  # noqa: SLF001 - an analysis adds its options in English, as it says everything
        action.help = say(action.help or "")
    common = parser.add_argument_group(say("output"))
    forms = common.add_mutually_exclusive_group()
    forms.add_argument("--format", choices=_FORMATS, help=say("how to write the answer; else as -o PATH ends"))
    for short, long in (("--json", "json"), ("--csv", "csv"), ("--md", "markdown"), ("--html", "html")):
        forms.add_argument(
            short,
            dest="format",
            action="store_const",
            const=long,
            help=say("same as --format {name}").format(name=long),
        )
    common.add_argument("-o", "--output", metavar=say("PATH"), help=say("write there; `study` makes a folder"))
    common.add_argument("--save", metavar=say("FILE"), help=say("draw the figure: .png, .svg or .pdf"))
    common.add_argument("--lang", choices=("en", "vi"), default=lang, help=say("language of the answer"))
    common.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help=say("colour in the terminal")
    )
    common.add_argument("--width", type=int, metavar="N", help=say("columns of the terminal"))
    if not lists:
        parser.add_argument(
            "--rule", default="numel", help=say("how to classify: numel, or study for the original's substrings")
        )
        parser.add_argument(
            "--form", default="hub", help=say("names for a config: hub, as checkpoints have them, or memory, as loaded")
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help=say("change a field of the config; a dot leads to one inside: text_config.vocab_size=9"),
        )
    shows_version = say("show program's version number and exit")
    parser.add_argument("--version", action="version", version=f"numel {__version__}", help=shows_version)
    return parser


def _formatter(prog: str) -> HelpFormatter:
    """argparse's own, told the width: to find it out it would import shutil at every start, for 2 ms."""
    try:
        columns = os.get_terminal_size(1).columns
    except OSError:  # a pipe has no width
        columns = 100
    return HelpFormatter(prog, width=max(columns - 2, 40))


def _answer(command: str, analysis: Any, options: Namespace) -> int:
    from . import api

    words, chosen = _split_words(analysis, options)
    if options.width is not None and options.width < 1:
        raise UsageError(Sentence("--width {n}: a line has one column or more", n=options.width))
    color = {"auto": None, "always": True, "never": False}[options.color]
    wanted = api.Delivery(options.format, options.output, options.save, options.lang, color, options.width)
    api.check_places(wanted, command, words, histograms=chosen.get("save_histograms"))
    if hasattr(analysis, "TAKES_WORDS"):
        shown = api.listed(command, words, **chosen)
    else:
        chosen |= {"rule": options.rule, "form": options.form, "overrides": _overrides(options.set)}
        shown = api.ask(command, words, **chosen)
    api.deliver(shown, wanted)
    return shown.exit_code


def _split_words(analysis: Any, options: Namespace) -> tuple[list[str], dict[str, Any]]:
    """The models, and the analysis' own options; a last word such as `mlp` may be one of them."""
    words = list(options.words)
    names = (name for name in analysis.Options._fields if name != "words")
    chosen = {name: getattr(options, name) for name in names if hasattr(options, name)}
    if "command_line" in analysis.Options._fields:
        chosen["command_line"] = options.command_line
    trailing = getattr(analysis, "TRAILING", None)
    if trailing and len(words) > 1 and words[-1].lower() in trailing[1]:
        chosen[trailing[0]] = trailing[1][words.pop().lower()]
    elif trailing and len(words) > 1 and words[-1].isalpha():
        _refuse_misspelt(words[-1], trailing[1])
    return words, chosen


def _refuse_misspelt(word: str, known: Iterable[str]) -> None:
    """Raises UsageError for a last word that is nearly an option of the analysis: `atention`."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), known, n=1, cutoff=0.75)
    if near:
        message = Sentence("no model and no component called '{word}'", word=word)
        raise UsageError(message, hint=Sentence("did you mean {near}?", near=near[0]))


def _overrides(pairs: list[str]) -> dict[str, Any]:
    """`--set n_layer=24` as {"n_layer": 24}: a value is JSON, or else text."""
    import json

    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            message = Sentence("--set {pair}: not FIELD=VALUE", pair=pair)
            raise UsageError(message)
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return fields


def _fail(error: NumelError, lang: str, *, as_json: bool) -> int:
    """One line on stderr; with --json also an object on stdout, in English whatever the language."""
    from .translate import Translator
    from .units import plain

    if as_json:
        import json

        details = {"kind": error.kind, "message": error.message, "path": error.path, "hint": error.hint}
        print(json.dumps({"schema": "numel/1", "error": details}))  # noqa: T201 - the answer
    print(f"numel: {plain(error.line(Translator(lang).sentence))}", file=sys.stderr)  # noqa: T201
    return error.exit_code
