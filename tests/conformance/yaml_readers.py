"""Emitted YAML, with hostile text in every place that a user fills, means the same to a reader of
YAML 1.1 and to one of YAML 1.2 as the JSON of the same program: yaml_readers.py MESHC"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile

import ruamel.yaml
import yaml

TEXTS = [
    "on", "off", "yes", "no", "y", "n", "On", "NO", "null", "Null", "~", "true", "False", "0", "1", "-1", "+1", "007", "0o7", "0x1f",
    "1e3", "1E400", "1.", ".5", "-.inf", ".nan", "1_000", "1:30", "1:30:00", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<<",
    "- a", "-", "--- a", "---", "...", "a: b", "a:", ":a", ":", "a #b", "#a", "&a", "*a", "!t", "!!str a", "|", ">", "|-", "%TAG", "@a",
    "'", "''", "'a", '"', 'a"b', "a'b", "{", "}", "{}", "{a: b}", "[", "]", "[]", "[a, b]", ",", "?", "? a", "{{ x }}", "${x}", "`",
    " a", "a ", "  ", "", "a  b", "\\", "a\\b", "\\n", "\u00e9", "\u00a0", "\ufffd", "\U0001f600", "\u0085", "\u2028", "\u2029", "\ufeff",
    "a" * 300, "a b " * 80, "cert\tb", "kind: Secret", "a: 1\nb: 2", "---\nkind: Secret", "\n", "a\n", "\na", "a\n\nb\n", "\t",
]

# Each place holds the text `%s` in the form of a text of the language.
PLACES = [
    "route a:80 respond 200 %s",
    "route a:80 request header set x-a %s",
    "route a:80 response header add x-a %s",
    "route a:80 ratelimit 2/5s header x-a %s",
    "route a:80 { when header x-a = %s { respond 204 } }",
    "route a:80 { when header x-a prefix %s { respond 204 } }",
    "route a:80 { when query x = %s { respond 204 } }",
    "route a:80 { when query %s exists { respond 204 } }",
    "route a:80 accesslog stdout %s",
    "route a:80 rewrite regex `a` to %s",
    "service a:80 { selector app=%s; version v1 }",
    "service a:80 { selector %s=x; version v1 }",
]


def quoted(text):
    """The text in the language's own quotes; characters that may not stand there are escaped."""
    out = []
    for c in text:
        plain = c.isprintable() and c not in '"\\' and c not in "\u00a0"
        out.append(c if plain else {'"': '\\"', "\\": "\\\\", "\n": "\\n"}.get(c, f"\\u{{{ord(c):x}}}"))
    return '"' + "".join(out) + '"'


def holds(value, texts):
    """Whether one of the texts stands somewhere in a JSON value, as a key or a value."""
    if isinstance(value, dict):
        return any(key in texts or holds(inner, texts) for key, inner in value.items())
    if isinstance(value, list):
        return any(holds(inner, texts) for inner in value)
    return value in texts


def run(meshc, path, form):
    done = subprocess.run([meshc, "compile", path, "-o", form], capture_output=True, text=True, timeout=60)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return done.stdout if done.returncode == 0 else None


def main():
    meshc = sys.argv[1]
    passed = failed = refused = 0
    newer = ruamel.yaml.YAML(typ="safe", pure=True)
    newer.version = (1, 2)
    for place in PLACES:
        for text in TEXTS:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "p.mesh")
                path.write_text(place % quoted(text) + "\n")
                written = run(meshc, str(path), "json")
                if written is None:
                    refused += 1
                    continue
                meant = json.loads(written)["items"]
                emitted = run(meshc, str(path), "yaml")
            seen = [list(yaml.safe_load_all(emitted)), list(newer.load_all(io.StringIO(emitted)))]
            # A percent sign is doubled for Envoy, a log's line gets its end, and a beginning that
            # every text has is a pattern.
            wanted = {text, text.replace("%", "%%"), text + "\n", text or ".*"}
            if seen == [meant, meant] and holds(meant, wanted):
                passed += 1
            else:
                failed += 1
                print(f"{place} with {text!r}")
    print(f"{refused} of these texts are refused by their places")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or passed < 400 else 0)


if __name__ == "__main__":
    main()
