"""The leaderboard: who is ranked over which data sets, what is left out, and the page in a real browser."""

import html
import json
import re

import numpy as np
import pytest
from browser import ABSENT, Browser
from made_records import folder, protocol, replicated
from typer.testing import CliRunner

from benchmark import findings
from benchmark.cli.main import app
from benchmark.errors import RecordError
from benchmark.records import audits
from benchmark.records.audits import Audit
from benchmark.reports import leaderboard
from benchmark.reports.leaderboard.standings import Standing, groups
from benchmark.statistics import gaps, over_sets, rank_intervals

HOSTILE = "</script><img src=x onerror=window.pwned=1>"
ALL = ("mlp", "dlrm", "dcnv2", "wukong")

needs_chromium = pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))


def written(path, dataset, models=ALL, blocks=4, facts=None, search=None, settings=None, **changes):
    """Write a results folder named after its protocol and return it.

    Args:
        path: of the folder
        dataset: its only one
        models: that have records
        blocks: number per study
        facts: about the data set
        search: changes of the protocol's search
        settings: further changes of the protocol
        changes: of the records
    """
    searched = {"trials": 10, "blocks": blocks, **(search or {})}
    named = {"name": path.name, "datasets": [dataset], "final": {"seeds": [1, 2]}, "search": searched}
    made_with = protocol(**{**named, **(settings or {})})
    values = {"dataset": dataset, "protocol_id": made_with.identity(), "trials": 2, **changes}
    return folder(path, replicated(models, blocks=blocks, **values), made_with, facts)


def standing(*folders, budget=None, metric="auc"):
    (group,) = groups([findings.read(path) for path in folders], metric)
    return Standing(group, budget)


def page(path, metric="auc"):
    return leaderboard.write(path, metric).path.read_text()


@pytest.mark.parametrize("budget", [None, 0.4])
@pytest.mark.parametrize("metric", ["auc", "logloss"])
def test_models_are_ranked_by_their_mean_over_the_data_sets_with_joint_intervals(tmp_path, budget, metric):
    paths = [written(tmp_path / "one", "hotel", noise=4e-3), written(tmp_path / "two", "frappe", noise=6e-3)]
    ranked = standing(*paths, budget=budget, metric=metric)
    scores = [findings.read(path).scores(name, metric) for path, name in zip(paths, ("hotel", "frappe"), strict=True)]
    mean = over_sets([s.overall if budget is None else s.columns[budget] for s in scores])
    assert list(ranked.ranks) == ["wukong", "dcnv2", "dlrm", "mlp"], "the planted order"
    assert [rank for rank, _, _ in ranked.ranks.values()] == [1, 2, 3, 4]
    assert {model: ends for model, (_, *ends) in ranked.ranks.items()} == {
        model: list(ends) for model, ends in rank_intervals(mean).items()
    }
    assert ranked.behind == {gap.a: gap for gap in gaps(mean, "wukong")}
    assert not ranked.unranked
    logs = [
        np.log(1 - record.test["auc"] if metric == "auc" else record.test["logloss"])
        for path in paths
        for record in findings.read(path).records
        if record.test and record.model == "wukong" and budget in (None, record.budget)
    ]
    assert ranked.contrasts.value_of("wukong") == pytest.approx(np.mean(logs)), "as many runs of each block and budget"


def test_models_that_cannot_be_told_apart_have_a_range_of_ranks(tmp_path):
    path = written(tmp_path / "one", "hotel", noise=0.01)
    ranks = standing(path).ranks
    spans = [(best, worst) for _, best, worst in ranks.values()]
    assert any(best < worst for best, worst in spans) and all(
        best <= rank <= worst for rank, best, worst in ranks.values()
    )
    text = page(tmp_path).partition("</table>")[0]
    for rank, best, worst in ranks.values():
        assert f">{rank} ({best} to {worst})<" in text if best < worst else f">{rank}<" in text


