#!/usr/bin/env python3
"""Makes the sample project that `./dev demo` works on: a small Python program, `words`, with a bug that a test shows, and
wishes for features in `features/`. All of it comes from a seed: which bug, which features, their names and parameters.

Three things are planted, and nothing says where they are:
  - two features register themselves in the same line, so that the second to be merged is in conflict;
  - one feature has a step whose obvious implementation is wrong in a case that its test has;
  - one feature leaves a choice open, over which its author and its reviewer can disagree.

    sample_project.py SEED DIRECTORY      writes the project and commits it
    sample_project.py --check DIRECTORY   holds a project against its own wishes; for after the work
"""

import importlib
import os
import pathlib
import random
import re
import subprocess
import sys

PROJECT = {}

PROJECT["words/__init__.py"] = '"""Small operations on text. `python3 -m words OPERATION TEXT` applies one."""\n'
PROJECT["words/__main__.py"] = """import sys

from words.cli import main

sys.exit(main(sys.argv[1:]))
"""
PROJECT["words/ops/__init__.py"] = '"""One module an operation, each with `apply(text)`."""\n'
PROJECT["words/flags/__init__.py"] = '"""One module a flag, each with `apply(text)`, which is given what the operation made."""\n'
PROJECT["words/cli.py"] = '''"""The command line."""

import importlib

FLAGS = ["help"]


def main(arguments):
    flags = [a[2:] for a in arguments if a.startswith("--")]
    rest = [a for a in arguments if not a.startswith("--")]
    for flag in flags:
        if flag not in FLAGS:
            print(f"words: there is no flag --{flag}")
            return 2
    if "help" in flags or len(rest) < 2:
        print("usage: words [--FLAG]... OPERATION TEXT")
        return 0 if "help" in flags else 2
    text = importlib.import_module("words.ops." + rest[0].replace("-", "_")).apply(" ".join(rest[1:]))
    for flag in flags:
        text = importlib.import_module("words.flags." + flag.replace("-", "_")).apply(text)
    print(text)
    return 0
'''
PROJECT["words/ops/plain.py"] = '''"""Leaves the text as it is."""


def apply(text):
    return text
'''
PROJECT["tests/__init__.py"] = ""
PROJECT["tests/test_cli.py"] = '''import contextlib
import io
import unittest

from words.cli import main


def run(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = main(list(arguments))
    return status, out.getvalue()


class Cli(unittest.TestCase):
    def test_operation(self):
        self.assertEqual(run("plain", "one", "two"), (0, "one two\\n"))

    def test_unknown_flag(self):
        self.assertEqual(run("--nonsense", "plain", "x")[0], 2)

    def test_help(self):
        self.assertEqual(run("--help")[0], 0)
'''
PROJECT[".gitignore"] = "__pycache__/\n*.pyc\n"

# The core, right; a seed breaks one line of it.
CORE = '''"""What the operations share."""


def tokens(text):
    """The words of a text."""
    return text.split()


def clamp(number, low, high):
    """The number, or the nearer bound."""
    return max(low, min(number, high))


def chunks(items, size):
    """The items in lists of `size`; the last may be shorter."""
    return [items[i:i + size] for i in range(0, len(items), size)]


def indent(text, width):
    """Every line moved to the right."""
    return "\\n".join(" " * width + line for line in text.split("\\n"))


def ordinal(index):
    """The number of the item with this index, as people count."""
    return index + 1
'''
BUGS = [
    ("tokens", "text.split()", 'text.split(" ")'),
    ("clamp", "max(low, min(number, high))", "min(low, max(number, high))"),
    ("chunks", "range(0, len(items), size)", "range(0, len(items) - 1, size)"),
    ("indent", 'text.split("\\n")', "text.split()"),
    ("ordinal", "index + 1", "index - 1"),
]
CORE_TEST = '''import unittest

from words import core


class Core(unittest.TestCase):
    def test_tokens(self):
        self.assertEqual(core.tokens(" a  b c"), ["a", "b", "c"])

    def test_clamp(self):
        self.assertEqual([core.clamp(n, 1, 5) for n in (0, 3, 9)], [1, 3, 5])

    def test_chunks(self):
        self.assertEqual(core.chunks([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]])

    def test_indent(self):
        self.assertEqual(core.indent("a b\\nc", 2), "  a b\\n  c")

    def test_ordinal(self):
        self.assertEqual([core.ordinal(i) for i in range(3)], [1, 2, 3])
'''


