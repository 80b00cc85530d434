"""Validates JSON files against a schema (JSON Schema 2020-12): check_schema.py SCHEMA FILE..."""

import json
import sys

from jsonschema import Draft202012Validator


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


schema = load(sys.argv[1])
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
wrong = [f"{path}: {error.json_path}: {error.message}" for path in sys.argv[2:] for error in validator.iter_errors(load(path))]
if wrong:
    sys.exit("\n".join(wrong))
