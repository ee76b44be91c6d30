"""submit-check: a file of records, a results folder or an archive of one, checked whole and without running its code."""

import io
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from made_records import folder, make, protocol, with_predictions
from typer.testing import CliRunner

from benchmark import findings
from benchmark.checks import archive, sent_folder
from benchmark.cli.main import app, main
from benchmark.records import packed
from benchmark.study import Study


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def sent(tmp_path):
    return consistent(tmp_path / "made") / "records/hotel/wukong.jsonl"


def consistent(path, model="wukong", blocks=1, facts=None, **changes):
    """Write a results folder in which everything agrees, predictions too, and return it."""
    made_with = protocol(search={"trials": 10, "blocks": blocks})
    made = make((model,), blocks=blocks, protocol_id=made_with.identity(), **changes)
    for i, record in enumerate(made):
        if record.kind == "final" and blocks > 1:
            study = Study(made_with, "hotel", model, record.budget, path, "", block=record.block)
            made[i] = record.model_copy(update={"seed": study.final_seeds[record.seed % 100 - 1]})
    made = with_predictions(path, made)
    best = {"logloss": 0.1, "auc": 0.8}  # the trials are random: let trial 0 win, which the final runs claim to repeat
    won = [r.model_copy(update={"valid": best}) if (r.kind, r.trial) == ("trial", 0) else r for r in made]
    return folder(path, [r.model_copy(update={"history": (), "best_epoch": None}) for r in won], made_with, facts)


def problems(path):
    return " ".join(sent_folder.check(path).problems)


def test_consistent_records_pass_as_unverified(sent):
    assert problems(sent) == ""
    done = run("submit-check", sent)
    assert done.exit_code == 0 and "unverified until rerun" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("pattern", "by", "problem"),
    [
        (r'"test":\{"auc":0\.9(\d)', '"test":{"auc":0.1\\1', "test auc 0.1"),
        (r'"training_flops":99999', '"training_flops":99998', "are not 3 x forward FLOPs"),
        (
            r'"forward_flops":33333,"training_flops":99999',
            '"forward_flops":40000,"training_flops":120000',
            r"by \+20.0%",
        ),
        (
            r'"kind":"final",(.*)"seed":5',
            '"kind":"final",\\1"seed":6',
            r"block 1: final runs with seeds \[6\], which are not those of the block",
        ),
        (r'"trial":9', '"trial":8', "recorded twice"),
        (r'"dataset":"hotel"', '"dataset":"../../etc"', "line 1: dataset: String should match"),
        (r'"model":"wukong"', '"model":"mlp"', "is in the file of 'wukong'"),
        (r'"status":"complete"', '"status":"splendid"', "line 1: status"),
        (r'"protocol_id":"\w+"', '"protocol_id":"abc"', "different protocols cannot share a table"),
        (r'\{"schema_version"', '{"__reduce__":"os.system","schema_version"', "Extra inputs are not permitted"),
        (r'"widths":\[16,8\]', '"widths":[99]', "not the configuration of trial 0"),
        (r'"predictions":"\w', '"predictions":"x', "the hash of the predictions is not the one in the record"),
    ],
)
def test_an_edited_record_is_reported(sent, pattern, by, problem):
    before = sent.read_text()
    sent.write_text(re.sub(pattern, by, before, count=1))
    assert sent.read_text() != before
    assert re.search(problem, problems(sent)), problems(sent)
    assert run("submit-check", sent).exit_code == 1


def test_a_missing_trial_is_reported(sent):
    lines = sent.read_text().splitlines(keepends=True)
    sent.write_text("".join(lines[1:]))
    assert "budget 0.1, block 1: 9 complete or pruned trials; the protocol asks for 10" in problems(sent)


def test_a_validation_metric_that_contradicts_its_history_is_reported(tmp_path):
    path = folder(tmp_path, make(("wukong",))) / "records/hotel/wukong.jsonl"
    assert "in its history" in problems(path)  # the generated trials' scores differ from those of their epochs


@pytest.fixture
def whole(tmp_path):
    """Return a consistent results folder with several blocks and packed predictions, of a model that is not installed."""
    path = consistent(tmp_path / "whole", blocks=2)
    findings.read(path).keep_row_noise()
    return path