# What a step means. The generator works examples out with these; the agents have to write code for the same words.
STEPS = {
    "lower": lambda t: t.lower(),
    "upper": lambda t: t.upper(),
    "swap-case": lambda t: t.swapcase(),
    "reverse-words": lambda t: " ".join(reversed(t.split())),
    "reverse-letters": lambda t: t[::-1],
    "sort-words": lambda t: " ".join(sorted(t.split())),
    "unique-words": lambda t: " ".join(dict.fromkeys(t.split())),
    "squeeze": lambda t: " ".join(t.split()),
    "initials": lambda t: "".join(w[0] for w in t.split()),
    "take": lambda t, n: " ".join(t.split()[:int(n)]),
    "drop": lambda t, n: " ".join(t.split()[int(n):]),
    "rotate": lambda t, n: " ".join((lambda w: w[int(n) % len(w):] + w[:int(n) % len(w)] if w else w)(t.split())),
    "join": lambda t, s: s.join(t.split()),
    "prefix": lambda t, s: s + t,
    "suffix": lambda t, s: t + s,
    # Those with an obvious implementation that is wrong.
    "capital-words": lambda t: " ".join(w[:1].upper() + w[1:] for w in t.split(" ")),
    "without-suffix": lambda t, s: t.removesuffix(s),
    "without-prefix": lambda t, s: t.removeprefix(s),
    "number-lines": lambda t: "\n".join(f"{i + 1} {line}" for i, line in enumerate(t.split("\n"))),
}

TEXTS = ["one two three", "The quick brown fox", "a b a c a", "Hello   there  World", "swarm of small things",
         "it ends as it began", "north east south west north", "Red green Blue red"]
# Cases in which the obvious implementation of a step is wrong.
TRAPS = {
    "capital-words": ([], ["don't stop now", "McKay of o'neill"]),
    "without-suffix": (["tions"], ["stations", "sitting still", "motions"]),
    "without-prefix": (["re"], ["reerect", "rerender it", "return"]),
    "number-lines": ([], ["one\u2028two", "end\n", "a\x0cb\nc"]),
}
PLAIN_STEPS = [("lower",), ("upper",), ("swap-case",), ("reverse-words",), ("reverse-letters",), ("sort-words",),
               ("unique-words",), ("squeeze",), ("take", 2), ("take", 3), ("drop", 1), ("rotate", 1), ("rotate", 2),
               ("prefix", "> "), ("suffix", "!"), ("suffix", " (end)")]
FLAG_STEPS = [("upper",), ("reverse-letters",), ("prefix", "* "), ("suffix", " <"), ("swap-case",), ("initials",)]
NAMES = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "juniper", "krill", "larch"]


def run_steps(steps, text):
    for name, *arguments in steps:
        text = STEPS[name](text, *[str(a) for a in arguments])
    return text


def quoted(text):
    """One line, whatever is in it."""
    return repr(text)


def spelled(steps):
    return " | ".join(" ".join([name, *[quoted(a) if isinstance(a, str) else str(a) for a in rest]])
                      for name, *rest in steps)


def parse_steps(text):
    steps = []
    for part in re.findall(r"""(?:[^|'"]|'[^']*'|"[^"]*")+""", text):
        name, _, rest = part.strip().partition(" ")
        steps.append((name, *([eval(rest, {})] if rest else [])))  # a literal of our own file
    return steps


class Wish:
    """One feature that is wished for."""

    def __init__(self, name, kind, steps, texts, tested, choice=(), title=""):
        self.name, self.kind, self.steps, self.texts, self.tested = name, kind, steps, texts, tested
        self.choice, self.title = choice, title

    @property
    def module(self):
        return f"words.{'ops' if self.kind == 'op' else 'flags'}.{self.name}"

    @property
    def path(self):
        return self.module.replace(".", "/") + ".py"

    def accepted(self, text):
        """What may come out: more than one thing where the wish leaves a choice."""
        if not self.choice:
            return [run_steps(self.steps, text)]
        return [run_steps([*self.steps, ("join", c)], text) for c in self.choice]

    def file(self):
        lines = [f"title: {self.title}", f"kind: {self.kind}", f"name: {self.name}", f"module: {self.path}",
                 f"test: tests/test_{self.name}.py", f"steps: {spelled(self.steps)}", "needs: fix-core"]
        if self.choice:
            lines.append("choose: join " + " or ".join(quoted(c) for c in self.choice))
        if self.kind == "flag":
            lines += ["register: words/cli.py", "list: FLAGS", "priority: high"]
        for text in self.texts:
            lines.append(f"example: {quoted(text)} => " + " or ".join(quoted(a) for a in self.accepted(text)))
        return "\n".join(lines) + "\n"

    def test(self):
        out = ["import importlib.util", "import unittest", "",
               f'WISHED = importlib.util.find_spec("{self.module}") is None', "", "",
               '@unittest.skipIf(WISHED, "nobody has made it yet")', f"class {self.name.capitalize()}(unittest.TestCase):"]
        for i, text in enumerate(self.tested):
            out += [f"    def test_{i}(self):", f"        from {self.module} import apply"]
            accepted = self.accepted(text)
            out.append(f"        self.assertEqual(apply({quoted(text)}), {quoted(accepted[0])})" if len(accepted) == 1
                       else f"        self.assertIn(apply({quoted(text)}), {accepted!r})")
            out.append("")
        if self.kind == "flag":
            out += ["    def test_registered(self):", "        from words.cli import FLAGS",
                    f'        self.assertIn("{self.name}", FLAGS)', ""]
        return "\n".join(out)


