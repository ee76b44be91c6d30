"""The HTML report in a real browser: offline, safe, usable by keyboard and at phone width."""

import html
import json
import re
import time
from itertools import combinations

import pytest
from browser import ABSENT, ENTER, LEFT, RIGHT, TAB, Browser
from made_records import folder, protocol, timed, with_check
from made_records import replicated as make

from benchmark import findings
from benchmark.records import files
from benchmark.reports import page

HOSTILE = "</script><img src=x onerror=window.pwned=1>"

needs_chromium = pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))


def written(path, made, facts=None, **changes):
    """Write the page of these records to a file and return it."""
    bounded = {"bounds": {"Bayes": {"logloss": 0.39, "auc": 0.81}}, **(facts or {})}
    blocks = {"search": {"blocks": max(record.block for record in made)}}
    file = folder(path, made, protocol(**{**blocks, **changes}), bounded) / "report.html"
    timed(path, {"mlp": 4e4, "dlrm": 3e4, "dcnv2": 2e4, "wukong": 1e4})
    files.write_text(file, page.render(findings.read(path)))
    return file


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"), with_check(make()))


@pytest.fixture(params=[1280, 360], ids=["desktop", "phone"])
def browser(request, report):
    with Browser(request.param) as opened:
        opened.open(report)
        yield opened
        assert opened.errors() == []


def test_the_page_makes_no_requests(report):
    text = report.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|records/|#)""", text)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_hostile_names_stay_text_in_the_markup_and_in_the_data(tmp_path):
    made = make(("mlp",), config={"widths": HOSTILE}, device=HOSTILE)
    text = written(tmp_path, made, facts={"title": HOSTILE}).read_text()
    assert "<img src=x" not in text and text.count("</script>") == 2
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>&") & set(data)
    assert HOSTILE in json.dumps(json.loads(data))


def test_a_row_links_to_its_records(report):
    links = re.findall(r'href="(records/[^"]+)"', report.read_text())
    assert len(links) == 12 and all((report.parent / link).is_file() for link in links)


@needs_chromium
def test_the_page_fits_its_width_and_shows_verdict_plot_and_tables(browser):
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert "Wukong is best in the mean over 3 budgets" in browser.run(
        "return document.querySelector('.verdict').textContent"
    )
    assert browser.run("return document.querySelectorAll('.plot .point').length") == 12
    assert browser.run("return [...document.querySelectorAll('.plot text')].some(t => t.textContent === 'Bayes')")
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    sizes = browser.run(
        "return [...document.querySelectorAll('.plot text')].map(t => t.getBoundingClientRect().height)"
    )
    assert min(sizes) > 9


@needs_chromium
def test_a_click_on_a_heading_sorts_by_value_both_ways_and_back(browser):
    column = (
        "return [...document.querySelectorAll('table[data-name=quality] tbody tr')].map(r => +r.cells[2].dataset.value)"
    )
    click = "document.querySelectorAll('table[data-name=quality] th button')[2].click()"
    first = browser.run(column)
    browser.run(click)
    assert browser.run(column) == sorted(first)
    browser.run(click)
    assert browser.run(column) == sorted(first, reverse=True)
    browser.run(click)
    assert browser.run(column) == first


@needs_chromium
def test_a_filter_keeps_the_rows_with_all_its_words(browser):
    shown = browser.run(
        "const box = document.querySelector('.filter[aria-label$=complexity]'); box.value = '533 wukong';"
        "box.dispatchEvent(new Event('input'));"
        "const rows = [...document.querySelectorAll('table[data-name=quality] tbody tr')];"
        "return rows.filter(r => !r.hidden).map(r => r.innerText)"
    )
    assert len(shown) == 1 and "Wukong" in shown[0]


@needs_chromium
def test_points_are_reached_by_keyboard_and_show_configuration_blocks_and_interval(browser):
    browser.run("document.querySelector('.cost').focus()")
    browser.press(TAB, RIGHT, RIGHT, LEFT)
    assert browser.run("return document.activeElement.classList.contains('point')")
    tip = browser.run("return document.querySelector('.tip').innerText")
    assert (
        "±" in tip and "4 (40 trials, 8 final runs" in tip and "search and seeds" in tip and '"widths": [16, 8]' in tip
    )


@needs_chromium
def test_headings_sort_by_keyboard(browser):
    browser.run("document.querySelector('table[data-name=quality] th button').focus()")
    browser.press(ENTER)
    assert (
        browser.run("return document.querySelector('table[data-name=quality] th').getAttribute('aria-sort')")
        == "ascending"
    )


@needs_chromium
def test_metric_cost_and_models_redraw_the_plot(browser):
    change = "const s = document.querySelector('{}'); s.value = '{}'; s.dispatchEvent(new Event('change'));"
    texts = "return [...document.querySelectorAll('.plot text')].map(t => t.textContent)"
    drawn = browser.run(change.format(".metric", "auc") + texts)
    assert "test AUC (higher is better)" in drawn
    assert "training seconds per example" in browser.run(change.format(".cost", "seconds") + texts)
    left = browser.run(
        "document.querySelector('.keys input').click(); return document.querySelectorAll('.plot .point').length"
    )
    assert left == 9


