"""Tables, figures and page are functions of the records: missing values stay missing, bytes repeat, nothing crashes."""

import csv
import math
import re
from statistics import fmean, variance

import polars as pl
import pytest
from made_records import (
    LOGLOSS,
    SLOPE,
    failed,
    folder,
    metrics,
    protocol,
    table,
    with_check,
    with_predictions,
)
from made_records import make as one_search
from made_records import replicated as make
from pydantic import ValidationError
from scipy import stats

import models
from benchmark import findings
from benchmark.findings import file_name
from benchmark.reports import formats, page, plots
from benchmark.reports.tables import count, quality, tables_of
from benchmark.reports.write import write_report, write_tables
from benchmark.statistics import moderate

TABLES = [
    "headline",
    "overall",
    "quality",
    "scaling",
    "differences",
    "wins_logloss",
    "wins_auc",
    "compute_to_match",
    "noise",
]


def cells(path, name="quality"):
    return [[cell.text for cell in row] for row in table(path, name).rows]


def test_a_row_of_one_block_is_the_mean_over_its_seeds_with_their_interval(record, tmp_path):
    base = record.model_copy(update={"budget": 1.0, "training_flops": 1_000_000})
    finals = [
        base.model_copy(update={"kind": "final", "seed": seed, "test": {"auc": 0.7, "logloss": loss}})
        for seed, loss in ((1, 0.50), (2, 0.52))
    ]
    made = [base, base.model_copy(update={"trial": 1, "status": "infeasible", "error": "too deep"}), *finals]
    one = protocol(search={"blocks": 1})
    row = findings.Findings(tmp_path, one, made, {}).summary.row(0, named=True)
    middle = math.sqrt(0.50 * 0.52)  # the mean on the logarithmic scale
    assert row["logloss"] == pytest.approx(middle)
    half = 12.706 * math.log(0.52 / 0.50) / 2  # t quantile of one degree of freedom
    assert row["logloss_interval"] == pytest.approx(middle * half, rel=1e-3)
    assert row["logloss_covers"] == "the seeds of one winner" and row["logloss_letters"] is None
    assert (row["trials"], row["failed"], row["infeasible"], row["finals"], row["blocks"]) == (1, 0, 1, 2, 1)
    assert row["off_budget"] == 0.0


def test_a_row_of_several_blocks_is_the_mean_over_blocks_with_the_moderated_interval(tmp_path):
    made = make(noise=2e-3)
    contents = findings.read(folder(tmp_path, made))
    values = {}
    for r in made:
        if r.kind == "final":
            values.setdefault((r.model, r.budget), {}).setdefault(r.block, []).append(math.log(r.test["logloss"]))
    results = {study: [fmean(finals) for finals in blocks.values()] for study, blocks in values.items()}
    variances, degrees = moderate(
        [variance(of) for of in results.values()], [3] * len(results), [budget for _, budget in results]
    )
    for (study, of), v, f in zip(results.items(), variances, degrees, strict=True):
        row = contents.summary.row(
            by_predicate=(pl.col("model") == study[0]) & (pl.col("budget") == study[1]), named=True
        )
        assert row["logloss"] == pytest.approx(math.exp(fmean(of)))
        half = stats.t.ppf(0.975, f) * math.sqrt(v / 4)
        assert row["logloss_interval"] == pytest.approx(math.exp(fmean(of)) * half)
        assert (row["blocks"], row["blocks_missing"], row["finals"], row["trials"]) == (4, 0, 8, 40)


def test_counts_are_readable():
    shown = {
        None: "—",
        0: "0",
        999: "999",
        1234: "1.23 k",
        999_999: "1 M",
        45_600_000: "45.6 M",
        26_136_307_201: "26.1 G",
    }
    assert {value: count(value) for value in shown} == shown


def test_models_at_a_budget_are_sorted_by_score_and_a_model_without_one_is_last(tmp_path):
    made = make()
    lost = [failed(r) if (r.model, r.budget) == ("wukong", 1.6) else r for r in made]
    rows = findings.read(folder(tmp_path, lost)).rows("hotel")
    assert rows.filter(pl.col("budget") == 0.4)["model"].to_list() == ["wukong", "dcnv2", "dlrm", "mlp"]
    assert rows.filter(pl.col("budget") == 1.6)["model"].to_list()[-1] == "wukong"
    assert cells(tmp_path)[-1][2:6] == ["—", "—", "—", "—"]  # a dash, never 0


