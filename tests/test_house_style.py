"""Rules of the house that no linter checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmark", "models", "datamodules")
HOOKS = {"on_train_batch_end", "sample_relative", "sample_independent"}  # described by Lightning and Optuna


def is_message(node: ast.expr) -> bool:
    """Whether an assert's second part can be meant as a message: texts, names, items, calls, and sums or tuples of these."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return is_message(left) and is_message(right)
        case ast.Tuple(elts=elements):
            return all(map(is_message, elements))
    return isinstance(node, ast.JoinedStr | ast.Name | ast.Attribute | ast.Subscript | ast.Call)


def test_no_assert_has_a_second_claim_in_the_place_of_its_message() -> None:
    """`assert a, b == (1, 2)` checks only that a is true."""
    faults = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted(Path(__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and node.msg is not None and not is_message(node.msg)
    ]
    assert faults == []


def public_functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield the public functions of a module and the public methods of its public classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)
        elif isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
            yield child


def test_public_functions_with_more_than_two_parameters_say_what_each_is() -> None:
    """Commands say it in their help, hooks of frameworks in the framework's documentation."""
    silent = []
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if path.parent.name == "cli":
            continue
        for function in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
            arguments = function.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            names = [argument.arg for argument in every if argument.arg not in ("self", "cls")]
            text = ast.get_docstring(function) or ""
            missing = [name for name in names if f"{name}:" not in text]
            if len(names) > 2 and missing and function.name not in HOOKS:
                silent.append(f"{path.relative_to(ROOT)}: {function.name}: {', '.join(missing)}")
    assert silent == []


def test_no_variable_is_called_found() -> None:
    """A variable's name says what it holds; `TestNoise.found` is a key of committed files."""
    vague = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "found" and "row_noise" not in path.name
    ]
    assert vague == []
