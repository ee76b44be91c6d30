"""The examples of CONTRIBUTING.md: a model and a data set, each a single file, and clicks for the latter."""

import random
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def example(file: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    match = re.search(rf"<!-- example: {re.escape(file)} -->\n```python\n(.*?)```\n", text, re.DOTALL)
    assert match is not None, file
    return match[1]


def write_clicks(tree: Path, rows: int) -> None:
    """Write the raw data of the example's data set, in which user and item decide together."""
    (tree / "data").mkdir()
    generator = random.Random(0)
    lines = ["clicked,price,user,item,country"]
    for _ in range(rows):
        user, item = generator.randrange(20), generator.randrange(30)
        lines.append(f"{int((user + item) % 3 == 0)},{generator.random():.2f},u{user},i{item},c{user % 4}")
    (tree / "data" / "clicks.csv").write_text("\n".join(lines) + "\n")
