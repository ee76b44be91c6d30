"""Downloads a set's raw files from the Hugging Face hub and checks their published md5s."""

import hashlib
import zipfile
from pathlib import Path

from filelock import FileLock

from datamodules.base.cache import explained, file_digest, remembered_digest
from datamodules.base.errors import DataError

BLOCK = 1 << 20  # bytes
MOST_BYTES = 64 << 30  # per unpacked file; the largest published has 11 GB


def download(repository: str, files: dict[str, str | None], folder: Path) -> None:
    """Fetch the files missing from the folder out of `<repository>.zip` in the hub's data set.

    An interrupted download resumes. A file with the wrong md5, in the folder or in the archive, is moved aside to
    `<name>.bad` and never used. If two processes want the files at once, one downloads them and the other waits. Raises
    DataError naming the files to put into the folder by hand if the hub cannot be used.

    Args:
        repository: The hub's data set, reczoo/<repository>.
        files: Published md5 by file name, None if none is published.
        folder: Where the files go.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            _download(repository, files, folder)


def _download(repository: str, files: dict[str, str | None], folder: Path) -> None:
    for name, md5 in files.items():
        path = folder / name
        if path.exists() and md5 not in (None, remembered_digest(path, "md5")):
            path.replace(path.with_name(f"{name}.bad"))
    missing = [name for name in files if not (folder / name).exists()]
    if not missing:
        return
    archive = _fetch(repository, folder, missing)
    try:
        with zipfile.ZipFile(archive) as packed:
            members = {Path(info.filename).name: info for info in packed.infolist() if not info.is_dir()}
            for name in missing:
                if name not in members:
                    raise DataError(f"{archive}: no file {name!r}; it has {', '.join(sorted(members))}")
                _unpack(packed, members[name], folder / name, files[name])
    except zipfile.BadZipFile as error:
        archive.replace(archive.with_name(f"{archive.name}.bad"))
        raise DataError(f"{archive}: {error}; moved aside to {archive.name}.bad; rerun to download it again") from None
    archive.unlink()


def _fetch(repository: str, folder: Path, missing: list[str]) -> Path:
    by_hand = f"put {', '.join(missing)} into {folder}"
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise DataError(
            f"{repository}: not in {folder}, and downloading it from the Hugging Face hub needs the extra [hub]: "
            f"pip install 'wukong-bench[hub]', or {by_hand}"
        ) from None
    try:
        return Path(hf_hub_download(f"reczoo/{repository}", f"{repository}.zip", repo_type="dataset", local_dir=folder))
    except Exception as error:  # the client raises its own, its transport's and the system's errors
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{repository}: the Hugging Face hub cannot be reached ({reason}); {by_hand}") from None


def _unpack(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, md5: str | None) -> None:
    """Unpack one file under a temporary name and rename it once its md5 is right, or else the archive's own checksum."""
    part = path.with_name(f"{path.name}.part")
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with packed.open(member) as source, part.open("wb") as target:
        while block := source.read(BLOCK):
            size += len(block)
            if size > MOST_BYTES:
                part.unlink()
                raise DataError(f"{path.name}: unpacks to more than {MOST_BYTES:,} bytes; refused")
            digest.update(block)
            target.write(block)
    if md5 not in (None, digest.hexdigest()):
        part.replace(path.with_name(f"{path.name}.bad"))
        raise DataError(
            f"{path}: md5 expected {md5}, found {digest.hexdigest()}; moved aside to {path.name}.bad and not used"
        )
    part.replace(path)


def check_md5(paths: list[Path], files: dict[str, str], *, again: bool = False) -> None:
    """Raise DataError for the first file whose md5 is not the published one.

    Args:
        paths: The files.
        files: Published md5 by file name, in the order of `paths`.
        again: Read the files even if their md5s are remembered.
    """
    for path, (name, published) in zip(paths, files.items(), strict=True):
        md5 = file_digest(path, "md5") if again else remembered_digest(path, "md5")
        if md5 != published:
            raise DataError(
                f"{path}: md5 of {name} expected {published}, found {md5}; pass --as-is to use the file under a title "
                "that says so"
            )