def test_a_model_that_lacks_a_data_set_is_listed_without_a_rank(tmp_path):
    paths = [written(tmp_path / "one", "hotel"), written(tmp_path / "two", "frappe", ("mlp", "dcnv2", "wukong"))]
    ranked = standing(*paths)
    assert list(ranked.ranks) == ["wukong", "dcnv2", "mlp"] and ranked.unranked == ["dlrm"]
    row = re.search(r"<tr class=\"first-unranked\">.*?</tr>", page(tmp_path), re.DOTALL)[0]
    assert "DLRM" in row and row.count("records/") == 1 and "../one/records/hotel/dlrm.jsonl" in row


def test_a_data_set_with_few_of_the_models_does_not_take_the_ranks_of_the_others(tmp_path):
    paths = [written(tmp_path / "one", "hotel"), written(tmp_path / "two", "frappe")]
    few = written(tmp_path / "few", "my_clicks", ("nfm", "mlp"))
    ranked = standing(few, *paths)
    assert list(ranked.ranks) == ["wukong", "dcnv2", "dlrm", "mlp"] and ranked.unranked == ["nfm"]
    assert [entry.dataset for entry in ranked.entries] == ["hotel", "frappe", "my_clicks"]
    assert page(tmp_path).count(">not counted <") == 4, "in the mean and at three budgets"


def test_a_data_set_in_two_folders_has_two_columns_and_counts_once(tmp_path):
    paths = [written(tmp_path / "one", "hotel"), written(tmp_path / "two", "hotel", search={"seed": 1})]
    ranked = standing(*paths)
    assert len(ranked.entries) == 2 and len(ranked.counted) == 1
    alone = standing(paths[0])
    assert ranked.ranks == alone.ranks
    assert "Hotel bookings (one)" in page(tmp_path) and "Hotel bookings (two)" in page(tmp_path)


@pytest.mark.parametrize(
    "search",
    [
        {"blocks": 3},
        {"trials": 9},
        {"dropout": [0.0, 0.1]},
        {"learning_rate": [1e-3, 1e-2]},
        {"train_share": 0.5},
        {"finalists": 2},
        {"sampler": "random"},
    ],
    ids=str,
)
def test_another_effort_or_range_is_another_group(tmp_path, search):
    other = {"blocks": 4, **search}
    paths = [written(tmp_path / "one", "hotel"), written(tmp_path / "two", "frappe", search=other)]
    assert len(groups([findings.read(path) for path in paths], "auc")) == 2


def test_another_pruner_is_another_group_but_other_epochs_and_budgets_are_not(tmp_path):
    epochs = {"training": {"epochs": 4, "batch_size": 512}, "embedding_dim": 16}
    one = written(tmp_path / "one", "hotel")
    longer = written(tmp_path / "two", "frappe", settings=epochs, search={"seed": 3}, budgets=(0.1, 0.4))
    pruned = written(tmp_path / "three", "frappe", settings=epochs, search={"pruner": "percentile"})
    assert len(standing(one, longer).counted) == 2
    assert [entry.dataset for entry in standing(one, longer, budget=1.6).entries] == ["hotel"]
    assert len(groups([findings.read(path) for path in (one, longer, pruned)], "auc")) == 2


def test_single_searches_are_listed_by_name_and_the_page_says_why(tmp_path):
    written(tmp_path / "one", "hotel", blocks=1)
    text = page(tmp_path)
    assert "Each study is a single search" in text and ">rank<" not in text
    names = re.findall(r'<td class="name" data-value="(\w+)"', text.partition("</table>")[0])
    assert names == ["DCNv2", "DLRM", "MLP", "Wukong"]


def test_few_data_sets_say_nothing_about_others_and_six_have_an_interval_for_them(tmp_path):
    for i in range(6):
        written(tmp_path / f"set{i}", f"set{i}", noise=1e-3 * (i + 1))
        text = page(tmp_path)
        assert ("Fewer than 6 data sets say nothing about other data sets." in text) == (i < 5)
        assert ("behind, other sets" in text) == (i == 5)


