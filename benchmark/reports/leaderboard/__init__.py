"""The leaderboard: one static page that ranks models over all results folders and links to their reports and records."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.findings import Findings
from benchmark.findings.runs import Metric
from benchmark.findings.summary import LABEL, title
from benchmark.output import one_line
from benchmark.records import audits, files
from benchmark.records.audits import Audit
from benchmark.reports import page
from benchmark.reports.formats import csv_text
from benchmark.reports.leaderboard.boards import board
from benchmark.reports.leaderboard.standings import Group, Standing, effort, groups

HERE = Path(__file__).parent
MOST_NAMED = 3  # folders of a group


@dataclass(frozen=True)
class Leaderboard:
    """The page, the folders that it shows, and why others are left out."""

    path: Path
    shown: list[Findings]
    left_out: dict[Path, str]


def write(results: Path, metric: Metric = "auc") -> Leaderboard:
    """Write leaderboard/index.html over all folders in `results`, at most two levels down.

    A folder that cannot be read is left out, with the reason. Raises RecordError if no folder can be shown.

    Args:
        results: folder of the results folders.
        metric: to rank by.
    """
    sources: list[tuple[Findings, list[Audit]]] = []
    left_out: dict[Path, str] = {}
    for folder in _folders(results):
        try:
            sources.append(_read(folder, metric))
        except (ValueError, OSError) as error:  # of whatever kind: one folder must not take the others away
            left_out[folder] = one_line(str(error).replace(f"{folder}/", ""))
    if not sources:
        reasons = "".join(f"; {folder}: {reason}" for folder, reason in left_out.items())
        raise RecordError(f"no folder in {results} has records; create some with `wukong-bench run`{reasons}")
    path = results / "leaderboard" / "index.html"
    files.write_text(path, render(sources, left_out, metric, path.parent))
    return Leaderboard(path, [board for board, _ in sources], left_out)


def _folders(results: Path) -> list[Path]:
    patterns = ("*/protocol.toml", "*/*/protocol.toml", "*/records", "*/*/records")
    return sorted({path.parent for pattern in patterns for path in results.glob(pattern)})


def _read(folder: Path, metric: Metric) -> tuple[Findings, list[Audit]]:
    """Return the findings and audits of a folder, with all that can fail behind it. Raises RecordError or ProtocolError."""
    contents = findings.read(folder)
    if not contents.records:
        raise RecordError("no records yet")
    for dataset in contents.datasets:
        scores = contents.scores(dataset, metric)
        scores.overall, scores.letters  # noqa: B018 (computed here, where an error concerns this folder alone)
    return contents, audits.read(folder)


def render(sources: list[tuple[Findings, list[Audit]]], left_out: dict[Path, str], metric: Metric, base: Path) -> str:
    """Return the page as HTML; it makes no requests, and its policy admits only this package's style and script.

    Args:
        sources: findings and audits of the folders shown.
        left_out: reasons by folder.
        metric: to rank by.
        base: folder of the page, to which links are relative.
    """
    verified = {contents.folder: audits.verified(made) for contents, made in sources}
    shown = groups([contents for contents, _ in sources], metric)
    boards = [[board(Standing(group, budget), verified, base) for budget in (None, *group.budgets)] for group in shown]
    flat = [of_budget for of_group in boards for of_budget in of_group]
    style, script = (_joined(f"report.{kind}", f"leaderboard.{kind}") for kind in ("css", "js"))
    return page.template(HERE / "leaderboard.html.jinja").render(
        label=LABEL[metric],
        groups=shown,
        names=[_name(group) for group in shown],
        boards=boards,
        folders=[_folder(contents, made, base) for contents, made in sources],
        left_out=[(os.path.relpath(folder, base.parent), reason) for folder, reason in left_out.items()],
        data=page.embedded([csv_text(of_budget.table) for of_budget in flat]),
        style=Markup(style),  # noqa: S704 (our own files)
        script=Markup(script),  # noqa: S704 (our own files)
        style_hash=page.source_hash(style),
        script_hash=page.source_hash(script),
    )


def _joined(common: str, own: str) -> str:
    return (page.HERE / common).read_text(encoding="utf-8") + (HERE / own).read_text(encoding="utf-8")


def _name(group: Group) -> str:
    """Return the effort of a group and its first folders, which tell groups of equal effort and other ranges apart."""
    folders = list(dict.fromkeys(entry.board.folder.name for entry in group.entries))
    more = f" and {len(folders) - MOST_NAMED} more" if len(folders) > MOST_NAMED else ""
    return f"{group.effort}: {', '.join(folders[:MOST_NAMED])}{more}"


def _folder(contents: Findings, made: list[Audit], base: Path) -> dict[str, Any]:
    """Return the template's values for one folder of the list."""
    protocol, root = contents.protocol, quote(os.path.relpath(contents.folder, base))
    report = contents.folder / "report.html"
    studied = {(record.dataset, record.model) for record in contents.records}
    failed = sorted({(audit.dataset, audit.model) for audit in made if not audit.passed} & studied)
    audited = f"{len(audits.verified(made) & studied)} of {len(studied)}"
    notes = [f"failed: {', '.join(f'{title(model)} on {dataset}' for dataset, model in failed)}"] if failed else []
    return {
        "name": os.path.relpath(contents.folder, base.parent),
        "link": f"{root}/report.html" if report.is_file() else "",
        "protocol": protocol.title or protocol.name,
        "datasets": ", ".join(map(contents.title, contents.datasets)) if not protocol.totals else _laws(contents),
        "effort": effort(protocol),
        "epochs": protocol.training.epochs,
        "batch": protocol.training.batch_size,
        "dimension": protocol.embedding_dim,
        "devices": ", ".join(sorted({record.device or "unknown" for record in contents.records})),
        "records": len(contents.records),
        "audited": "; ".join([audited, *notes]),
    }


def _laws(contents: Findings) -> str:
    laws = ", ".join(map(contents.title_of_law, contents.protocol.datasets))
    return f"{laws}, split totals of compute: not ranked"