def archived(path, form):
    """Return an archive of a results folder, which is at its top in a zip and one level down in others."""
    root, base = (path, ".") if form == "zip" else (path.parent, path.name)
    return Path(shutil.make_archive(str(path.parent / "sent"), form, root, base))


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "gztar"])
def test_a_whole_folder_passes_and_leaves_nothing_behind(whole, form, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path = whole if form == "folder" else archived(whole, form)
    done = run("submit-check", path)
    assert done.exit_code == 0 and done.output.count("\n") == 1
    assert "90 records in 1 file, consistent with its protocol; unverified until rerun" in done.output
    assert not list((tmp_path / "tmp").iterdir())


def other_run(path):
    """Let the packed predictions be of runs that no record names."""
    content = packed.read(path)
    packed.write(path, packed.Packed(tuple(run[::-1] for run in content.runs), content.logits, content.labels))


def other_logits(path):
    content = packed.read(path)
    packed.write(path, packed.Packed(content.runs, -content.logits, content.labels))


def cut(path):
    path.write_bytes(path.read_bytes()[:20])


def of_another_data_set(path):
    path.write_text('{"title": "Hotel", "fingerprint": "beef"}')


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize(
    ("file", "damage", "problem"),
    [
        ("packed_predictions/hotel/wukong.npz", other_run, "of 6 runs are in no record"),
        ("packed_predictions/hotel/wukong.npz", other_logits, "test auc 0.9"),
        ("packed_predictions/hotel/wukong.npz", cut, "not a valid file of packed predictions"),
        ("predictions/hotel/wukong/0.1-*.npz", cut, "not a valid predictions file"),
        ("datasets/hotel.json", cut, "damaged"),
        ("datasets/hotel.json", of_another_data_set, "about data beef, the records about f00d"),
        ("models/wukong.json", lambda path: path.write_text("[]"), "damaged"),
        ("made_with.json", lambda path: path.write_text("[]"), "damaged"),
        ("row_noise/hotel.json", lambda path: path.write_text("[]"), "remove it"),
        ("records/hotel/wukong.jsonl", lambda path: path.write_text("{\n"), "line 1"),
        ("records/hotel/mlp.jsonl", lambda path: path.write_text(""), "no records in"),
    ],
)  # fmt: skip
def test_each_damaged_file_is_one_problem_by_its_name_in_the_folder(whole, form, file, damage, problem):
    path = min(whole.glob(file), default=whole / file)
    path.parent.mkdir(exist_ok=True)
    damage(path)
    done = run("submit-check", whole if form == "folder" else archived(whole, "zip"))
    lines = [line for line in done.output.splitlines() if line.startswith("problem: ")]
    assert done.exit_code == 1 and any(path.name in line and problem in line for line in lines), done.output
    assert str(whole) not in done.output and tempfile.gettempdir() not in done.output.replace(str(whole.parent), "")


def test_models_of_different_data_are_a_problem(tmp_path):
    for model, fingerprint in (("mlp", "f00d"), ("wukong", "beef")):
        path = consistent(tmp_path / "made", model, data_fingerprint=fingerprint)
    assert "records of different data of hotel cannot share a table" in problems(path)


def test_what_is_no_fault_is_noted(tmp_path):
    path = consistent(tmp_path / "made", "nfm", accepted=("2026-01-02 code of training",), dirty=True)
    file = path / "records/hotel/nfm.jsonl"
    file.write_text(
        file.read_text().replace('"device":"made"', '"device":"other"', 1).replace('{"python":"3"}', "{}", 1)
    )
    (path / "datasets/hotel.json").unlink()
    (path / "audits.jsonl").write_text("")
    (path / "records/notes.txt").write_text("")
    done = run("submit-check", path)
    assert done.exit_code == 0
    assert done.output.splitlines()[:-1] == [
        "note: accepted change, in 45 of 45 records: 2026-01-02 code of training",
        "note: 45 of 45 records were made with uncommitted changes in the suite",
        "note: 2 devices: other (1); made (44)",
        "note: 2 package versions: unknown (1); python 3 (44)",
        "note: model nfm is not installed here: its FLOPs were not computed again",
        "note: no facts about data set hotel: FLOPs were not computed again",
        "note: audits.jsonl is the sender's and does not count; remove it before you keep the folder",
        "note: 1 files in records/ are no <data set>/<model>.jsonl and were not read",
    ]


def zipped(path, names, content=b"x", mode=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (mode or 0o100644) << 16
            made.writestr(entry, content)


def tarred(path, names, content=b"x", kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as made:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            made.addfile(entry, io.BytesIO(content))


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Return a function that checks an archive and returns its one line of error."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    before = {*tmp_path.parent.rglob("*")}

    def refuse(path):
        monkeypatch.setattr(sys, "argv", ["wukong-bench", "submit-check", str(path)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        assert stop.value.code == 2 and not out, (out, err)
        assert err.startswith("wukong-bench: ") and err.count("\n") == 1, err
        assert {*tmp_path.parent.rglob("*")} - before == {path}
        return err

    return refuse


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../escaped", "/escaped", "made/../../escaped", "a\\..\\escaped", "C:escaped", "a\x1b[2J", "."]
)
def test_a_name_that_leads_outside_is_refused(refused, tmp_path, write, name):
    path = tmp_path / ("a.zip" if write is zipped else "a.tar.gz")
    write(path, ["protocol.toml", name])
    assert "outside the archive's folder" in refused(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_in_a_tar_is_refused(refused, tmp_path, kind):
    tarred(tmp_path / "a.tar.gz", ["made/protocol.toml"], kind=kind)
    assert "is a link or a device" in refused(tmp_path / "a.tar.gz")


def test_a_link_in_a_zip_is_refused(refused, tmp_path):
    zipped(tmp_path / "a.zip", ["made/protocol.toml"], b"/etc/passwd", mode=0o120777)
    assert "is a link or a device" in refused(tmp_path / "a.zip")


@pytest.mark.parametrize("write", [zipped, tarred])
def test_a_bomb_is_refused_before_it_is_unpacked(refused, tmp_path, monkeypatch, write):
    monkeypatch.setattr(archive, "LARGEST_BYTES", 2**20)
    path = tmp_path / ("a.zip" if write is zipped else "a.tgz")
    write(path, ["made/protocol.toml", "made/large"], bytes(2**20))
    assert path.stat().st_size < 2**14 and "when unpacked" in refused(path)


def test_a_header_that_would_fill_the_memory_is_refused(refused, tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as made:
        entry = tarfile.TarInfo("made/protocol.toml")
        entry.pax_headers = {"comment": "x" * (archive.LARGEST_READ + 1)}
        made.addfile(entry)
    assert "a header of more than" in refused(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("write", [zipped, tarred])
def test_too_many_files_are_refused(refused, tmp_path, monkeypatch, write):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 5)
    path = tmp_path / ("a.zip" if write is zipped else "a.tar.gz")
    write(path, [f"made/{i}" for i in range(6)])
    assert "more than 5 files" in refused(path)


@pytest.mark.parametrize("form", ["zip", "tar", "gztar"])
def test_a_truncated_archive_is_refused(whole, refused, form):
    path = archived(whole, form)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sent = path.rename(path.with_name(f"cut-{path.name}"))
    assert "not a readable archive" in refused(sent)


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a/protocol.toml", "b/protocol.toml"], "it holds several, a, b"),
        (["protocol.toml", "b/protocol.toml"], "it holds several, ., b"),
        (["a/b/protocol.toml"], "it holds no protocol.toml there"),
        (["a/protocol.toml", "a/protocol.toml"], "not a readable archive"),
        (["a", "a/protocol.toml"], "not a readable archive"),
        (["a/" + "x" * 300], "not a readable archive"),
        ([], "it holds no protocol.toml there"),
        (["a/protocol.toml"], ": protocol.toml: "),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_anything_but_one_results_folder_is_refused(refused, tmp_path, write, names, problem):
    path = tmp_path / ("a.zip" if write is zipped else "a.tar.gz")
    write(path, names)
    assert problem in refused(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive" * 100], ids=["empty", "short", "text"])
@pytest.mark.parametrize("suffix", archive.SUFFIXES)
def test_a_file_that_is_no_archive_is_refused(refused, tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert "not a readable archive" in refused(path)


@pytest.mark.parametrize(
    ("pattern", "by", "code"),
    [
        (r'"budget":0.1', '"budget":0.0', 1),
        (r'"budget":0.1', '"budget":NaN', 1),
        (r'"training_flops":\d+', f'"training_flops":{10**30}', 1),
        (r'"seed":1', f'"seed":{2**63}', 1),
        (r'"config":\{[^}]*\}', '"config":{"widths":[1e400]}', 1),
        (r'"best_epoch":null(.*?)"history":\[\]', r'"best_epoch":-5\1"history":[{"auc":0.5}]', 0),
    ],
)
def test_numbers_out_of_range_do_not_crash_the_check(sent, pattern, by, code):
    before = sent.read_text()
    sent.write_text(re.sub(pattern, by, before, count=1))
    assert sent.read_text() != before and run("submit-check", sent).exit_code == code