@needs_chromium
def test_the_download_is_the_table_as_csv(browser):
    text = browser.run(
        "let got; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { got = blob; return make(blob); };"
        "HTMLAnchorElement.prototype.click = () => {}; document.querySelector('.csv[data-name$=_quality]').click();"
        "return got.text()"
    )
    assert text.startswith("budget,model,LogLoss,LogLoss ±,LogLoss letters,") and text.count("\n") == 13


@needs_chromium
def test_hostile_names_run_nothing(tmp_path):
    made = make(("dlrm", "mlp"), config={"widths": HOSTILE}, device=HOSTILE)
    with Browser(1280) as opened:
        opened.open(written(tmp_path, made, facts={"title": HOSTILE}))
        assert opened.run("return window.pwned === undefined")
        assert HOSTILE in opened.run("return document.body.innerText")
        assert opened.errors() == []


@pytest.mark.parametrize("monitor", ["auc", "logloss"])
def test_the_plot_initially_shows_the_metric_that_the_protocol_selects_by(tmp_path, monitor):
    text = written(tmp_path, make(), training={"monitor": monitor}).read_text()
    assert re.findall(r'<option value="(\w+)" selected>', text) == [monitor]


@needs_chromium
def test_the_contents_lead_to_every_section_and_table(browser):
    targets = browser.run(
        "const links = [...document.querySelectorAll('.contents a')].map(a => a.getAttribute('href').slice(1));"
        "return links.map(id => document.getElementById(id)?.textContent ?? null)"
    )
    tables = browser.run("return [...document.querySelectorAll('section h3')].map(h => h.textContent)")
    assert None not in targets and {*tables} <= {*targets}
    width, open_ = browser.run("return [window.innerWidth, document.querySelector('.contents').open]")
    assert open_ == (width > 640)


@needs_chromium
def test_a_table_shows_that_it_scrolls_and_on_which_side_it_goes_on(browser):
    told = "const w = document.querySelector('table[data-name=quality]').closest('.wide'); return w.className"
    assert browser.run(told) == "wide overflows right"
    assert (
        browser.run(
            "const w = document.querySelector('.wide.overflows'); return getComputedStyle(w, '::before').content"
        )
        == '"scrolls →"'
    )
    browser.run("const s = document.querySelector('table[data-name=quality]').closest('.scroll'); s.scrollLeft = 1e6")
    time.sleep(0.2)
    assert browser.run(told) == "wide overflows left"


@needs_chromium
def test_a_model_that_is_not_checked_leaves_plot_details_and_tables(browser):
    state = (
        "const rows = [...document.querySelectorAll('table[data-name=quality] tbody tr')];"
        "return [document.querySelector('.tip').innerText, rows.filter(r => !r.hidden).map(r => r.cells[1].textContent)]"
    )
    browser.run("[...document.querySelectorAll('.plot .point')].find(p => p.ariaLabel.startsWith('Wukong')).focus()")
    assert "Wukong" in browser.run(state)[0]
    click = (
        "[...document.querySelectorAll('.keys label')].find(l => l.textContent === '{}').querySelector('input').click()"
    )
    browser.run(click.format("MLP"))
    tip, rows = browser.run(state)
    assert "Wukong" in tip and {*rows} == {"Wukong", "DLRM", "DCNv2"}
    browser.run(click.format("Wukong"))
    tip, rows = browser.run(state)
    assert tip.startswith("Hover over a point") and {*rows} == {"DLRM", "DCNv2"}
    browser.run(click.format("MLP") + ";" + click.format("Wukong"))
    assert len(browser.run(state)[1]) == 12


@needs_chromium
def test_the_page_follows_the_readers_colour_scheme(browser):
    grey = "return getComputedStyle(document.body).{}.match(/\\d+/g).map(Number)[1]"
    for scheme, paper_is_light in (("light", True), ("dark", False)):
        browser.prefer(scheme)
        assert (browser.run(grey.format("backgroundColor")) > 200) == paper_is_light
        assert (browser.run(grey.format("color")) < 100) == paper_is_light


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_labels_of_the_plot_do_not_overlap(tmp_path, width):
    near = {name: {"logloss": 0.39 + step, "auc": 0.81 - step} for name, step in (("Bayes", 0), ("base rate", 1e-3))}
    with Browser(width) as opened:
        opened.open(written(tmp_path, make(budgets=(0.1, 0.2, 0.4, 0.8, 1.6)), {"bounds": near}))
        boxes = opened.run(
            "return [...document.querySelectorAll('.plot text')].map(t => { const b = t.getBoundingClientRect();"
            "return [b.left, b.right, b.top + 2, b.bottom - 2, t.textContent] })"
        )
        edge = opened.run("return document.querySelector('.plot svg').getBoundingClientRect().right")
    assert any("Bayes" in box[4] for box in boxes) and max(box[1] for box in boxes) <= edge
    for a, b in combinations(boxes, 2):
        assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2], (a[4], b[4])