def test_bold_and_underline_appear_only_where_the_best_is_told_apart_from_all_others(tmp_path):
    apart = table(folder(tmp_path / "apart", make(noise=1e-4)))
    assert [row[2].mark for row in apart.rows[:4]] == ["best", "second", "", ""]
    same = table(folder(tmp_path / "same", SPARSE["ties"]))
    assert {row[2].mark for row in same.rows} == {""} and {row[2].letters for row in same.rows} == {"a"}


def slope(model: str) -> float:
    """Return the planted slope of ln LogLoss per 4x compute."""
    return stats.linregress(range(3), [math.log(LOGLOSS[model] + SLOPE[model] * step) for step in range(3)]).slope


def test_scaling_finds_the_planted_gains_and_the_last_steps(tmp_path):
    shown = {row[0].text: row for row in table(folder(tmp_path, make(noise=1e-7)), "scaling").rows}
    ours, base = (100 * -math.expm1(slope(model)) for model in ("wukong", "mlp"))
    assert shown["Wukong"][2].value == pytest.approx(ours, abs=1e-3)
    assert shown["Wukong"][3].value == pytest.approx(ours - base, abs=1e-3)
    last = LOGLOSS["wukong"] + 2 * SLOPE["wukong"], LOGLOSS["wukong"] + SLOPE["wukong"]
    assert shown["Wukong"][5].value == pytest.approx(100 * (1 - last[0] / last[1]), abs=1e-3)
    assert shown["Wukong"][7].text == "gains" and shown["Wukong"][4].value < 0.001


def test_a_last_step_within_noise_is_not_resolved_and_a_loss_worsens(tmp_path):
    made = [
        r.model_copy(update={"test": metrics(r.test["logloss"] + 0.05)})
        if (r.model, r.budget) == ("dlrm", 1.6) and r.test
        else r
        for r in make(noise=0.01)
    ]
    rows = {row[0]: row for row in cells(folder(tmp_path, made), "scaling")}
    assert rows["MLP"][7] == "not resolved" and rows["DLRM"][7] == "worsens"


def test_compute_to_match_gives_the_planted_factor_with_its_interval(tmp_path):
    path = folder(tmp_path, make(noise=1e-7))
    rows = {row[0]: row for row in cells(path, "compute_to_match")}
    # DCNv2's best, 0.417, is half-way between Wukong's 0.420 and its 0.414 at 4x: at twice the smallest budget
    assert re.fullmatch(r"200 k, 0.12× \(199 k to 200 k\)", rows["Wukong"][1]), rows["Wukong"][1]
    assert rows["DCNv2"][4] == "not met by 1.6 M (> 1.6 M)"
    assert rows["Wukong"][3] == "≤ 100 k, ≤ 0.062× (≤ 100 k to 100 k)"
    contents = findings.read(path)
    write_tables(path, "hotel", tables_of(contents, "hotel"))
    kept = pl.read_csv(path / "tables/hotel_compute_to_match.csv").row(3, named=True)
    assert kept["DCNv2"] == pytest.approx(200e3, rel=5e-3)
    assert kept["DCNv2 low"] <= kept["DCNv2"] <= kept["DCNv2 high"]
    assert (kept["DCNv2 low open"], kept["DCNv2 high open"]) == (False, False)
    assert (kept["MLP low open"], kept["MLP high open"]) == (True, False)
    behind = pl.read_csv(path / "tables/hotel_compute_to_match.csv").row(0, named=True)
    assert behind["Wukong"] is None and behind["Wukong high open"] is True


def test_wins_count_budgets(tmp_path):
    rows = {row[0]: row for row in cells(folder(tmp_path, make(noise=1e-4)), "wins_logloss")}
    assert rows["Wukong"][1:] == ["", "3/0/0", "3/0/0", "3/0/0"]
    assert rows["MLP"][1:3] == ["0/0/3", "0/0/3"]


def test_frappe_is_shown_beside_published_results_with_the_reasons_why_they_differ(tmp_path):
    title = "Frappe_x1 (train negatives re-drawn)"
    shown = table(folder(tmp_path, make(), facts={"title": title}), "published")
    rows = [[cell.text for cell in row] for row in shown.rows]
    assert ["Wukong", "Wukong paper", "0.9868", "0.1757", "44.1 M", "7.77 M"] in [row[:6] for row in rows]
    assert any(row[:4] == ["DCNv2", "BARS", "0.9845", "0.1491"] for row in rows)
    assert "train negatives re-drawn" in shown.legend and "no seeds" in shown.legend
    assert all("arXiv" in row[6] or "BARS" in row[6] for row in rows if row[1] != "this suite")


