"""The tree stays flat and free of import circles, computed from the source files without importing them."""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmark", "models", "datamodules")
MOST_AT_THE_TOP, MOST_IN_A_FOLDER, MOST_LINES = 21, 15, 250
DEFINED_ONCE = ("default_config", "Ledger", "Cell")


def sources(root: Path) -> dict[str, Path]:
    """Return the .py files of the packages by module name; a package's name stands for its __init__.py."""
    files = chain.from_iterable((root / package).rglob("*.py") for package in PACKAGES)
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imported(name: str, path: Path) -> Iterator[str]:
    """Yield every dotted name in a module's import statements, also within functions and under TYPE_CHECKING."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def graph(root: Path) -> dict[str, set[str]]:
    """Return the modules that each module imports.

    An import of a.b.c also runs a/__init__.py and a/b/__init__.py, so both are edges, unless they are parents of the importing
    module: Python has started those before it. An __init__.py that imports its own submodules is therefore no circle by
    itself. It becomes one when such a submodule imports from the package, whose names may not exist yet.
    """
    files = sources(root)
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for target in imported(name, path):
            parts = target.split(".")
            prefixes = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
            modules = [prefix for prefix in prefixes if prefix in files]
            edges[name].update(module for module in modules if not f"{name}.".startswith(f"{module}."))
            if modules and modules[-1] != name:
                edges[name].add(modules[-1])
    return edges


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module, by Tarjan's algorithm (1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[-len(component) :]
            components.append(sorted(component))

    for node in edges:
        if node not in index:
            visit(node)
    return sorted(component for component in components if len(component) > 1)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")


def folders(package: str) -> list[Path]:
    return [path for path in (ROOT / package).rglob("*") if path.is_dir() and path.name != "__pycache__"]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(graph(ROOT)) == []


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        (
            {"a.py": "import benchmark.b", "b.py": "def f():\n    from benchmark import a"},
            ["benchmark.a", "benchmark.b"],
        ),
        ({"a.py": "from . import b", "b.py": "from .a import f"}, ["benchmark.a", "benchmark.b"]),
        (
            {"p/__init__.py": "from .x import f", "p/x.py": "from benchmark.p import g"},
            ["benchmark.p", "benchmark.p.x"],
        ),
        (
            {"p/__init__.py": "import benchmark.a", "p/x.py": "", "a.py": "import benchmark.p.x"},
            ["benchmark.a", "benchmark.p"],
        ),
    ],
)
def test_a_planted_circle_is_found(files: dict[str, str], circle: list[str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / "benchmark" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "benchmark" / name).write_text(text, encoding="utf-8")
    assert circles(graph(tmp_path)) == [circle]


def test_a_package_that_imports_its_submodules_is_no_circle(tmp_path: Path) -> None:
    (tmp_path / "benchmark" / "p").mkdir(parents=True)
    for name, text in {"__init__": "from benchmark.p.x import f", "x": "from benchmark.p import y", "y": ""}.items():
        (tmp_path / "benchmark" / "p" / f"{name}.py").write_text(text, encoding="utf-8")
    assert circles(graph(tmp_path)) == []


def test_no_folder_is_crowded() -> None:
    assert len(entries(ROOT / "benchmark")) <= MOST_AT_THE_TOP
    counts = {str(folder.relative_to(ROOT)): len(entries(folder)) for folder in folders("benchmark")}
    del counts["benchmark/protocols"]  # a catalogue, listed by `wukong-bench list protocols`
    assert {folder: count for folder, count in counts.items() if count > MOST_IN_A_FOLDER} == {}


def test_no_module_stands_beside_a_folder_of_its_name() -> None:
    twins = [str(path) for package in PACKAGES for path in folders(package) if path.with_suffix(".py").exists()]
    assert twins == []


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports test files by their base name, so a second one of the same name stops the collection."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_file_is_too_long_to_read_at_once() -> None:
    counts = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in sources(ROOT).items()}
    assert {name: count for name, count in counts.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("name", DEFINED_ONCE)
def test_a_name_is_defined_once(name: str) -> None:
    definitions = [
        module
        for module, path in sources(ROOT).items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if module.startswith("benchmark.")
        and isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name == name
    ]
    assert len(definitions) <= 1, definitions