def test_a_folder_that_splits_totals_of_compute_is_listed_and_not_ranked(tmp_path):
    written(tmp_path / "one", "hotel")
    totals = {"totals": [1.0, 4.0], "rows": [1000, 100_000], "budgets": [0.1, 0.4]}
    written(tmp_path / "split", "synthetic.rows_10000", settings=totals | {"datasets": ["synthetic"]})
    text = page(tmp_path)
    assert "split totals of compute: not ranked" in text and "records/synthetic" not in text


def damaged(path):
    (path / "records/hotel/mlp.jsonl").write_text('{"kind": "final"}\n')


def without_metrics(path):
    file = path / "records/hotel/mlp.jsonl"
    file.write_text(re.sub(r'"test":\{[^}]*\}', '"test":{}', file.read_text()))


def infinite(path):
    file = path / "records/hotel/mlp.jsonl"
    file.write_text(re.sub(r'"test":\{[^}]*\}', '"test":{"auc":-1e999,"logloss":1e999}', file.read_text()))


def other_protocol(path):
    (path / "protocol.toml").write_text("datasets = [")


def without_protocol(path):
    (path / "protocol.toml").unlink()


def broken_audits(path):
    audits.audit_file(path).write_text("{}\n")


def empty(path):
    for file in path.glob("records/*/*.jsonl"):
        file.unlink()


def mixed(path):
    file = path / "records/hotel/mlp.jsonl"
    file.write_text(re.sub(r'"protocol_id":"\w+"', '"protocol_id":"other"', file.read_text(), count=1))


@pytest.mark.parametrize(
    "damage", [damaged, without_metrics, infinite, other_protocol, without_protocol, broken_audits, empty, mixed]
)
def test_a_folder_that_cannot_be_read_is_named_and_leaves_the_others(tmp_path, damage):
    written(tmp_path / "good", "frappe")
    damage(written(tmp_path / "bad", "hotel"))
    done = CliRunner().invoke(app, ["leaderboard", "--results", str(tmp_path)], env={"COLUMNS": "500"})
    assert done.exit_code == 0 and done.output.count("\n") == 2
    assert f"left out {tmp_path / 'bad'}: " in done.output
    text = (tmp_path / "leaderboard/index.html").read_text()
    assert "<li>bad: " in text and "4 models ranked on 1 data set: frappe." in text
    assert str(tmp_path) not in text


def test_folders_are_read_two_levels_down(tmp_path):
    written(tmp_path / "alice/one", "hotel")
    assert "../alice/one/records/hotel/wukong.jsonl" in page(tmp_path)


def test_a_leaderboard_without_records_is_an_error_that_names_what_is_broken(tmp_path):
    with pytest.raises(RecordError, match=r"no folder in .* has records; create some with"):
        leaderboard.write(tmp_path)
    damaged(written(tmp_path / "bad", "hotel"))
    with pytest.raises(RecordError, match=r"bad: records/hotel/mlp.jsonl, line 1"):
        leaderboard.write(tmp_path)


def test_an_unknown_metric_is_one_line():
    done = CliRunner().invoke(app, ["leaderboard", "--metric", "ndcg"])
    assert "no metric 'ndcg'; known: logloss, auc" in str(done.exception)


def test_links_lead_to_reports_and_records(tmp_path):
    for name, dataset in (("one", "hotel"), ("two", "frappe")):
        written(tmp_path / name, dataset)
        (tmp_path / name / "report.html").write_text("")
    text = page(tmp_path)
    links = {html.unescape(link) for link in re.findall(r'href="([^"#]+)"', text)}
    assert all((tmp_path / "leaderboard" / link).is_file() for link in links)
    assert {"../one/report.html", "../two/report.html"} <= links and len(links) == 2 + 8