def test_the_headline_has_the_mean_and_a_column_per_budget_and_is_sorted_by_the_mean(tmp_path):
    made = make(("mlp", "wukong", "dlrm"), budgets=(0.1, 0.4))
    made = [r for r in made if (r.model, r.budget, r.kind) != ("mlp", 0.4, "final")]
    for monitor in ("auc", "logloss"):
        path = folder(tmp_path / monitor, made, protocol(training={"monitor": monitor}, search={"blocks": 4}))
        shown, contents = table(path, "headline"), findings.read(path)
        rows = {(row["model"], row["budget"]): row for row in contents.rows("hotel").iter_rows(named=True)}
        means = {m: scale(monitor, [rows[m, b][monitor] for b in (0.1, 0.4)]) for m in ("wukong", "dlrm")}
        ranked = sorted(means, key=means.__getitem__, reverse=monitor == "auc")
        assert [row[0].text for row in shown.rows] == [models.title(m) for m in (*ranked, "mlp")]
        assert [cell.text for cell in shown.rows[2][1:]][0::2] == ["—", "—"] and shown.rows[2][4].text == "—"
        assert shown.rows[0][1].value == pytest.approx(means[ranked[0]])
        assert shown.rows[0][3].value == rows[ranked[0], 0.4][monitor]
        assert shown.rows[0][2].half == rows[ranked[0], 0.1][f"{monitor}_interval"]
        step = scaled(monitor, rows[ranked[0], 0.4][monitor]) / scaled(monitor, rows[ranked[0], 0.1][monitor])
        assert shown.rows[0][4].value == pytest.approx(100 * (1 - step), rel=1e-4)
        assert ("1 − AUC" if monitor == "auc" else "LogLoss") in shown.columns[4].name


def scaled(metric: str, value: float) -> float:
    return 1 - value if metric == "auc" else value


def scale(metric: str, values: list[float]) -> float:
    """Return the mean on the working scale, in natural units."""
    middle = math.exp(fmean(math.log(scaled(metric, value)) for value in values))
    return scaled(metric, middle)


@pytest.mark.slow
def test_planted_orders_are_shown_where_the_true_logits_are_known(tmp_path):
    bounds = {"bounds": {"Bayes": {"auc": 0.9, "logloss": 0.40}}}
    made = [
        r.model_copy(
            update={
                "test": {**r.test, "recovered_order_1": 0.9, "recovered_order_2": 0.1 * (r.seed % 100) + 0.01 * r.block}
            }
        )
        if r.test
        else r
        for r in make(("mlp", "wukong"), seeds=(1, 2, 3))
    ]
    path = folder(tmp_path, made, facts=bounds)
    shown = table(path, "orders")
    assert [column.name for column in shown.columns] == ["budget", "model", "LogLoss above Bayes", "order 1", "order 2"]
    first = shown.rows[0]
    assert (first[3].value, first[4].value) == (pytest.approx(0.9), pytest.approx(0.225))
    assert first[4].half == pytest.approx(
        3.182 * variance([0.01, 0.02, 0.03, 0.04]) ** 0.5 / 2, rel=1e-3
    )  # over blocks
    losses = [
        r.test["logloss"]
        for r in made
        if r.test and (models.title(r.model), r.budget) == (first[1].value, first[0].value)
    ]
    assert first[2].value == pytest.approx(fmean(losses) - 0.40)
    write_report(path)
    assert (path / "figures/hotel_orders_against_compute.svg").exists()


