"""A suite's file: what it says, what is wrong with it, and that it never runs code."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diml_inverse import plugins
from diml_inverse.benchmark.running.entries import Entry, entries_named
from diml_inverse.benchmark.running.estimators import ABLATION, ESTIMATORS, MAIN, SURROGATES
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.suites import SUITES, Suite, _suite, read_suite
from diml_inverse.benchmark.tasks.catalogue import TASKS, in_order, task_named, tasks_like

WHOLE = """
about = "two games"
tasks = ["congestion-small-v0", "E7-n*"]
seeds = [3, 1]
quick = ["E7-n40"]
estimators = ["auto", { name = "smooth", use = "tabular", settings = { ridge = 1.0 } }, "published*"]
limits = { seconds = 20.5, memory_mb = 900 }
"""


def written(folder, text):
    path = folder / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_a_file_says(tmp_path):
    suite = read_suite(written(tmp_path, WHOLE))
    assert suite.name == "mine"
    assert suite.about == "two games"
    assert list(suite.tasks) == ["congestion-small-v0", "E7-n40", "E7-n80", "E7-n120", "E7-n200", "E7-n300"]
    assert suite.tasks["E7-n80"] is TASKS["E7-n80"]
    assert suite.estimators[:2] == (Entry("auto", "auto"), Entry("smooth", "tabular", {"ridge": 1.0}))
    assert [entry.name for entry in suite.estimators[2:]] == ["published", "published_exact", "published_early"]
    assert (suite.seeds, suite.quick, suite.limits) == ((3, 1), ("E7-n40",), Limits(20.5, 900))


def test_what_may_be_left_out(tmp_path):
    suite = read_suite(written(tmp_path, 'tasks = ["E1", "E2", "E3"]\nestimators = ["auto"]'))
    assert (suite.seeds, suite.quick, suite.limits, suite.about) == ((0, 1, 2), ("E1", "E2"), Limits(), "")


def test_built_in_suites():
    assert set(SUITES) == {"consistency", "core", "learners", "paper", "strangers"}
    assert tuple(entry.name for entry in SUITES["paper"].estimators) == MAIN
    assert list(SUITES["paper"].tasks)[:4] == ["E1", "E2", "E3", "E7-n40"]
    assert {entry.name for entry in SUITES["learners"].estimators} == {"auto", *SURROGATES}
    core = SUITES["core"]
    assert len(core.tasks) >= 12
    assert len(core.estimators) >= 8
    applied = [entry for task in core.tasks.values() for entry in core.estimators if not entry.why_not(task)]
    assert len(applied) >= 12 * 8 - 8


def test_every_task_has_a_version_and_a_sentence():
    for name, task in TASKS.items():
        assert task.name == name
        assert re.fullmatch(r"E\d.*|[a-z0-9-]+-v\d", name)
        assert task.about.endswith(".")
        assert task_named(name) is task
    assert task_named("E2-v0") is TASKS["E2"]
    assert list(tasks_like(["E2", "E2-v0", "E2"])) == ["E2"]


def test_settings_reach_the_estimator():
    estimator = Entry("smooth", "tabular", {"ridge": 2.5}).build(TASKS["E2"], 0)
    assert estimator.ridge == 2.5
    with pytest.raises(ValueError, match="takes no setting 'rigde'; did you mean 'ridge'"):
        Entry("smooth", "tabular", {"rigde": 2.5}).build(TASKS["E2"], 0)


def test_names_for_several():
    assert tuple(entry.name for entry in entries_named(["ablation", "auto"])) == ABLATION
    assert in_order(["mine", "neural", "other", "auto", "mine"], ESTIMATORS) == ["auto", "neural", "mine", "other"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks = [", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("", "tasks must list at least one"),
        ('tasks = ["E1"]', "estimators must list at least one"),
        ('task = ["E1"]\nestimators = ["auto"]', "unknown key 'task'; did you mean 'tasks'"),
        ('tasks = "E1"\nestimators = ["auto"]', "tasks must be a list; got 'E1'"),
        ('tasks = [1]\nestimators = ["auto"]', "tasks must be a list of names; got 1"),
        ('tasks = ["congestion-smal-v0"]\nestimators = ["auto"]', "did you mean 'congestion-small-v0'"),
        ('tasks = ["Q*"]\nestimators = ["auto"]', "no task is like 'Q*'"),
        ('tasks = ["E1"]\nestimators = ["neurol"]', "no estimator 'neurol'; did you mean 'neural'"),
        ('tasks = ["E1"]\nestimators = [3]', "estimators[0] must be a name, or a table with `use`; got 3"),
        ('tasks = ["E1"]\nestimators = [{name = "x"}]', "estimators[0] must say which estimator to `use`"),
        ('tasks = ["E1"]\nestimators = [{use = "auto", x = 1}]', "estimators[0]: unknown key 'x'"),
        ('tasks = ["E1"]\nestimators = [{use = "auto", name = "../x"}]', "must be of letters, digits and _ . -"),
        ('tasks = ["E1"]\nestimators = [{use = "auto", settings = {t = 1979-05-27}}]', "setting 't' must be"),
        ('tasks = ["E1"]\nestimators = [{use = "auto", settings = {t = [nan]}}]', "setting 't' must be"),
        ('tasks = ["E1"]\nestimators = [{use = "auto", settings = {task = 1}}]', "told nothing of the task"),
        ('tasks = ["E1"]\nestimators = ["auto", "auto"]', "two estimators are called 'auto'"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nseeds = [0, 0]', "seeds must be distinct whole numbers"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nseeds = [true]', "seeds must be a list of whole numbers"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nseeds = [-1]', "seeds must be distinct whole numbers"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nquick = ["E2"]', "quick: 'E2' is not among the tasks"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nlimits = {second = 1}', "did you mean 'seconds'"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nlimits = {seconds = 0}', "seconds must be above 0"),
        ('tasks = ["E1"]\nestimators = ["auto"]\nlimits = {memory_mb = 1.5}', "memory_mb must be a whole number"),
    ],
)
def test_what_is_wrong_is_said(text, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_suite(written(tmp_path, text))
    assert "mine.toml" in str(caught.value)


def test_no_such_file_a_folder_and_one_too_large(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_suite(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="is a folder"):
        read_suite(tmp_path)
    with pytest.raises(ValueError, match="bytes"):
        read_suite(written(tmp_path, "#" * 2**21))


@pytest.mark.parametrize("use", ["{file}:Evil", "{module}:Evil", "{module}.Evil", "os:system", "Evil"])
def test_a_file_names_no_code(use, tmp_path, monkeypatch):
    """Even a file beside it, or an importable one: only what is built in, installed or on the command line."""
    (tmp_path / "evil.py").write_text("raise SystemExit('code of a file was run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    use = use.format(file=tmp_path / "evil.py", module="evil")
    with pytest.raises(ValueError, match="no estimator"):
        read_suite(written(tmp_path, f'tasks = ["E1"]\nestimators = [{{name = "x", use = "{use}"}}]'))


def test_a_plug_in_of_the_command_line_may_be_named(tmp_path):
    text = 'tasks = ["E1"]\nestimators = [{name = "a", use = "Mine", settings = {smoothing = 2.0}}, "Mine"]'
    first, second = read_suite(written(tmp_path, text), {"Mine": "mine.py:Mine"}).estimators
    assert first == Entry("a", "Mine", {"smoothing": 2.0}, "mine.py:Mine")
    assert second == Entry("Mine", "Mine", {}, "mine.py:Mine")


PIECES = [
    "[",
    "]",
    "{",
    "}",
    "=",
    '"',
    "'",
    ",",
    "\n",
    "tasks",
    "use",
    "name",
    "*",
    "0",
    "-1",
    "nan",
    "true",
    "é",
    "\0",
]


def answered(read, named):
    """A suite, or an error that says something."""
    try:
        suite = read()
    except ValueError as error:
        said = str(error)
    else:
        assert isinstance(suite, Suite)
        return
    assert said
    assert named in said


def check_damaged(path, seed, number):
    """Suites with random pieces put in, taken out or repeated: a suite or a ValueError, whatever the damage."""
    generator = random.Random(seed)
    for _ in range(number):
        text = WHOLE
        for _ in range(generator.randint(1, 4)):
            start, end = sorted(generator.randint(0, len(text)) for _ in range(2))
            kept = generator.choice(["", generator.choice(PIECES), text[start:end] * 2])
            text = text[:start] + kept + text[min(end, start + 8) :]
        path.write_text(text)
        answered(lambda: read_suite(path), str(path))


def test_damaged_files(tmp_path):
    check_damaged(tmp_path / "damaged.toml", 0, 300)


@pytest.mark.slow
def test_many_damaged_files(tmp_path):
    check_damaged(tmp_path / "damaged.toml", 1, 5000)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
KEYS = st.sampled_from(["about", "tasks", "estimators", "seeds", "quick", "limits", "other"])


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_values(content):
    answered(lambda: _suite(content, "any", {}), "")


def test_entry_points_count_as_known(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "names", lambda group: ["installed-method"])
    suite = read_suite(written(tmp_path, 'tasks = ["E1"]\nestimators = ["installed-method"]'))
    assert suite.estimators == (Entry("installed-method", "installed-method"),)
    assert not suite.estimators[0].built_in