def wishes(rng):
    names = rng.sample(NAMES, 6)
    texts = lambda: rng.sample(TEXTS, 4)
    made = []
    for step, name in zip(rng.sample(FLAG_STEPS, 2), names[:2]):
        some = texts()
        made.append(Wish(name, "flag", [step], some, some[:3], title=f"A flag --{name}"))
    for name in names[2:4]:
        some = texts()
        made.append(Wish(name, "op", rng.sample(PLAIN_STEPS, rng.choice([2, 3])), some, some[:3],
                         title=f"An operation {name}"))
    trap = rng.choice(sorted(TRAPS))
    arguments, cases = TRAPS[trap]
    some = [*texts()[:2], *cases]
    before = [rng.choice([("squeeze",), ("take", 4)])] if trap != "number-lines" else []
    made.append(Wish(names[4], "op", [*before, (trap, *arguments)], some, [some[0], *cases[:2]],
                     title=f"An operation {names[4]}"))
    some = texts()
    choice = tuple(rng.sample(["-", "_", ".", "/"], 2))
    made.append(Wish(names[5], "op", [rng.choice([("lower",), ("sort-words",), ("unique-words",)])], some, some[:3], choice,
                     title=f"An operation {names[5]}"))
    return made


def git(directory, *arguments):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
                   "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    subprocess.run(["git", "-C", str(directory), "-c", "user.name=A Person", "-c", "user.email=person@example.org",
                    *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)


def make(seed, directory):
    rng = random.Random(f"words {seed}")
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    files = dict(PROJECT)
    function, right, wrong = rng.choice(BUGS)
    files["words/core.py"] = CORE.replace(right, wrong)
    assert files["words/core.py"] != CORE
    files["tests/test_core.py"] = CORE_TEST
    files["features/fix-core.feature"] = (f"title: Mend `{function}` in words/core.py\nkind: fix\nname: fix-core\n"
                                          f"module: words/core.py\nfunction: {function}\ntest: tests/test_core.py\n"
                                          "priority: high\n")
    made = wishes(rng)
    for wish in made:
        files[f"features/{wish.name}.feature"] = wish.file()
        files[f"tests/test_{wish.name}.py"] = wish.test()
    files["README.md"] = ("# words\n\nSmall operations on text. `python3 -m words OPERATION TEXT`.\n\n"
                          "What is wished for stands in `features/`, a file each; how it is tested in `tests/`:\n\n"
                          "    python3 -m unittest discover -s tests -t .\n")
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "words: a small program and what is wished for")
    print(f"seed {seed}: {function} in words/core.py is broken; {len(made)} features are wished for")


def check(directory):
    """Every wish against what the code does; wishes and cases are read from the files, not from the seed."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(directory))
    wrong = 0
    for path in sorted(pathlib.Path(directory).glob("features/*.feature")):
        lines = [line.partition(": ")[::2] for line in path.read_text().splitlines()]
        wish = dict(lines)
        if wish["kind"] == "fix":
            continue
        try:
            module = importlib.import_module(wish["module"][:-3].replace("/", "."))
        except ImportError as error:
            print(f"{wish['name']}: {error}")
            wrong += 1
            continue
        for key, value in lines:
            if key != "example":
                continue
            text, _, results = value.partition(" => ")
            got = module.apply(eval(text, {}))  # literals of our own file
            if got not in [eval(r, {}) for r in results.split(" or ")]:
                print(f"{wish['name']}: apply({text}) is {got!r}, wished for is {results}")
                wrong += 1
        if wish["kind"] == "flag" and wish["name"] not in importlib.import_module("words.cli").FLAGS:
            print(f"{wish['name']}: --{wish['name']} is not registered")
            wrong += 1
    print("every wish holds" if wrong == 0 else f"{wrong} cases do not hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        sys.exit(check(sys.argv[2]))
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(sys.argv[1], sys.argv[2])
