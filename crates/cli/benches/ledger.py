"""How fast payments are written down and read, and how many takes workers advance.

Usage: ledger.py PATH_OF_SEEDPOST PATH_OF_THE_LEDGER_EXAMPLE

Prints three parts:
- events appended a second, to a file and to Postgres, one at a time and 64 at a time; beside single rows that Python's sqlite3
  module (same journal, same synchronisation) and pgbench commit, as ratios;
- the time to fold 100,000 events; beside Python's sqlite3 and json modules that only read and parse the same rows;
- takes advanced a second by 1, 2 and 4 workers on one Postgres, against one `seedpost run` with its own ledger. The simulator
  answers at once with a canned clip: what is measured is seedpost, the queue and the database, all on this machine.
Starts a Postgres of its own in a temporary folder. Each take must be done, and charged once.
"""

import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import takes as bench
from takes import require

TAKES = 400
AT_ONCE = 16


def main():
    program, example = (str(Path(path).resolve()) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as postgres:
        folder = Path(folder)
        append(example, folder, postgres)
        fold(example, folder)
        advance(program, folder, postgres)


def append(example, folder, postgres):
    one, many = (rate(example, folder / f"{name}.db", *size) for name, size in (("one", (400, 1)), ("many", (4000, 64))))
    rows = sqlite_rows(folder / "rows.db", 2000)
    print(
        f"append to a file: one at a time {one:6.0f} events/s (Python's sqlite3, a row a commit {rows:6.0f}/s, ratio {one / rows:.2f}); "
        f"64 at a time {many:6.0f} events/s (ratio {many / rows:.2f})",
        flush=True,
    )
    one, many = (rate(example, postgres.database(name), *size) for name, size in (("one", (400, 1)), ("many", (4000, 64))))
    single, crowd = postgres.rows(1), postgres.rows(64)
    print(
        f"append to Postgres: one at a time {one:6.0f} events/s (pgbench, a row a commit {single:6.0f}/s, ratio {one / single:.2f}); "
        f"64 at a time {many:6.0f} events/s (pgbench with 64 connections {crowd:6.0f}/s, ratio {many / crowd:.2f})",
        flush=True,
    )


def rate(example, place, takes, at_once):
    told = run_json(example, "append", str(place), str(takes), str(at_once))
    return told["events"] / told["seconds"]


def sqlite_rows(path, count):
    """Single rows of an event's size, each on disk before the next: what a script would do."""
    rows = sqlite3.connect(path, isolation_level=None)
    rows.execute("PRAGMA journal_mode = WAL")
    rows.execute("PRAGMA synchronous = FULL")
    rows.execute("CREATE TABLE event (take TEXT, seq INTEGER, payload TEXT, PRIMARY KEY (take, seq))")
    begin = time.perf_counter()
    for number in range(count):
        rows.execute("INSERT INTO event VALUES (?, ?, ?)", (f"SC{number}", 0, "x" * 300))
    return count / (time.perf_counter() - begin)


def fold(example, folder):
    ledger = folder / "fold.db"
    run_json(example, "append", str(ledger), "20000", "200")
    runs = [run_json(example, "fold", str(ledger)) for _ in range(5)]
    require(all(run["events"] == 100_000 for run in runs), "events were lost")
    seconds = sorted(run["seconds"] for run in runs)[2]
    begin = time.perf_counter()
    for _, _, payload in sqlite3.connect(ledger).execute("SELECT take, at_ms, payload FROM event ORDER BY take, seq"):
        json.loads(payload)
    parsed = time.perf_counter() - begin
    size = ledger.stat().st_size / 1e6
    print(
        f"fold 100,000 events ({size:.0f} MB): {seconds:.2f} s; Python reads and parses the same rows in {parsed:.2f} s, "
        f"ratio {parsed / seconds:.2f}",
        flush=True,
    )


def advance(program, folder, postgres):
    clip = bench.make_clip(folder)
    seconds = local(program, folder, clip)
    alone = TAKES / seconds
    print(f"advance {TAKES} takes, {AT_ONCE} at a time: one run with its own ledger {alone:5.1f} takes/s", flush=True)
    for count in (1, 2, 4):
        rate = TAKES / fleet(program, folder, clip, postgres, count)
        print(f"  {count} worker{'s' if count > 1 else ' '} of {AT_ONCE} steps: {rate:5.1f} takes/s, ratio {rate / alone:.2f}", flush=True)


def local(program, folder, clip):
    site = Site(program, folder / "local", clip)
    with site:
        return site.run("--concurrency", str(AT_ONCE))


def fleet(program, folder, clip, postgres, count):
    site = Site(program, folder / f"fleet_{count}", clip)
    store = site.folder / "store"
    store.mkdir()
    shared = ["--ledger", postgres.database(f"fleet_{count}"), "--store", f"file://{store}"]
    with site:
        workers = [site.start("worker", *shared, "--concurrency", str(AT_ONCE)) for _ in range(count)]
        try:
            return site.run(*shared)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                require(worker.wait(timeout=60) == 0, "a worker did not end well")


class Site:
    """A project, and a simulator that answers it at once."""

    def __init__(self, program, folder, clip):
        self.program, self.folder, self.clip = program, folder, clip
        (folder / "project").mkdir(parents=True)
        render = 'title = "Market"\n[render]\nprovider = "simulator"\ntier = "fast"\nresolution = "480p"\n'
        shot = '\n[[shot]]\nid = "SH{:04}"\nprompt = "A street market at dawn, take {}."\nduration = 4\n'
        shots = render + "".join(shot.format(number, number) for number in range(1, TAKES + 1))
        (folder / "project" / "shots.toml").write_text(shots)

    def __enter__(self):
        command = [self.program, "simulator", "--listen", "127.0.0.1:0", "--clip", self.clip, "--folder", str(self.folder / "sim")]
        self.simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = json.loads(self.simulator.stdout.readline())["url"]
        names = ("FAL_KEY", "SEEDPOST_FAL_URL", "SEEDPOST_LEDGER", "SEEDPOST_STORE")
        self.environment = {name: value for name, value in os.environ.items() if name not in names}
        self.environment["SEEDPOST_SIMULATOR_URL"] = url
        return self

    def __exit__(self, *_):
        self.simulator.terminate()
        self.simulator.wait()

    def start(self, *arguments):
        log = open(self.folder / "workers.log", "a")
        return subprocess.Popen([self.program, *arguments], env=self.environment, cwd=self.folder, stderr=log)

    def run(self, *arguments):
        """Renders all takes; answers how many seconds it took."""
        shots = str(self.folder / "project" / "shots.toml")
        command = [self.program, "run", shots, "--no-finish", "--progress", "none", *arguments]
        begin = time.perf_counter()
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        require(ended.returncode == 0, f"seedpost run ended with {ended.returncode}\n{ended.stderr[-2000:]}")
        clips = len(list(self.folder.glob("project/takes/*/*/render.mp4")))
        require(clips == TAKES, f"{clips} of {TAKES} clips")
        jobs = (self.folder / "sim" / "jobs.jsonl").read_text().splitlines()
        charged = {json.loads(line)["request_id"] for line in jobs if line}
        require(len(charged) == TAKES, f"{len(charged)} jobs for {TAKES} takes")
        return seconds


class Postgres:
    """A server of its own, on this machine only."""

    def __init__(self, folder):
        self.programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.folder = Path(tempfile.mkdtemp(prefix="seedpost-bench-"))
        # It refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(self.folder, self.user)
        self.port = 5000 + os.getpid() % 20000

    def __enter__(self):
        data = str(self.folder / "data")
        self.call("initdb", "-D", data, "-A", "trust", "-U", "seedpost")
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        self.call("pg_ctl", "-D", data, "-o", options, "-l", str(self.folder / "log"), "-w", "start")
        return self

    def __exit__(self, *_):
        self.call("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def call(self, name, *arguments):
        command = [str(self.programs / name), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=self.user, cwd="/")

    def database(self, name):
        self.call("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "seedpost", name)
        return f"postgres://seedpost@127.0.0.1:{self.port}/{name}"

    def rows(self, clients):
        """Single rows of an event's size, each on disk before the next of its connection."""
        name = f"rows_{clients}"
        self.database(name)
        server = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "seedpost"]
        table = "CREATE TABLE event (take TEXT, seq BIGSERIAL, payload TEXT, PRIMARY KEY (take, seq))"
        self.call("psql", *server, "-q", "-c", table, name)
        script = self.folder / "row.sql"
        script.write_text("INSERT INTO event (take, payload) VALUES ('SC' || :client_id, repeat('x', 300));\n")
        script.chmod(0o644)
        command = [str(self.programs / "pgbench"), *server, "-n", "-f", str(script), "-c", str(clients), "-j", "2", "-T", "5", name]
        told = subprocess.run(command, check=True, capture_output=True, text=True, user=self.user, cwd="/").stdout
        return float(re.search(r"tps = ([\d.]+)", told)[1])


def run_json(program, *arguments):
    return json.loads(subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
