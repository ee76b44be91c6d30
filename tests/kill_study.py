"""Kill a smoke run repeatedly at random moments and compare its final records with an uninterrupted run's.

    python tests/kill_study.py [KILLS] [SEED]

Each kill -9 hits the command, one of its workers or all of them, at random. A folder sees at most one kill of a worker
alone, because a training whose worker died alone twice is recorded as failed by design; other kills are not limited. When
a run finishes before its next kill, its records are compared and another run starts in a fresh folder, until all kills are
done. See docs/reliability.md.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from commands import kill, kill_group, launch, output, truth, workers


def main(kills: int, seed: int) -> None:
    """Print one line per kill and a summary; exit with code 1 if any folder's records differ from the uninterrupted run's."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        output(_run(Path(scratch) / "whole"), timeout=600)
        duration = time.monotonic() - started
        whole = truth(Path(scratch) / "whole" / "smoke")
        print(f"uninterrupted: {len(whole)} records in {duration:.0f} s", flush=True)
        done, folders, equal = 0, 0, 0
        while done < kills:
            folders += 1
            folder = Path(scratch) / str(folders)
            done += _one_folder(folder, chance, duration, kills - done)
            same = truth(folder / "smoke") == whole
            equal += same
            print(f"folder {folders}: {'the same records' if same else 'OTHER RECORDS'}", flush=True)
        print(f"{done} kills in {folders} folders: {equal} of {folders} ended in the records of the uninterrupted run")
        sys.exit(equal != folders)


def _run(folder: Path) -> "subprocess.Popen[str]":
    return launch("run", "smoke", "--results", str(folder), "--jobs", "2")


def _one_folder(folder: Path, chance: random.Random, duration: float, at_most: int) -> int:
    """Run until finished, with kills on the way, and return the number of kills.

    Args:
        folder: results folder
        chance: source of the random moments and victims
        duration: of the uninterrupted run, in seconds
        at_most: number of kills still to do
    """
    done, alone = 0, False
    while True:
        process = _run(folder)
        deadline = time.monotonic() + chance.uniform(0, duration)
        while done < at_most and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is not None or done == at_most:
            output(process, timeout=600)
            return done
        victims = workers(process.pid)
        victim = chance.choice(["command", "everything"] + ["worker"] * bool(victims and not alone))
        done += 1
        n_records = len(truth(folder / "smoke"))
        print(f"kill {done} in {folder.name}: {victim} after {n_records} records", flush=True)
        if victim == "worker":
            alone = True
            kill(chance.choice(victims))
            output(process, timeout=600)
            return done
        if victim == "command":
            kill(process.pid)
            process.communicate()
        else:
            kill_group(process)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