def test_a_result_is_verified_by_an_audit_that_passed_unless_another_failed(tmp_path):
    path = written(tmp_path / "one", "hotel")
    record = next(record for record in findings.read(path).records if record.model == "wukong")

    def marked():
        rows = re.findall(r"<tr>.*?</tr>", page(tmp_path).partition("</table>")[0], re.DOTALL)
        return ["†" in row for row in rows if "Wukong" in row]

    assert marked() == [True]
    audits.append(path, Audit.of(record, record, 0.0, passed=True))
    assert marked() == [False]
    assert "1 of 4" in page(tmp_path)
    audits.append(path, Audit.of(record, record, 0.1, passed=False))
    assert marked() == [True]
    assert "0 of 4; failed: Wukong on hotel" in page(tmp_path)


def hostile(path):
    return written(path, "hotel", facts={"title": HOSTILE}, device=HOSTILE, settings={"title": HOSTILE})


def test_hostile_names_stay_text_and_the_page_makes_no_requests(tmp_path):
    hostile(tmp_path / "one")
    text = page(tmp_path)
    assert "<img src=x" not in text and text.count("</script>") == 2
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>&") & set(data) and HOSTILE in json.loads(data)[0]
    assert not re.search(r"""(src|href)=["'](?!\.\./one/)""", text)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("results")
    written(path / "one", "hotel")
    written(path / "two", "frappe", budgets=(0.1, 0.4))
    written(path / "three", "frappe", ("mlp", "dlrm"), blocks=1)
    return leaderboard.write(path).path


@pytest.fixture(params=[1280, 390], ids=["desktop", "phone"])
def browser(request, made):
    with Browser(request.param) as opened:
        opened.open(made)
        yield opened
        assert opened.errors() == []


SHOWN = (
    "return [...document.querySelectorAll('.board')].filter(b => b.offsetParent)"
    ".map(b => b.dataset.budget + ' ' + b.dataset.group)"
)
CHOOSE = "const s = document.querySelector('{}'); s.value = '{}'; s.dispatchEvent(new Event('change'));"


@needs_chromium
def test_the_page_fits_its_width_and_shows_one_table(browser):
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.run(SHOWN) == ["mean over budgets 0"]
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    rows = browser.run("return [...document.querySelectorAll('.board tbody tr')].slice(0, 4).map(r => r.innerText)")
    assert "Wukong" in rows[0] and "DLRM" in rows[2] and "MLP" in rows[3]


@needs_chromium
def test_budget_and_group_choose_the_table(browser):
    budgets = "return [...document.querySelectorAll('.budget')].filter(s => s.offsetParent).map(s => s.options.length)"
    assert browser.run(budgets) == [4]
    browser.run(CHOOSE.format('.budget[data-group="0"]', "1.6 MFLOP"))
    assert browser.run(SHOWN) == ["1.6 MFLOP 0"]
    browser.run(CHOOSE.format("#group", "1"))
    assert browser.run(SHOWN) == ["mean over budgets 1"] and browser.run(budgets) == [4]
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")


@needs_chromium
def test_tables_sort_filter_and_download(browser):
    column = (
        "return [...document.querySelector('.board').querySelectorAll('tbody tr')].map(r => r.cells[3].dataset.value)"
    )
    browser.run("document.querySelectorAll('.board th button')[3].click()")
    values = [float(value) for value in browser.run(column)]
    assert values == sorted(values)
    browser.run("const f = document.querySelector('.filter'); f.value = 'dlrm'; f.dispatchEvent(new Event('input'));")
    assert browser.run("return document.querySelectorAll('.board:not([hidden]) tbody tr:not([hidden])').length") == 1
    text = browser.run(
        "let got; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { got = blob; return make(blob); };"
        "HTMLAnchorElement.prototype.click = () => {}; document.querySelector('.csv').click(); return got.text()"
    )
    assert text.startswith("rank,rank letters,rank low,rank high,") and text.count("\n") == 5


@needs_chromium
def test_hostile_names_run_nothing(tmp_path):
    hostile(tmp_path / "one")
    with Browser(1280) as opened:
        opened.open(leaderboard.write(tmp_path).path)
        assert opened.run("return window.pwned === undefined")
        assert HOSTILE in opened.run("return document.body.innerText")
        assert opened.errors() == []
