"""What is read out of DAG files: tables of sources and what must be found in them."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.dags.facts import FileFacts, Presence
from gates.dags.project import read_project

HEAD = """
from datetime import datetime
from airflow.sdk import DAG, chain, chain_linear, cross_downstream, dag, task, task_group, Label, TaskGroup
from airflow.providers.standard.operators.bash import BashOperator
"""


def read(**files: str) -> dict[str, FileFacts]:
    """Facts by path; `common__x` stands for common/x.py and `common____init__` for common/__init__.py."""
    sources = {_path(name): (HEAD + textwrap.dedent(text)).encode() for name, text in files.items()}
    return {facts.path: facts for facts in read_project(sources)}


def _path(name: str) -> str:
    return name.replace("____init__", "/@").replace("__", "/").replace("@", "__init__") + ".py"


def one(text: str) -> FileFacts:
    return read(main=text)["main.py"]


def ids(facts: FileFacts) -> list[str | None]:
    return [found.dag_id for found in facts.dags]


def rules(facts: FileFacts) -> list[str]:
    return sorted(finding.rule for finding in facts.findings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DAG('a')", ["a"]),
        ("DAG(dag_id='a')", ["a"]),
        ("with DAG('a') as x, TaskGroup('g'): pass", ["a"]),
        ("import airflow\nairflow.DAG('a')", ["a"]),
        ("from airflow import DAG as D\nD('a')", ["a"]),
        ("NAME = 'a'\nDAG(NAME)", ["a"]),
        ("NAME = 'a' + '_b'\nDAG(f'{NAME}_{1}')", ["a_b_1"]),
        ("for n in ['a', 'b']:\n    DAG(f'x_{n}')", ["x_a", "x_b"]),
        ("for n in range(2):\n    DAG(f'x_{n}')", ["x_0", "x_1"]),
        ("for n, s in {'a': 1, 'b': 2}.items():\n    globals()[n] = DAG(n)", ["a", "b"]),
        ("for i, n in enumerate(['a', 'b']):\n    DAG(f'{n}{i}')", ["a0", "b1"]),
        ("[DAG(n) for n in ('a', 'b') if n]", ["a", "b"]),
        ("{n: DAG(n) for n in ('a', 'b')}", ["a", "b"]),
        ("for n in ['a', 'b', 'c']:\n    if n == unknown(): pass\n    DAG(n)\n    break", ["a"]),
        ("for n in ['', 'b']:\n    if not n:\n        continue\n    DAG(n)", ["b"]),
        ("def make(n, end='z'):\n    return DAG(n + end)\nmake('a')\nmake('b', end='y')", ["az", "by"]),
        ("def make(*names, **kw):\n    return DAG(names[0], **kw)\nmake('a', schedule=None)", ["a"]),
        ("def make(n):\n    if not n:\n        return None\n    return DAG(n)\nmake('a')\nmake('')", ["a"]),
        ("@dag\ndef flow(): pass\nflow()", ["flow"]),
        ("@dag(dag_id='a')\ndef flow(): pass\nflow()", ["a"]),
        ("@dag('a', schedule=None)\ndef flow(x=1): pass\nflow()", ["a"]),
        (
            "def outer(n):\n    @dag(dag_id=n)\n    def flow(): pass\n    return flow()\nouter('a')\nouter('b')",
            ["a", "b"],
        ),
        ("if True:\n    DAG('a')\nelse:\n    DAG('b')", ["a"]),
        ("try:\n    DAG('a')\nfinally:\n    pass", ["a"]),
        ("class Mine(DAG): pass\nMine('a')", ["a"]),
        ("(name := 'a')\nDAG(name)", ["a"]),
        ("x: str = 'a'\nx += 'b'\nDAG(x)", ["ab"]),
        ("match 1:\n    case 1:\n        DAG('a')", ["a"]),
        ("D = {'k': 'a'}\nDAG(D['k'])\nDAG(D.get('x', 'b'))\nDAG(D.get('k'))", ["a", "b", "a"]),
        ("for n in sorted(['a']) + list(('b',)):\n    DAG(n)", ["a", "b"]),
        ("L = ['a', 'b']\nDAG(L[-1])\nDAG(L[7])", ["b", None]),
        ("for n in reversed(['a', 'b']):\n    DAG(str(n))", ["b", "a"]),
        ("L = []\nL.append('a')\nL.extend(['b'])\n[DAG(n) for n in [*L, *L.copy()]]", ["a", "b", "a", "b"]),
        ("L = ['a']\nL.pop()\nfor n in L:\n    DAG(n)", [None]),
        ("for n in {'a': 1}.keys():\n    DAG(n)\nfor n in {'x': 'b'}.values():\n    DAG(n)", ["a", "b"]),
        ("DAG('a' if 1 else 'b')\nDAG('a' if unknown() else 'b')", ["a", None]),
        ("DAG(f'{1:02}')", [None]),
        ("DAG(*['a'])\nDAG(*load())", ["a", None]),
        ("def make(n):\n    if unknown():\n        return 'x'\n    return n\nDAG(make('a'))", [None]),
        ("def make(n):\n    raise ValueError\n    DAG(n)\nmake('a')", []),
        ("for i, (n, m) in enumerate([('a', 'b')]):\n    DAG(n + m)", ["ab"]),
        ("first, *rest = ['a', 'b']\nDAG(first)", [None]),
        ("with open('x') as f:\n    DAG('a')", ["a"]),
        ("assert DAG('a')\ndel x", ["a"]),
        ("import airflow.sdk as s\ns.DAG('a')", ["a"]),
        ("f = lambda: DAG('never')\nDAG('a')", ["a"]),
        ("DAG(load())", [None]),
        ("for n in load():\n    DAG(n)", [None]),
        ("while True:\n    DAG('a')", ["a"]),
        ("class DAG: pass\nDAG('a')", []),
        ("def DAG(x): pass\nDAG('a')", []),
        ("print('DAG')", []),
    ],
)
def test_ids_are_followed_as_far_as_constants_go(text: str, expected: list[str | None]) -> None:
    assert ids(one(text)) == expected


def test_what_stands_in_a_branch_or_an_unknown_loop_is_marked() -> None:
    facts = one("if unknown():\n    DAG('a')\nfor _ in load():\n    DAG('b')\nDAG('c')")
    assert [(found.conditional, found.repeated) for found in facts.dags] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_a_dag_function_that_is_never_called_is_noted() -> None:
    assert [found.called for found in one("@dag\ndef a(): pass\n@dag\ndef b(): pass\nb()").dags] == [False, True]


SET, MISSING, UNDECIDED = Presence.SET, Presence.MISSING, Presence.UNDECIDED


@pytest.mark.parametrize(
    ("text", "owner", "start"),
    [
        ("DAG('a')", MISSING, MISSING),
        ("DAG('a', start_date=datetime(2026, 1, 1), default_args={'owner': 'x'})", SET, SET),
        ("ARGS = {'owner': 'x', 'start_date': 1}\nDAG('a', default_args=ARGS)", SET, SET),
        ("ARGS = dict(owner='x')\nARGS['start_date'] = now()\nDAG('a', default_args=ARGS)", SET, SET),
        ("B = {'owner': 'x'}\nARGS = {**B, 'start_date': 1}\nDAG('a', default_args=ARGS)", SET, SET),
        ("B = {'owner': 'x'}\nDAG('a', default_args=B | {'start_date': 1})", SET, SET),
        ("B = {}\nB.update(owner='x')\nC = B.copy()\nC.update({'start_date': 1})\nDAG('a', default_args=C)", SET, SET),
        ("B = {'owner': 'x'}\nC = B.copy()\nC['owner'] = None\nDAG('b', default_args=C)", MISSING, MISSING),
        ("B = {'owner': 'x'}\nC = B.copy()\nC['owner'] = None\nDAG('b', default_args=B)", SET, MISSING),
        ("DAG('a', default_args={'owner': '', 'start_date': None})", MISSING, MISSING),
        ("DAG('a', default_args={'owner': env('OWNER')})", SET, MISSING),
        ("DAG('a', default_args=load())", UNDECIDED, UNDECIDED),
        ("DAG('a', default_args={**load()})", UNDECIDED, UNDECIDED),
        ("DAG('a', default_args={**load(), 'owner': 'x'})", SET, UNDECIDED),
        ("ARGS = {}\nARGS[unknown()] = 1\nDAG('a', default_args=ARGS)", UNDECIDED, UNDECIDED),
        ("DAG('a', **load())", UNDECIDED, UNDECIDED),
        ("KW = {'start_date': 1}\nDAG('a', **KW)", MISSING, SET),
        ("DAG('a', 'text', None, datetime(2026, 1, 1))", MISSING, SET),
        ("with DAG('a'):\n    BashOperator(task_id='t', owner='x', start_date=1)", SET, SET),
        ("with DAG('a'):\n    BashOperator(task_id='t', owner='x')\n    BashOperator(task_id='u')", MISSING, MISSING),
        ("with DAG('a'):\n    BashOperator(task_id='t', **load())", UNDECIDED, UNDECIDED),
        ("d = DAG('a')\nBashOperator(task_id='t', owner='x', dag=d)", SET, MISSING),
        ("@dag(start_date=1, default_args={'owner': 'x'})\ndef a(): pass\na()", SET, SET),
        ("class Mine(DAG): pass\nMine('a')", UNDECIDED, UNDECIDED),
        ("def make(n, **kw):\n    return DAG(n, **kw)\nmake('a', start_date=1)", MISSING, SET),
    ],
)  # fmt: skip
def test_owner_and_start_date_are_followed_through_default_args(text: str, owner: Presence, start: Presence) -> None:
    (found,) = one(text).dags
    assert (found.settings["owner"], found.settings["start_date"]) == (owner, start)


@pytest.mark.parametrize(
    ("text", "present"),
    [
        ("DAG('a', schedule=None)", {"schedule"}),
        ("DAG('a', schedule_interval='@daily')", {"schedule"}),
        ("DAG('a', timetable=T())", {"schedule"}),
        ("DAG('a', tags=['x'])", {"tags"}),
        ("DAG('a', tags=[])", set()),
        ("DAG('a', default_args={'retries': 0})", {"retries"}),
        ("DAG('a', default_args={'tags': ['x'], 'schedule': None})", set()),
    ],
)
def test_other_settings(text: str, present: set[str]) -> None:
    assert {name for name, state in one(text).dags[0].settings.items() if state is SET} == present


A = "\n".join(f"{name} = BashOperator(task_id='{name}')" for name in "abcd") + "\n"


@pytest.mark.parametrize(
    ("edges", "path"),
    [
        ("a >> b >> a", "a → b → a"),
        ("a >> b\nb >> c\nc >> a", "a → b → c → a"),
        ("a << b << a", "b → a → b"),
        ("a >> [b, c] >> d\nd >> a", "a → b → d → a"),
        ("a >> a", "a → a"),
        ("a.set_downstream(b)\na.set_upstream([b, c])", "a → b → a"),
        ("chain(a, b, c, a)", "a → b → c → a"),
        ("chain(a, [b, c], [d, a])", "a → c → a"),
        ("chain(*[a, b])\nb >> a", "a → b → a"),
        ("chain_linear([a, b], [c, d])\nd >> a", "a → d → a"),
        ("cross_downstream([a, b], [c, d])\nc >> b", "c → b → c"),
        ("a >> Label('x') >> b\nb >> a", "a → b → a"),
        ("with TaskGroup('g') as g:\n    e = BashOperator(task_id='e')\na >> g >> a", "a → e → a"),
        (
            "with TaskGroup('g') as g:\n    with TaskGroup('h'):\n        e = BashOperator(task_id='e')\na >> g >> b >> a",
            "a → e → b → a",
        ),
        ("ts = [BashOperator(task_id=f't{i}') for i in range(3)]\nchain(*ts)\nts[2] >> ts[0]", "t0 → t1 → t2 → t0"),
        (
            "p = None\nfor n in ['p', 'q']:\n    t = BashOperator(task_id=n)\n    if p: p >> t\n    p = t\np >> a >> p",
            "q → a → q",
        ),
    ],
)
def test_cycles_are_found(edges: str, path: str) -> None:
    body = textwrap.indent(A + edges, "    ")
    findings = [finding for finding in one(f"with DAG('x'):\n{body}").findings if finding.rule == "cycle"]
    assert [finding.message.removeprefix("the tasks depend on each other in a circle: ") for finding in findings] == [
        path
    ]
    assert findings[0].line > len(HEAD.splitlines())


@pytest.mark.parametrize(
    "edges",
    [
        "a >> b >> c\na >> c",
        "a >> [b, c] >> d\na >> d",
        "chain(a, [b, c], [d, BashOperator(task_id='e')])",
        "t = a\nt >> b\nt = c\nb >> t",
        "prev = None\nfor n in load():\n    t = BashOperator(task_id=n)\n    if prev:\n        prev >> t\n    prev = t",
        "x = [a, b]\nfor i in range(1, 2):\n    x[i - 1] >> x[i]",
        "with TaskGroup('g') as g:\n    e = BashOperator(task_id='e')\n    f = BashOperator(task_id='f')\n    e >> f\na >> g >> b",
        "1 >> 2",
    ],
)
def test_what_is_no_cycle_is_none(edges: str) -> None:
    body = textwrap.indent(A + edges, "    ")
    assert "cycle" not in rules(one(f"with DAG('x'):\n{body}"))


@pytest.mark.parametrize(
    ("body", "cyclic"),
    [
        ("x = one()\ny = two(x)\ny >> x", True),
        ("two(two(one()))", False),
        ("x = one()\nBashOperator(task_id='b', env=x['key']) >> x", True),
        ("x = two.override(task_id='q')(one())\nx >> one()", False),
        ("x = one()\ny = two.partial(k=1).expand(v=x)\ny >> x", True),
        ("x = BashOperator.partial(task_id='m').expand(env=one())\nx >> x", True),
        ("x = one()\nBashOperator(task_id='b', env=x.output) >> x", True),
    ],
)
def test_taskflow_dependencies_are_followed(body: str, cyclic: bool) -> None:
    text = (
        "@dag\ndef flow():\n    @task\n    def one(): return 1\n    @task.virtualenv(retries=1)\n    def two(v): return v\n"
        f"{textwrap.indent(body, '    ')}\nflow()"
    )
    assert ("cycle" in rules(one(text))) is cyclic


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("with DAG('x'):\n    a = BashOperator(task_id='a')\n    a >> build()", "dependencies-undecided"),
        ("with DAG('x'):\n    a = BashOperator(task_id='a')\n    chain(a, *load())", "dependencies-undecided"),
        (
            "with DAG('x'):\n    for n in load():\n        t = BashOperator(task_id=n)\n        t >> t",
            "cycle-undecided",
        ),
        ("def make(n):\n    return DAG(n)", "factory-undecided"),
        ("def make(n):\n    @dag\n    def flow(): pass\n    return flow()", "factory-undecided"),
        ("DAG('x')\n" + "x = 1\n" * 70_000, "file-undecided"),
    ],
)
def test_what_cannot_be_decided_is_said(text: str, rule: str) -> None:
    facts = one(text)
    assert rules(facts) == [rule]
    assert facts.findings[0].undecided


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        (b"x = 1\ndef f(:\n    pass\n", 2, "syntax error"),
        (b"x = 1\n\x00", 1, "null bytes"),
        (b"x = 1\ny = 'caf\xe9'\n", 2, "syntax error"),
        (b"# -*- coding: nonsense -*-\n", 1, "unknown encoding"),
        (b"x = " + b"(" * 300 + b")" * 300, 1, "too many nested"),
        (b"x = " + b"-" * 20_000 + b"1", 1, ""),
        (b"x = " + b"+".join([b"1"] * 20_000), 1, ""),
        (b"x = y" + b".a" * 20_000, 1, ""),
        (b"x = y" + b"[0]" * 20_000, 1, ""),
        (b"\n".join(b" " * n + b"if x:" for n in range(150)), 101, "too many levels"),
        (b"x = '''", 1, "unterminated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_files_are_findings(source: bytes, line: int, said: str) -> None:
    (facts,) = read_project({"x.py": source})
    (finding,) = facts.findings
    assert (finding.rule, finding.undecided, finding.line) == ("syntax-error", False, line)
    assert said in finding.message


def test_a_latin_1_file_that_says_so_is_read() -> None:
    (facts,) = read_project({"x.py": b"# -*- coding: latin-1 -*-\nfrom airflow import DAG\nDAG('caf\xe9')\n"})
    assert ids(facts) == ["café"]


def test_doubling_texts_and_lists_does_not_explode() -> None:
    grow = "t = BashOperator(task_id='t')\ns = 'ab'\nx = [t, t]\n" + "s = s + s\nx = [x, x]\nx = x + x\n" * 60
    assert ids(one(f"{grow}x >> t\nDAG('a')\n")) == ["a"]


def test_recursion_between_functions_ends() -> None:
    assert ids(one("def f(n):\n    g(n)\n    DAG(n)\ndef g(n):\n    f(n)\nf('a')")) == ["a"]


# -- several files -----------------------------------------------------------------------------------------------------


def test_constants_helpers_and_factories_are_followed_across_files() -> None:
    facts = read(
        common____init__="",
        common__defaults="from .names import OWNER\nARGS = {'owner': OWNER}\n",
        common__names="OWNER = 'shop'\n",
        common__factory="from common.defaults import ARGS\ndef make(n, **kw):\n    return DAG(n, default_args=ARGS, **kw)\n",
        a="from common.factory import make\nmake('a', start_date=1)\n",
        b="import common.defaults\nDAG('b', default_args=common.defaults.ARGS)\n",
        c="from common import defaults as d\nDAG('c', default_args={**d.ARGS, 'start_date': 1})\n",
        d="from common.defaults import *\nDAG('d', default_args=ARGS)\n",
    )
    assert {path: ids(found) for path, found in facts.items() if found.dags} == {
        "a.py": ["a"], "b.py": ["b"], "c.py": ["c"], "d.py": ["d"],
    }  # fmt: skip
    assert all(found.dags[0].settings["owner"] is SET for found in facts.values() if found.dags)
    assert [finding for found in facts.values() for finding in found.findings] == []


def test_one_file_does_not_see_what_another_does_to_a_shared_dict() -> None:
    facts = read(
        shared="ARGS = {}\n",
        a="from shared import ARGS\nARGS['owner'] = 'x'\nDAG('a', default_args=ARGS)\n",
        b="from shared import ARGS\nDAG('b', default_args=ARGS)\n",
    )
    assert facts["a.py"].dags[0].settings["owner"] is SET
    assert facts["b.py"].dags[0].settings["owner"] is MISSING


@pytest.mark.parametrize(
    ("statement", "rule", "undecided"),
    [
        ("import common.nope", "unresolved-import", False),
        ("from common.nope import x", "unresolved-import", False),
        ("from common import nope", "unresolved-import", False),
        ("from common.known import nope", "unresolved-import", False),
        ("import known.nope", "unresolved-import", False),
        ("from plain import nope", "unresolved-import", True),
        ("import plain.nope", "unresolved-import", True),
        ("from . import known", "relative-import", False),
    ],
)
def test_imports_that_break_are_findings(statement: str, rule: str, undecided: bool) -> None:
    facts = read(
        main=f"{statement}\nDAG('a')", common____init__="", common__known="x = 1", known="y = 1", plain__inner="z = 1"
    )["main.py"]
    assert [(finding.rule, finding.undecided) for finding in facts.findings] == [(rule, undecided)]


@pytest.mark.parametrize(
    "statement",
    [
        "import pandas, numpy.linalg",
        "from google.cloud import storage",
        "try:\n    import common.nope\nexcept ImportError:\n    pass",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import common.nope",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from common.nope import x",
        "from common.dynamic import anything",
        "from common.starred import anything",
        "from common.broken import anything",
        "from common.known import x, later",
        "def later():\n    import common.nope",
        "import plain.inner\nfrom plain import inner",
    ],
)
def test_imports_that_work_or_cannot_be_known_are_not(statement: str) -> None:
    facts = read(
        main=f"{statement}\nDAG('a')",
        common____init__="",
        common__known="x = 1\nif unknown():\n    later = 2",
        common__dynamic="def __getattr__(name): return name",
        common__starred="from somewhere import *",
        common__broken="def f(:",
        plain__inner="z = 1",
    )["main.py"]
    assert rules(facts) == []


def test_relative_imports_are_fine_in_modules_without_dags() -> None:
    facts = read(common____init__="from . import a", common__a="from .b import x", common__b="x = 1")
    assert [rules(found) for found in facts.values()] == [[], [], []]


def test_import_cycles_and_long_chains_end() -> None:
    files = {f"m{at}": f"from m{at + 1} import x" for at in range(200)}
    facts = read(**files, m200="from m0 import y\nx = 1\nDAG('a')")
    assert ids(facts["m200.py"]) == ["a"]
    assert all("syntax-error" not in rules(found) for found in facts.values())


def test_ignored_files_count_only_when_imported_and_broken() -> None:
    sources = {
        "a.py": b"from airflow import DAG\nfrom lib import ARGS\nDAG('a', default_args=ARGS)\n",
        "lib.py": b"from airflow import DAG\nARGS = {'owner': 'x'}\nDAG('hidden')\n",
        "unused.py": b"def f(:",
        "helper.py": b"def g(:",
        "b.py": b"import helper\n",
    }
    facts = {found.path: found for found in read_project(sources, frozenset({"lib.py", "unused.py", "helper.py"}))}
    assert sorted(facts) == ["a.py", "b.py", "helper.py"]
    assert facts["a.py"].dags[0].settings["owner"] is SET


@given(st.binary(max_size=120))
def test_any_bytes_give_facts(source: bytes) -> None:
    assert [facts.path for facts in read_project({"x.py": source})] == ["x.py"]


words = st.sampled_from(
    ["DAG", "(", ")", "'a'", "with ", ":", "\n", "    ", "x", "=", ">>", "[", "]", ",", "for ", "in ", "dag", "@", "def ",
     "task", "{", "}", "**", "import ", "from ", ".", "lambda ", "if ", "else", "f'{x}'", "chain"]
)  # fmt: skip


@given(st.lists(words, max_size=30))
def test_any_program_gives_facts(pieces: list[str]) -> None:
    assert len(read_project({"x.py": (HEAD + "".join(pieces)).encode()})) == 1
