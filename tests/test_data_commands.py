"""Getting and checking data from the command line; a local server replaces the hub."""

import contextlib
import functools
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import datamodules
from benchmark.cli.main import main
from datamodules.base import SPLITS, twins
from datamodules.base.obtain import download


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["wukong-bench", "data", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_prepare_prints_rows_positives_table_rows_and_bytes_and_verify_agrees(
    frappe_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(monkeypatch, capsys, "prepare", "frappe.bars", "--source", str(frappe_folder), "--as-is")
    assert code == 0
    for text in (
        "202,027",
        "19,063",
        "9,536",
        "33.04%",
        "5,389 table rows",
        "21,556 bytes",
        "train negatives re-drawn",
    ):
        assert text in out.replace("\n", " ")
    code, _, err = run(monkeypatch, capsys, "verify", "frappe.bars", "--source", str(frappe_folder))
    assert code == 2 and "md5 of train.csv expected ba7306e6" in err and err.count("\n") == 1
    code, out, _ = run(monkeypatch, capsys, "verify", "hotel")
    assert code == 0 and "19ce8a86c8f2b291276db0b31fbf3972fe8de67ff8058a56123d002c4181e35d" in out


def test_describe_writes_a_card_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(monkeypatch, capsys, "describe", "hotel", "--out", str(tmp_path))
    assert code == 0
    card = (tmp_path / "hotel.md").read_text()
    assert card in out and "| train | 95" in card and "| country |" in card
    assert (tmp_path / "hotel.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["prepare", "hotels"], "no data set 'hotels'; did you mean 'hotel'?"),
        (["prepare", "criteo_kaggle", "--source", "nowhere"], "no folder with train.txt; looked in nowhere"),
        (["twin", "hotel", "somewhere"], "Hotel bookings: no synthetic twin is declared"),
        (["prepare", "../hotel"], "../hotel: no such file or folder"),
    ],
)
def test_a_user_error_is_one_line_and_exit_code_2(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 2 and text in err and err.count("\n") == 1


class Hub(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with the headers that the hub's client expects; `cut` truncates the next body."""

    cut = False
    archives = 0  # number served

    def end_headers(self) -> None:
        if self.path.endswith(".zip") and "ETag" not in str(self._headers_buffer):
            self.send_header("ETag", '"etag-of-the-archive"')
            self.send_header("X-Repo-Commit", "0" * 40)
        super().end_headers()

    def copyfile(self, source: object, outputfile: object) -> None:
        Hub.archives += 1
        if Hub.cut:
            Hub.cut = False
            outputfile.write(source.read(100))  # type: ignore[attr-defined]
            self.close_connection = True
            return
        super().copyfile(source, outputfile)  # type: ignore[type-var]

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder as the hub of the client; return the path for the archive."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra [hub]")
    root = tmp_path / "hub"
    archive = root / "datasets" / "reczoo" / "Twin" / "resolve" / "main"
    archive.mkdir(parents=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Hub, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    yield archive / "Twin.zip"
    server.shutdown()


@pytest.fixture
def twin(tmp_path: Path) -> dict[str, bytes]:
    paths = twins.write(datamodules.load("movielenslatest_x1").layout(), tmp_path / "twin", 100)
    return {path.name: path.read_bytes() for path in paths}


def pack(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"Twin/{name}", content)
        archive.writestr("../../escaped.csv", "never unpacked")


def md5s(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(content).hexdigest() for name, content in files.items()}


def test_only_the_requested_files_are_taken_from_the_hub_and_checked(
    hub: Path, twin: dict[str, bytes], tmp_path: Path
) -> None:
    pack(hub, twin)
    folder = tmp_path / "data" / "twin"
    download("Twin", md5s(twin), folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == twin
    assert not list(tmp_path.rglob("escaped.csv"))
    hub.unlink()
    download("Twin", md5s(twin), folder)  # nothing is missing: the hub is not contacted


def test_a_file_with_another_md5_is_moved_aside_and_never_used(
    hub: Path, twin: dict[str, bytes], tmp_path: Path
) -> None:
    pack(hub, {**twin, "valid.csv": b"something else"})
    with pytest.raises(
        datamodules.base.DataError, match=r"valid\.csv: md5 expected .* found .*moved aside to valid\.csv\.bad"
    ):
        download("Twin", md5s(twin), tmp_path / "data")
    assert not (tmp_path / "data" / "valid.csv").exists()
    assert (tmp_path / "data" / "valid.csv.bad").read_bytes() == b"something else"


def test_of_two_concurrent_downloads_one_fetches_and_both_have_the_files(
    hub: Path, twin: dict[str, bytes], tmp_path: Path
) -> None:
    pack(hub, twin)
    Hub.archives = 0
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda _: download("Twin", md5s(twin), tmp_path / "data"), range(2)))
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").glob("*.csv")} == twin
    assert Hub.archives == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_during_unpacking_is_a_one_line_error(hub: Path, twin: dict[str, bytes], tmp_path: Path) -> None:
    pack(hub, twin)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv.part").symlink_to("/dev/full")
    with pytest.raises(
        datamodules.base.DataError, match=r"No space left on device \(.* MB free in .*\); fix this and rerun"
    ):
        download("Twin", md5s(twin), tmp_path / "data")
    assert not (tmp_path / "data" / "train.csv").exists()


def test_an_archive_that_unpacks_to_too_many_bytes_is_refused_and_leaves_no_file(
    hub: Path, twin: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(hub, twin)
    monkeypatch.setattr("datamodules.base.obtain.MOST_BYTES", 100)
    with pytest.raises(datamodules.base.DataError, match=r"train\.csv: unpacks to more than 100 bytes; refused"):
        download("Twin", md5s(twin), tmp_path / "data")
    assert not list((tmp_path / "data").glob("*.csv*"))


def test_a_file_without_a_published_md5_is_taken_from_the_archive(
    hub: Path, twin: dict[str, bytes], tmp_path: Path
) -> None:
    pack(hub, {**twin, "vectors.h5": b"vectors"})
    download("Twin", {**md5s(twin), "vectors.h5": None}, tmp_path / "data")
    assert (tmp_path / "data" / "vectors.h5").read_bytes() == b"vectors"


def test_a_truncated_archive_is_moved_aside(hub: Path, twin: dict[str, bytes], tmp_path: Path) -> None:
    pack(hub, twin)
    hub.write_bytes(hub.read_bytes()[:-200])
    with pytest.raises(datamodules.base.DataError, match=r"Twin\.zip: .*moved aside to Twin\.zip\.bad; rerun"):
        download("Twin", md5s(twin), tmp_path / "data")


def test_without_the_hub_the_error_says_which_files_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(datamodules.base.DataError) as raised:
        download("Twin", {f"{split}.csv": "0" for split in SPLITS}, tmp_path / "data")
    assert f"put train.csv, valid.csv, test.csv into {tmp_path / 'data'}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_interrupted_download_leaves_no_wrong_file_and_a_rerun_completes_it(
    hub: Path, twin: dict[str, bytes], tmp_path: Path
) -> None:
    pack(hub, twin)
    folder = tmp_path / "data"
    Hub.cut = True
    with contextlib.suppress(datamodules.base.DataError):
        download("Twin", md5s(twin), folder)
    assert not Hub.cut
    assert all(path.read_bytes() == twin[path.name] for path in folder.glob("*.csv"))
    download("Twin", md5s(twin), folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == twin
