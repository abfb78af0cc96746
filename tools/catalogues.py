"""What do the sources say to people, and what of it is not translated yet? Extracts, updates and compiles catalogues.

A message is the first argument of `Text`, `Sentence`, `N_`, `say`, `word` or `_paragraph`, the help of a Plugin or an argument,
a line of locale/words.txt (the taxonomy, which stands in data) or of locale/argparse.txt (argparse's own words).
"""

from __future__ import annotations

import ast
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "numel"
LOCALE = SOURCES / "locale"
PO = LOCALE / "vi" / "LC_MESSAGES" / "numel.po"
MO = PO.with_suffix(".mo")

# function → where its message stands: a position, or a keyword's name
MARKERS: dict[str, tuple[int | str, ...]] = {
    "Text": (0,), "Sentence": (0,), "N_": (0,), "say": (0,), "word": (0,), "_paragraph": (0,), "Plugin": (1,),
    "add_argument": ("help",), "ArgumentParser": ("description", "epilog"),
}  # fmt: skip
_TIMELESS = datetime(2000, 1, 1, tzinfo=UTC)  # a catalogue changes when its messages do, not with the clock


def extract() -> dict[str, list[str]]:
    """Every message of the sources with the files where it stands."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for message in _messages(ast.parse(path.read_text(encoding="utf-8"))):
            _add(found, message, path)
    for name in ("words.txt", "argparse.txt"):
        for line in (LOCALE / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                _add(found, line.replace("\\n", "\n").removesuffix("$"), LOCALE / name)
    return found


def _add(found: dict[str, list[str]], message: str, path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    files = found.setdefault(message, [])
    if where not in files:
        files.append(where)


def _messages(tree: ast.Module) -> list[str]:
    constants = _constants(tree)
    messages = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for place in MARKERS.get(name, ()):
                messages += [m for m in _strings(_argument(node, place), constants) if _is_sentence(m)]
    return messages


def _argument(call: ast.Call, place: int | str) -> ast.expr | None:
    if isinstance(place, int):
        return call.args[place] if place < len(call.args) else None
    return next((keyword.value for keyword in call.keywords if keyword.arg == place), None)


def _constants(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Name → what is assigned to it anywhere in the file: a message may stand in a variable first."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    return assigned


def _strings(node: ast.expr | None, constants: dict[str, list[ast.expr]]) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return _strings(node.body, constants) + _strings(node.orelse, constants)
    if isinstance(node, ast.Name):  # what it may stand for; a name behind a name is not followed
        return [message for value in constants.get(node.id, []) for message in _strings(value, {})]
    return []


def _is_sentence(message: str) -> bool:
    """Whether there is anything to translate beside the braces."""
    import re

    return any(c.isalpha() for c in re.sub(r"\{\w*\}", "", message))


def catalogue() -> Catalog:
    """The messages of the sources, untranslated."""
    template = Catalog(
        "vi", domain="numel", project="numel", version="", msgid_bugs_address="the issue tracker", last_translator="numel",
        language_team="Vietnamese", creation_date=_TIMELESS, revision_date=_TIMELESS, fuzzy=False,
    )  # fmt: skip
    for message, files in extract().items():
        template.add(message, locations=[(file, 0) for file in files])
    return template


def translated() -> Catalog:
    """The Vietnamese catalogue as it stands, brought up to date: new messages are empty, old ones are gone."""
    current = Catalog("vi", domain="numel")
    if PO.exists():
        with PO.open("rb") as file:
            current = read_po(file, locale="vi", domain="numel")
    fresh = catalogue()
    fresh.header_comment = "# Vietnamese messages of numel. `scripts/messages` keeps this file and the .mo beside it."
    for message in fresh:
        known = current.get(message.id) if message.id else None
        if known is not None:
            message.string = known.string
    return fresh


def po_bytes(catalog: Catalog) -> bytes:
    """The catalogue as a .po file."""
    out = BytesIO()
    write_po(out, catalog, width=116, include_lineno=False, sort_output=True)
    return out.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    """The catalogue as a .mo file."""
    out = BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def main(words: list[str]) -> int:
    """Do what the words say; the number of untranslated messages is 0 or else the exit code is 1."""
    if words == ["extract"]:
        sys.stdout.buffer.write(po_bytes(catalogue()))
        return 0
    catalog = translated()
    if words != ["compile"]:
        PO.write_bytes(po_bytes(catalog))
    if words != ["update"]:
        MO.write_bytes(mo_bytes(catalog))
    missing = [message.id for message in catalog if message.id and not message.string]
    for message in missing:
        print(f"not translated: {message!r}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
