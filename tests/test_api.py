"""The Python interface is what docs/api.md says, is quick to import, and works in scripts, sessions and notebooks."""

import ast
import base64
import inspect
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from made_records import folder, protocol, replicated
from nbclient import NotebookClient

import benchmark
import models
from benchmark import Results
from benchmark.checks import model as checks
from benchmark.errors import CheckError, ProtocolError, RecordError
from benchmark.execution.progress import notebook
from benchmark.findings import read
from benchmark.reports import formats, tables

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
TINY = '"smoke", changes={"models": ["mlp"], "budgets": [0.09], "search.blocks": 1, "search.trials": 1}, jobs=1'


def python(*arguments: str, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, input=stdin, capture_output=True, text=True, check=False
    )


def sections() -> dict[str, list[str]]:
    """Return the Python blocks of each section of the page, by the name in its heading."""
    parts = re.split(r"^## `(\w+)`$", PAGE, flags=re.MULTILINE)[1:]
    return {
        name: re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def signature(function: ast.FunctionDef) -> str:
    """Return decorators, parameters and result of a function, with quoted annotations freed of their quotes."""
    for node in ast.walk(function):
        for field in ("annotation", "returns"):
            if isinstance(quoted := getattr(node, field, None), ast.Constant) and isinstance(quoted.value, str):
                setattr(node, field, ast.parse(quoted.value, mode="eval").body)
    returned = ast.unparse(function.returns) if function.returns else ""
    text = f"{[ast.unparse(d) for d in function.decorator_list]} ({ast.unparse(function.args)}) -> {returned}"
    return text.replace("'Figure'", "Figure")


def methods(of: ast.ClassDef) -> dict[str, str]:
    return {f.name: signature(f) for f in of.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")}


def source(name: str) -> ast.stmt:
    """Return the parsed definition of a public name."""
    return ast.parse(textwrap.dedent(inspect.getsource(getattr(benchmark, name)))).body[0]


def test_the_page_names_exactly_the_public_names_each_with_its_definition_and_an_example() -> None:
    assert sorted(sections()) == sorted(benchmark.__all__) == sorted(dir(benchmark))
    assert all(len(blocks) == 2 for blocks in sections().values())


@pytest.mark.parametrize("name", benchmark.__all__)
def test_the_page_shows_the_real_signature(name: str) -> None:
    (shown,), real = ast.parse(sections()[name][0]).body, source(name)
    assert isinstance(shown, ast.FunctionDef | ast.ClassDef) and shown.name == name
    if isinstance(shown, ast.FunctionDef):
        assert isinstance(real, ast.FunctionDef)
        assert signature(shown) == signature(real)
    elif name == "Results":
        assert isinstance(real, ast.ClassDef)
        inner = {"main_table", "subjects"}  # for the notebook
        assert methods(shown) == {key: text for key, text in methods(real).items() if key not in inner}


@pytest.mark.slow
def test_every_example_of_the_page_runs_in_order(tmp_path: Path) -> None:
    for name, blocks in sections().items():
        (tmp_path / "example.py").write_text(blocks[1], encoding="utf-8")
        done = python("example.py", cwd=tmp_path)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    assert (tmp_path / "pareto.pdf").is_file() and "FAIL" not in done.stdout


def test_importing_loads_neither_torch_nor_polars_and_reading_loads_no_torch(tmp_path: Path) -> None:
    results = folder(tmp_path / "made", replicated())
    done = python(
        "-c",
        "import sys, benchmark\n"
        "assert not {'torch', 'polars', 'optuna', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        f"benchmark.Results.read({str(results)!r})._repr_html_()\n"
        "assert not {'torch', 'optuna'} & set(sys.modules)",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = benchmark.runn


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results.read(folder(tmp_path_factory.mktemp("made") / "made", replicated(), protocol(search={"blocks": 3})))


def test_frame_and_summary_have_a_row_per_run_and_per_study(made: Results) -> None:
    findings = made.findings
    assert len(made.frame()) == len(findings.records)
    studies = {(record.dataset, record.budget, record.model) for record in findings.records}
    assert set(made.summary().select("dataset", "budget", "model").iter_rows()) == studies


def test_tables_are_those_of_the_report(made: Results) -> None:
    for table in tables.tables_of(made.findings, "hotel"):
        assert made.table(table.name) == formats.markdown(table)
    assert made.table() == made.table("headline") and made.verdict().sentence in str(made)


def test_one_figure_is_drawn_as_among_all(made: Results) -> None:
    every = made.figures()
    assert len(every) > 5
    assert [text.get_text() for text in made.figure("pareto").texts] == [t.get_text() for t in every["pareto"].texts]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda results: results.table("headlines"), "no table 'headlines' of hotel .*did you mean 'headline'"),
        (lambda results: results.figure("paretto"), "no figure 'paretto' of hotel .*did you mean 'pareto'"),
        (lambda results: results.figure("orders_against_compute"), "'orders_against_compute' .*; too few runs for it"),
        (lambda results: results.verdict("hotels"), "no data set 'hotels' .*did you mean 'hotel'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(made: Results, ask, message) -> None:
    with pytest.raises(RecordError, match=message):
        ask(made)


def test_several_data_sets_must_be_named_and_an_empty_folder_says_so(tmp_path: Path) -> None:
    records = [*replicated(), *(r.model_copy(update={"dataset": "other"}) for r in replicated())]
    both = Results.read(folder(tmp_path / "both", records, protocol(datasets=["hotel", "synthetic"])))
    with pytest.raises(RecordError, match="several data sets; name one: hotel, other"):
        both.verdict()
    assert both.verdict("other").sentence.startswith("other")
    assert both._repr_html_().count("<table>") == 2
    empty = Results.read(folder(tmp_path / "empty", []))
    with pytest.raises(RecordError, match="no records in"):
        empty.table()
    assert "No records yet" in empty._repr_html_() and "no records in" in str(empty)
    with pytest.raises(ProtocolError, match=r"it has no protocol\.toml"):
        Results.read(tmp_path)


def test_a_notebook_shows_verdict_table_and_figure_without_script(made: Results) -> None:
    html = made._repr_html_()
    assert made.verdict().sentence in html
    shown = re.findall(r"<td[^>]*>([^<]*)", html)
    headline = tables.headline(made.findings, "hotel")
    assert shown == [cell.text for row in headline.rows for cell in row]
    (png,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(png).startswith(b"\x89PNG")
    assert "<script" not in html and "<style" not in html


def test_names_from_records_are_escaped_in_a_notebook(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    html = Results.read(folder(tmp_path / "made", replicated(), facts={"title": hostile}))._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html


class Broken(models.load("mlp")):  # type: ignore[misc]
    """A model whose forward pass fails."""

    def forward(self, dense_BN, sparse_BF):
        raise ZeroDivisionError("no such luck")


def test_a_failing_check_is_a_line_and_an_error_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: checks.CHECKS[name] for name in ("gradients", "rows")}
    monkeypatch.setattr(checks, "outcomes", lambda model: (checks._outcome(name, few[name], model) for name in few))
    lines = benchmark.check(Broken)
    assert [(line.name, line.passed, line.text) for line in lines] == [
        (name, False, "ZeroDivisionError: no such luck") for name in few
    ]
    with pytest.raises(
        CheckError, match=r"^Broken fails 2 of 2 checks: gradients: ZeroDivisionError: no such luck; rows"
    ):
        benchmark.check(Broken, must_pass=True)
    assert all(line.passed for line in benchmark.check(models.load("mlp"), must_pass=True))


@pytest.mark.parametrize("value", ["mlp", None, int])
def test_check_takes_a_model_class(value) -> None:
    with pytest.raises(TypeError, match=r"needs a subclass of models\.base\.CTRModel"):
        benchmark.check(value)


def test_changes_of_a_protocol_that_is_loaded_are_refused() -> None:
    with pytest.raises(ProtocolError, match="give them to load_protocol"):
        benchmark.run(benchmark.load_protocol("smoke"), changes={"search.trials": 1})


def test_a_piped_script_is_told_that_workers_cannot_import_it(tmp_path: Path) -> None:
    done = python("-", cwd=tmp_path, stdin=f"from benchmark import run\nrun({TINY})\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("benchmark.errors.RunError: worker processes import the script")
    assert "<stdin>" in done.stderr and not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["-i"], ["-c", f"from benchmark import run; print(run({TINY}))"]])
def test_a_session_needs_no_guard(arguments: list[str], tmp_path: Path) -> None:
    done = python(*arguments, cwd=tmp_path, stdin=f"from benchmark import run\nprint(run({TINY}))\n")
    assert done.returncode == 0 and "Quality at each budget" in done.stdout, done.stderr
    assert {record.status for record in read(tmp_path / "results" / "smoke").records} == {"complete"}


@pytest.mark.slow
def test_in_a_notebook_one_output_changes_while_the_run_goes_on(tmp_path: Path) -> None:
    updates: list[str] = []

    class Watching(NotebookClient):
        def process_message(self, msg, cell, cell_index):
            if msg["msg_type"] == "update_display_data":
                updates.append(msg["content"]["data"]["text/plain"])
            return super().process_message(msg, cell, cell_index)

    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"from benchmark import run\ndone = run({TINY})\ndone")]
    )
    Watching(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "0/2 runs" in updates[0] and "2/2 runs, done" in updates[-1] and len(updates) >= 3
    text = "".join(output["text"] for output in book.cells[0].outputs if output.output_type == "stream")
    assert "1 of 1 studies left" in text and "runs," in text and "\x1b" not in text and "trial 0" not in text
    shown = [output for output in book.cells[0].outputs if "data" in output]
    assert "2/2 runs, done" in shown[0]["data"]["text/plain"]
    assert "<table>" in shown[-1]["data"]["text/html"] and "data:image/png" in shown[-1]["data"]["text/html"]


def test_progress_as_html_is_escaped() -> None:
    drawn = notebook.drawn("<b>mlp</b>")
    assert "&lt;b&gt;mlp" in drawn["text/html"] and drawn["text/plain"].strip() == "<b>mlp</b>"
