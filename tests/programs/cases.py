"""What each guest program is asked to do, and what must come of it.

A case is one or more runs of one program in a fresh folder. What they print, joined, is compared with
expected/CASE.txt; after that `verify` may look at what they left in the folder.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Run:
    """One run: `options` are those of `berth run`, before the module; paths are below the folder."""
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    stdin: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Case:
    program: str
    runs: tuple[Run, ...]
    prepare: Callable[[Path], None] = lambda folder: None
    verify: Callable[[Path], None] = lambda folder: None
    # For people: what to look at.
    remark: str = field(default="")


def text(*parts: str) -> str:
    return HERE.joinpath(*parts).read_text()


def copy_to(folder: Path, *names: str):
    for name in names:
        (folder / Path(name).name).write_text(text(name))


def prepare_texts(folder: Path):
    (folder / "texts").mkdir()
    (folder / "texts" / "poem.txt").write_text("so much depends\nupon\n\na red wheel\nbarrow\n" * 50)
    (folder / "texts" / "empty.txt").write_text("")
    (folder / "secret.txt").write_text("not granted\n")


def prepare_host_database(folder: Path):
    """A database written by the host's own SQLite, with pages enough to need a real b-tree."""
    (folder / "data").mkdir()
    with sqlite3.connect(folder / "data" / "host.db") as database:
        database.execute("create table word (id integer primary key, text text)")
        database.executemany("insert into word(text) values (?)",
                             ((f"word {i * 2654435761 % 1000003:07}",) for i in range(20000)))
        database.execute("create index word_text on word(text)")
    database.close()


def verify_database(folder: Path):
    """The host's SQLite finds whole what the guest's wrote."""
    database = sqlite3.connect(folder / "data" / "orders.db")
    assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert database.execute("select count(*), sum(cents) from purchase").fetchone() == (5000, 25043386)
    database.close()
    left = sorted(path.name for path in (folder / "data").iterdir())
    assert left == ["host.db", "orders.db"], f"left behind: {left}"


DATA = ("--dir", "data::/data")

CASES = {
    "hello": Case("hello", (
        Run(("one", "two"), ("--env", "GREETING=Ahoy")),
        Run(exit_code=3),
    ), remark="the second run is granted nothing and exits with 3"),
    "wordcount": Case("wordcount", (
        Run(("/texts/poem.txt", "/texts/empty.txt"), ("--dir", "texts::/texts:ro")),
        Run(("/texts/../secret.txt", "/etc/passwd", "/texts/poem.txt"),
            ("--dir", "texts::/texts:ro"), exit_code=1),
    ), prepare=prepare_texts, remark="what was not granted cannot be read"),
    "life": Case("life", (Run(("1103",)),)),
    "ledger": Case("ledger", (
        Run(("/out/report.txt",), ("--dir", "out::/out"),
            stdin="ada grace 120\ngrace edsger 75\n\nbad line\nedsger ada 5\n" * 2),
    ), prepare=lambda folder: (folder / "out").mkdir()),
    "digest": Case("digest", (Run(("/texts",), ("--dir", "texts::/texts:ro")),),
                   prepare=prepare_texts),
    "lua": Case("lua", (Run(("/data/tour.lua", "/data/numbers"), DATA),),
                prepare=lambda folder: ((folder / "data").mkdir(),
                                        copy_to(folder / "data", "lua/tour.lua"))),
    "javascript": Case("duktape", (Run(("/data/tour.js",), DATA),),
                       prepare=lambda folder: ((folder / "data").mkdir(),
                                               copy_to(folder / "data", "javascript/tour.js"))),
    "sqlite": Case("sqlite", (
        Run(("/data/orders.db",), DATA, stdin=text("sqlite", "orders.sql")),
        Run(("/data/orders.db",), DATA, stdin=text("sqlite", "report.sql"), exit_code=1),
        Run(("-readonly", "/data/host.db",
             "select count(*), min(text), max(text) from word where text > 'word 05'"), DATA),
    ), prepare=prepare_host_database, verify=verify_database,
        remark="a database on disk; the negative purchase is refused"),
}
