"""Who may import whom: read from the sources with `ast`, so that an import inside a function counts too."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "numel"

# layer → the layers that it may import besides itself. A module at the top of the package is a layer of its own.
ALLOWED = {
    "errors": set(),
    "core": {"errors"},
    "registry": {"errors", "core"},
    "units": {"core"},
    "palette": {"core"},
    "translate": {"core", "units", "errors"},
    "kernels": {"errors"},
    "statistics": {"core", "kernels", "errors"},
    "progress": {"units", "core"},
    "sources": {"core", "errors"},
    "formats": {"core", "kernels", "errors", "registry"},
    "blueprints": {"core", "errors"},
    "rules": {"core"},
    "forms": {"core", "rules"},
    "mtp": {"core", "forms"},
    "owners": {"core"},
    "classify": {"core", "errors", "registry", "rules", "forms", "mtp", "owners"},
    "beside": {"core", "classify"},
    "costs": {"core", "errors"},
    "runs": {"core", "errors"},
    "analyses": {"core", "kernels", "statistics", "errors", "registry", "costs", "runs"},
    "views": {"core", "units", "errors", "registry", "translate", "palette"},
    "presets": set(),
    "frames": {"core", "errors"},
    # the four that join the layers: a source opened, a question answered, an answer delivered
    "reconcile": {"core", "errors", "blueprints", "rules"},
    "quantised": {"core"},
    "opening": {
        "core",
        "errors",
        "registry",
        "sources",
        "formats",
        "blueprints",
        "reconcile",
        "quantised",
        "costs",  # fields that decide no shape but a cost
        "statistics",  # what a file of histograms gives in the place of weights
    },
    "running": {"core", "errors", "sources", "classify", "runs"},
    "delivery": {"core", "errors", "registry", "views"},
    "places": {"core", "errors", "formats", "views"},  # where an answer may go
    "known": {"core", "errors", "sources", "blueprints", "classify", "opening"},
    "api": {
        "core",
        "errors",
        "registry",
        "known",
        "classify",
        "beside",
        "analyses",
        "views",
        "frames",
        "opening",
        "delivery",
        "places",
        "progress",
        "running",
    },
    # what the command line may know beside the api: errors, the registries' names, and how to say it
    "cli": {"api", "errors", "analyses", "translate", "units", "__init__"},
    "__main__": {"cli"},
    "__init__": {"api", "errors", "frames"},
}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def layer(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


def imported_layers(path: Path) -> set[str]:
    """The layers of the package that the file imports, in whatever way it writes it."""
    package = path.relative_to(SOURCE).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = (*base, *(node.module.split(".") if node.module else ()))
            found |= {layer(target)} if target else {layer((alias.name,)) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numel":
            found.add(layer(tuple(node.module.split(".")[1:])))
        elif isinstance(node, ast.Import):
            found |= {
                layer(tuple(alias.name.split(".")[1:])) for alias in node.names if alias.name.split(".")[0] == "numel"
            }
    known = {p.stem if p.parent == SOURCE else p.relative_to(SOURCE).parts[0] for p in modules()}
    return {name if name in known else "__init__" for name in found}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_layer_imports_only_what_it_may(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    own = layer(parts)
    assert own in ALLOWED, f"{own} has no place in the table of layers"
    assert imported_layers(path) - {own} <= ALLOWED[own]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_file_begins_by_saying_which_question_it_answers(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_a_forbidden_import_is_seen(tmp_path):
    bad = SOURCE / "core" / "dtypes.py"
    assert "views" not in imported_layers(bad)
    tree = ast.parse("from ..views import terminal")
    node = tree.body[0]
    assert node.level == 2
    assert node.module == "views"


def test_core_needs_nothing_but_the_standard_library():
    third_party = {"msgspec", "rich", "matplotlib", "numpy", "torch", "transformers", "pandas", "polars", "pyarrow"}
    for path in (SOURCE / "core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not third_party & {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.split(".")[0] not in third_party


def test_registries_name_things_that_exist():
    from numel.analyses import ANALYSES
    from numel.formats import FORMATS
    from numel.views import VIEWS

    for name, plugin in ANALYSES.items():
        loaded = plugin.load()
        for needed in ("Options", "add_options", "analyze", "report"):
            assert hasattr(loaded, needed), f"{name} has no {needed}"
    for registry in (FORMATS, VIEWS):
        for row in registry.values():
            plugin = row if hasattr(row, "load") else row.plugin
            assert plugin.load() is not None
