"""One list, many readers: every export of a cut, read back by other people's programs, tells what the model tells.

Usage: exports.py [--links PREFIX] [--media] [--self-test FOLDER] FOLDER…

A folder has `model.json` (the cut), `losses.json` (what the exports could not carry), the exports, and `expected.json`
where it matters which forms must be there. Every reader of `readers/` reads its form; what is declared lost is taken
off the model, and the rest is compared exactly. What a reader lacks without a declared loss, what is declared lost
and yet there, and what neither a reader sees nor a loss declares is a disagreement. `--links` is what stands before
relative paths of media; with `--media` each of them must be a file. `--self-test` spoils the model of a folder in
many ways, each of which some reader must notice. Exit code 1 where anything disagrees.
"""

import argparse
import importlib
import json
import multiprocessing
import pkgutil
import sys
from collections import defaultdict
from pathlib import Path

import readers
import exports_mutations
from exports_compare import answer, check_form
from exports_losses import Losses
from exports_model import rate_of, rows_of_model, rows_of_reader

ENDINGS = {
    "_cmx3600.edl": "edl",
    "_file32.edl": "edl32",
    "_markers_resolve.edl": "resolve-markers",
    "_markers_avid.txt": "avid-markers",
    ".otio": "otio",
    ".xml": "xmeml",
    ".fcpxml": "fcpxml",
    ".ale": "ale",
    ".rpp": "reaper",
    ".aaf": "aaf",
    "_adr.txt": "adr-text",
    "_adr_session.txt": "adr-session",
    "_adr.csv": "adr-csv",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", default="")
    parser.add_argument("--media", action="store_true")
    parser.add_argument("--self-test", type=Path, action="append", default=[])
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    # The largest first, so that no process is left alone with one at the end.
    folders = sorted(options.folders, key=lambda path: -(path / "model.json").stat().st_size)
    tasks = [(check_folder, path, options) for path in folders]
    tasks += [(test_form, (path, form), options) for path in options.self_test for form in dict(exports_in(path))]
    problems, tally = [], Tally()
    # Forked, so that other people's programs are loaded once.
    with multiprocessing.get_context("fork").Pool() as pool:
        for told, counted in pool.imap_unordered(run, tasks, chunksize=1):
            problems += told
            tally.add(counted)
    for problem in sorted(problems):
        print(problem)
    tally.print(len(folders))
    return 1 if problems else 0


def run(task):
    work, what, options = task
    tally = Tally()
    return list(work(what, options, tally)), tally


def check_folder(path, options, tally):
    problems = check(Folder(path, options.links), tally, options.media)
    return (f"{path.name}: {problem}" for problem in problems)


def test_form(what, options, tally):
    path, form = what
    problems = exports_mutations.self_test(Folder(path, options.links), form, READERS[form], tally)
    return (f"self-test of {path.name}: {problem}" for problem in problems)


def load_readers():
    """Form, then its readers."""
    by_format = defaultdict(list)
    for module in pkgutil.iter_modules(readers.__path__):
        found = importlib.import_module(f"readers.{module.name}")
        for reader in getattr(found, "READERS", []):
            by_format[reader.format].append(reader)
    return by_format


READERS = load_readers()


class Folder:
    """A cut, its exports, and what they could not carry."""

    def __init__(self, path, prefix):
        self.path, self.prefix = path, prefix
        self.model = json.loads((path / "model.json").read_text(encoding="utf-8"))
        losses = json.loads((path / "losses.json").read_text(encoding="utf-8"))
        if losses["schema"] != "seedpost.losses/1":
            sys.exit(f"{path}: the schema is {losses['schema']}")
        self.losses = losses["losses"]
        self.exports = dict(sorted(exports_in(path)))

    def expected(self):
        """The forms that must be there."""
        file = self.path / "expected.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []

    def losses_of(self, form):
        return [loss for loss in self.losses if loss["format"] == form]

    def read(self, form, reader):
        return rows_of_reader(reader.read(self.exports[form], rate_of(self.model), self.model))


def exports_in(path):
    for file in path.iterdir():
        ending = max((ending for ending in ENDINGS if file.name.endswith(ending)), key=len, default=None)
        if ending:
            yield ENDINGS[ending], file


class Tally:
    """What was compared, by form."""

    def __init__(self):
        self.readers, self.files, self.rows = defaultdict(dict), defaultdict(int), defaultdict(int)
        self.losses, self.spoilt = defaultdict(int), defaultdict(int)

    def add(self, other):
        for form, names in other.readers.items():
            self.readers[form] |= names
        for mine, theirs in zip(self.counts(), other.counts()):
            for form, count in theirs.items():
                mine[form] += count

    def counts(self):
        return [self.files, self.rows, self.losses, self.spoilt]

    def print(self, folders):
        print(f"{folders} cuts")
        print(f"{'form':17}{'files':>6}{'rows':>8}{'losses':>8}{'spoilt':>8}  readers")
        for form in [form for form in ENDINGS.values() if form in self.files or form in self.spoilt]:
            numbers = f"{self.files[form]:>6}{self.rows[form]:>8}{self.losses[form]:>8}{self.spoilt[form]:>8}"
            print(f"{form:17}{numbers}  {', '.join(self.readers[form])}")


def check(folder, tally, media):
    model = rows_of_model(folder.model, folder.prefix)
    for form in sorted(set(folder.expected()) - set(folder.exports)):
        yield f"{form}: no such file"
    for loss in folder.losses:
        if loss["format"] not in ENDINGS.values():
            yield f"a loss of an unknown form: {loss}"
    for form in folder.exports:
        if not READERS[form]:
            yield f"{form}: nobody reads it"
            continue
        answers = {reader.name: answer(folder, form, reader) for reader in READERS[form]}
        tally.readers[form] |= dict.fromkeys(answers)
        tally.files[form] += 1
        tally.losses[form] += len(folder.losses_of(form))
        read = [found for found in answers.values() if not isinstance(found, Exception)]
        tally.rows[form] += sum(len(rows) for found in read for rows in found.values())
        yield from check_form(form, READERS[form], answers, Losses(folder.losses_of(form), model))
        if media:
            yield from links(folder, form, answers)


def links(folder, form, answers):
    """Every way to media must end at a file."""
    for reader, rows in answers.items():
        if isinstance(rows, Exception):
            continue
        for row in [*rows.get("clip", []), *rows.get("stem", [])]:
            if "link" in row and not (folder.path / row["link"]).is_file():
                yield f"{form}: {reader}: {row['name']}: no file at {row['link']!r}"


if __name__ == "__main__":
    sys.exit(main())