@pytest.mark.slow
def test_a_report_repeats_byte_for_byte(tmp_path):
    made = with_predictions(tmp_path, make(seeds=(1, 2, 3)))
    path = folder(tmp_path, made, facts={"bounds": {"Bayes": {"auc": 0.99, "logloss": 0.2}}})
    write_report(path, pdf=True)
    files = sorted(
        file for file in path.rglob("*") if file.parent.name in ("tables", "figures") or file.suffix == ".html"
    )
    assert {file.name for file in files if file.suffix == ".tex"} == {f"hotel_{name}.tex" for name in TABLES}
    assert {file.suffix for file in files} == {".md", ".csv", ".tex", ".png", ".svg", ".pdf", ".html"}
    before = [file.read_bytes() for file in files]
    stale, own = path / "figures/hotel_no_longer_drawn.svg", path / "tables/notes.md"
    for file in (stale, own):
        file.write_text("<svg></svg>")
    (path / ".report.json").unlink()
    write_report(path, pdf=True)
    assert [file.read_bytes() for file in files] == before
    assert own.exists() and not stale.exists()
    svg = (path / "figures/hotel_quality_against_compute.svg").read_text()
    for text in ("MLP", "Wukong", "Bayes", "LogLoss", "AUC", "training FLOP per example", "400 k"):
        assert f">{text}" in svg or f">test {text}" in svg


SPARSE = {
    "empty": [],
    "one seed": make(seeds=(1,)),
    "one budget": with_check(make(budgets=(0.4,))),
    "one model": make(("wukong",)),
    "one search": one_search(),
    "unequal blocks": make(("mlp",), blocks=2) + make(("dlrm", "wukong"), blocks=4),
    "missing blocks": [failed(r) if r.kind == "final" and r.block > 2 and r.model == "mlp" else r for r in make()],
    "one budget of one model": make() + make(("rankmixer",), budgets=(0.4,)),
    "the same compute everywhere": [
        r.model_copy(update={"training_flops": 90}) if r.model == "mlp" else r for r in make()
    ],
    "no compute": [r.model_copy(update={"training_flops": 0}) if r.model == "mlp" else r for r in make()],
    "perfect": [r.model_copy(update={"test": {"logloss": 0.1, "auc": 1.0}}) if r.test else r for r in make()],
    "no finals": make(seeds=()),
    "all failed": [failed(record) for record in make()],
    "ties": [r.model_copy(update={"test": {"logloss": 0.42, "auc": 0.78}}) if r.test else r for r in make()],
    "one of each": make(("wukong",), budgets=(0.4,), seeds=(1,), trials=1, blocks=1),
}


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_results_give_a_sentence_and_tables_without_nan_or_a_false_0(tmp_path, name):
    path = folder(tmp_path, SPARSE[name])
    contents = findings.read(path)
    for dataset in contents.datasets:
        write_tables(path, dataset, tables_of(contents, dataset))
        plots.figures_of(contents, dataset)
    shown = page.render(contents)
    expected = {"empty": "No records yet", "one budget": "Wukong is best at 0.4"}.get(name, "no winner is named")
    assert expected in shown
    for text in [shown.partition("<script")[0], *(file.read_text() for file in path.glob("tables/*"))]:
        assert not re.search(r"\bnan\b", text)
    if name in ("no finals", "all failed"):
        with (path / "tables/hotel_quality.csv").open() as file:
            assert {row["LogLoss"] for row in csv.DictReader(file)} == {""}


def test_a_hostile_data_set_name_stays_inside_the_folder(tmp_path):
    for name in ("../../evil", "/etc/passwd", "a/b", "..", "<script>", "x" * 200):
        assert "/" not in file_name(name) and not file_name(name).startswith(".") and len(file_name(name)) <= 64
    with pytest.raises(ValidationError, match="dataset"):
        make(("mlp",), budgets=(0.1,), dataset="../../evil")


@pytest.mark.usefixtures("without_figures")
def test_a_report_of_10000_records_counts_all_of_them(tmp_path):
    models = ("mlp", "dlrm", "dcnv2", "wukong", "autoint", "finalmlp", "masknet", "finalnet", "afn", "rankmixer")
    made = make(models, budgets=(0.1, 0.4, 1.6, 6.4, 25.6), trials=48)
    assert len(made) == 10_000
    path = folder(tmp_path, made, protocol(models=models, budgets=[0.1, 0.4, 1.6, 6.4, 25.6], search={"trials": 48}))
    write_report(path)
    with (path / "tables/hotel_quality.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50 and sum(int(row["trials"]) for row in rows) == 50 * 4 * 48


def test_the_quality_table_fits_a_terminal(tmp_path):
    shown = quality(findings.read(folder(tmp_path, make())), "hotel")
    assert len(formats.terminal(shown, 80).columns) == 5 and len(formats.terminal(shown, 260).columns) == 20
