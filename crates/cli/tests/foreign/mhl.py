"""Asks ASC MHL's reference tool (ascmhl) what it makes of folders.

Usage: mhl.py FOLDER [FOLDER ...]
       mhl.py --create FOLDER [ARGUMENT ...]

Prints a line of JSON a folder: the exit codes of `info`, `diff`, `verify` and `verify -dh`, and of each generation how
many hashes of each action and how many folders it has. With --create, has the tool add a generation. Its commands are
called without its programs, which look for updates on the network.
"""

import contextlib
import io
import json
import sys
from collections import Counter
from pathlib import Path

import click
from ascmhl import commands
from ascmhl.history import MHLHistory


def ask(command, *arguments):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            command.main(list(arguments), standalone_mode=False)
        except click.ClickException as told:
            return told.exit_code
        except Exception:  # As the interpreter ends then.
            return 1
    return 0


def generations(folder):
    try:
        history = MHLHistory.load_from_path(folder)
    except Exception:
        return None
    told = []
    for generation in history.hash_lists:
        files = [record for record in generation.media_hashes if not record.is_directory]
        actions = Counter(hash.action for record in files for hash in record.hash_entries)
        folders = [record for record in generation.media_hashes if record.is_directory and record.hash_entries]
        root = generation.process_info.root_media_hash
        told.append({"actions": actions, "folders": len(folders), "root": bool(root and root.hash_entries)})
    return told


def main(arguments):
    if arguments[0] == "--create":
        print(ask(commands.create, *arguments[1:]))
        return
    for folder in arguments:
        # The tool wants whole paths without a stroke at their end.
        folder = str(Path(folder).resolve())
        codes = {
            "info": ask(commands.info, folder),
            "diff": ask(commands.diff, folder),
            "verify": ask(commands.verify, folder),
            "folders": ask(commands.verify, folder, "-dh"),
        }
        print(json.dumps(codes | {"generations": generations(folder)}))


main(sys.argv[1:])
