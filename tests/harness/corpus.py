"""The corpus: every example and every passing case, compiled for every target."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = [f"cilium-1.{minor}" for minor in range(14, 21)] + ["envoy"]


class Program:
    """A folder of policies with what it is compiled with."""

    def __init__(self, folder):
        self.folder = folder
        self.name = f"{folder.parent.name}/{folder.name}"
        expect = folder / "expect.txt"
        lines = expect.read_text().splitlines() if expect.exists() else []
        self.sets = [line[4:] for line in lines if line.startswith("set ")]
        catalog = folder / "services.yaml"
        self.catalog = catalog if catalog.exists() else None

    @classmethod
    def drawn(cls, file):
        """A program of the generator of programs over the whole grammar."""
        program = cls.__new__(cls)
        program.folder, program.name, program.sets, program.catalog = file, f"drawn/{file.stem}", [], None
        return program

    def compile(self, meshc, target):
        """The manifest as YAML text; None where the target refuses the program."""
        command = [meshc, "compile", str(self.folder), "--target", target]
        command += [part for value in self.sets for part in ("--set", value)]
        if self.catalog:
            command += ["--catalog", str(self.catalog)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode == 1:
            return None
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} for {target}: {done.stderr}")
        return done.stdout


def programs():
    """All programs, in the order of their names."""
    folders = sorted((ROOT / "examples").iterdir()) + sorted((ROOT / "tests" / "cases").iterdir())
    return [Program(folder) for folder in folders if folder.is_dir()]


def drawn(generate, folder, count):
    """So many programs over the whole grammar, always the same."""
    subprocess.run([generate, "random", str(folder), str(count)], check=True, timeout=60)
    return [Program.drawn(file) for file in sorted(pathlib.Path(folder).iterdir())]


def compiled(meshc, targets, chosen=None):
    """Yields (program, target, manifest text) for whatever compiles to something."""
    for program in chosen or programs():
        for target in targets:
            text = program.compile(meshc, target)
            if text:
                yield program, target, text
