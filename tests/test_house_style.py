"""Rules of the test code that no linter checks."""

import ast
from pathlib import Path


def is_message(node: ast.expr) -> bool:
    """Whether an assert's second part can be meant as a message: texts, names, calls, and sums or tuples of these."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return is_message(left) and is_message(right)
        case ast.Tuple(elts=elements):
            return all(map(is_message, elements))
    return isinstance(node, ast.JoinedStr | ast.Name | ast.Attribute | ast.Call)


def test_no_assert_has_a_second_claim_in_the_place_of_its_message() -> None:
    """`assert a, b == (1, 2)` checks only that a is true."""
    faults = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted(Path(__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and node.msg is not None and not is_message(node.msg)
    ]
    assert faults == []
