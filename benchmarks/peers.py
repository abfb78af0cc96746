"""What do today's tools print for GPT-2, in memory and as the file that was published? Each is run, none remembered.

    python benchmarks/peers.py [--scratch FOLDER]

Prints Markdown (docs/peers.md holds it): tool × size, the number and its difference to the truth. The files are sparse,
12 GB long and a few hundred kilobytes large; give --scratch a file system that can do that. `accelerate` and
`get_safetensors_metadata` need a hub: they get a stand-in on 127.0.0.1 (loopback_hub.py) and run unchanged.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from loopback_hub import serving
from published import SIZES, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROBES = Path(__file__).with_name("probes.py")
PACKAGES = ("torch", "transformers", "torchinfo", "fvcore", "accelerate", "huggingface_hub")
TRUTH = {size.name: size.total for size in SIZES}
FIRST = SIZES[0].name  # whose parts are shown


class Row(NamedTuple):
    """What a tool says: a number per size (None: it failed), and what it tells of the first one's parts."""

    tool: str
    figures: Mapping[str, int | None]
    parts: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scratch", type=Path, help="where to write the sparse files (default: the temporary folder)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().scratch) as scratch:
        root = Path(scratch)
        for size in SIZES:
            write(root / size.name, size)
        _print_tables(root)


def _print_tables(root: Path) -> None:
    with serving(root) as hub:
        estimate, commands_say = _accelerate(hub)
        remote = _rows(["hub-remote"], suffix=" `get_safetensors_metadata`", env=hub)
    by_name = _numel_answers({name: name for name in TRUTH})
    by_file = _numel_answers({name: str(root / name / "model.safetensors") for name in TRUTH})
    bare = _numel_answers({name: str(_without_config(root / name)) for name in TRUTH})
    in_memory = [*_rows(["module"]), estimate, _numel_row("numel `NAME` (no module made)", by_name, "total")]
    on_disk = [
        *_rows(["hub-local", str(root)], suffix=" `get_local_safetensors_metadata`"),
        *remote,
        estimate._replace(tool=f"{estimate.tool}: reads config.json, not the file"),
        *_rows(["loaded", str(root)], suffix=" after `from_pretrained`"),
        _numel_row("numel `FILE`, stored", by_file, "stored"),
        _numel_row("numel `FILE`, total", by_file, "total"),
        _numel_row("numel `FILE`, total, no config.json beside it", bare, "total"),
    ]
    print(_versions(), "### In memory", _table(in_memory), commands_say, sep="\n\n", end="\n\n")
    print("### As the published file", _table(on_disk), _differences(by_file), sep="\n\n", end="\n\n")
    parts = {row.tool: row.parts for row in (*in_memory, *on_disk[:2], on_disk[-2])}
    rows = [f"| {tool} | {said} |" for tool, said in parts.items()]
    print(
        f"### What each says of the parts of {FIRST}", "\n".join(["| tool | parts |", "|---|---|", *rows]), sep="\n\n"
    )


def _without_config(folder: Path) -> Path:
    """The same file by another name, alone in its folder."""
    alone = folder / "alone" / "model.safetensors"
    alone.parent.mkdir()
    alone.hardlink_to(folder / "model.safetensors")
    return alone


def _versions() -> str:
    numel = _output([sys.executable, "-c", "import numel; print(numel.__version__)"]).strip()
    return (
        ", ".join(f"{name} {version(name)}" for name in PACKAGES) + f", numel {numel}, Python {sys.version.split()[0]}."
    )


def _table(rows: Sequence[Row]) -> str:
    """Tool × size, each number with its difference to the truth."""
    lines = [
        "| tool | " + " | ".join(TRUTH) + " |",
        "|---|" + "--:|" * len(TRUTH),
        "| **truth** | " + " | ".join(f"**{n:,}**" for n in TRUTH.values()) + " |",
    ]
    lines += [f"| {row.tool} | " + " | ".join(_cell(row.figures[n], n) for n in TRUTH) + " |" for row in rows]
    return "\n".join(lines)


def _cell(figure: int | None, name: str) -> str:
    if figure is None:
        return "failed"
    difference = figure - TRUTH[name]
    return f"{figure:,} ({difference:+,}, {difference / TRUTH[name]:+.1%})" if difference else f"{figure:,}"


def _rows(words: Sequence[str], *, suffix: str = "", env: Mapping[str, str] | None = None) -> list[Row]:
    """A row for each tool that the probe asks; `suffix` goes behind the tool's name."""
    return [
        Row(tool + suffix, {name: answer["numel"] for name, answer in answers.items()}, answers[FIRST]["parts"])
        for tool, answers in _probe(words, env).items()
    ]


def _probe(words: Sequence[str], env: Mapping[str, str] | None) -> dict[str, dict[str, Any]]:
    answer: dict[str, dict[str, Any]] = json.loads(_output([sys.executable, str(PROBES), *words], env).splitlines()[-1])
    return answer


def _accelerate(hub: Mapping[str, str]) -> tuple[Row, str]:
    """Its row, by the bytes that it has before rounding, and a sentence of what the command itself prints for them."""
    exact = _probe(["accelerate"], hub)["accelerate"]
    sentences = []
    for size in SIZES:
        words = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "estimate-memory", size.repository]
        lines = _output([*words, "--dtypes", "float32"], hub).splitlines()
        line = next(line for line in lines if "float32" in line)
        printed = line.strip("│").split("│")[2].strip()
        if printed != exact[size.name]["printed"]:
            message = f"the command prints {printed} and its functions say {exact[size.name]['printed']}"
            raise RuntimeError(message)
        sentences.append(f"{printed} for {size.name}")
    figures = {name: answer["numel"] for name, answer in exact.items()}
    row = Row("accelerate `estimate-memory` (bytes ÷ 4)", figures, exact[FIRST]["parts"])
    return row, f"`accelerate estimate-memory` itself prints {', '.join(sentences)} (float32)."


def _numel_answers(models: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What `numel --json` says of each."""
    return {
        name: json.loads(_output([sys.executable, "-m", "numel", model, "--json"]))["models"][0]
        for name, model in models.items()
    }


def _numel_row(tool: str, answers: Mapping[str, dict[str, Any]], count: str) -> Row:
    groups = ", ".join(f"{group['component']} {group['numel']:,}" for group in answers[FIRST]["groups"])
    return Row(tool, {name: answer["counts"][count] for name, answer in answers.items()}, groups)


def _differences(answers: Mapping[str, dict[str, Any]]) -> str:
    """How numel accounts for what is in the file and is no parameter."""
    return "\n".join(
        f"- numel `{name}/model.safetensors`: stored {answer['counts']['stored']:,} − total {answer['counts']['total']:,}: "
        + "; ".join(f"{line['what']}, {line['formula']} = {line['numel']:,}" for line in answer["stored_difference"])
        for name, answer in answers.items()
    )


def _output(words: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """What a command prints. Raises CalledProcessError, its last words on stderr."""
    ran = subprocess.run(words, env=env or os.environ, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.stderr.write(ran.stderr)
    ran.check_returncode()
    return ran.stdout


if __name__ == "__main__":
    main()
