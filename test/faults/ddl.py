"""DDL under the tallies of shape.py: a part of `Faults`. Each fault is one transaction; in half of them it calls `tally.reload` at its end."""

import psycopg

from shape import LOCK, literal, quoted, things
from stage import Wrong

COLUMNS = {"n": "integer default 5", "key": "bigint default 7", "other": "bigint", "mood": "{schema}.mood not null default 'none'"}
TYPES = {"n": ["smallint", "integer", "bigint"], "key": ["integer", "bigint", "numeric(12,2)", "numeric(12,3)", "text"]}
ODD = ["{}", "{} of {}", "{}\"{}", "ünder {} {}", "select", "new", "old", "key", "%s {}", "$1"]


class Ddl:
    """Needs `stage`, `random`."""

    DDL_SHARES = {"rename_column": 3, "swap_columns": 3, "retype": 2, "rewrite": 2, "drop_and_add": 2, "rename_label": 1, "rename_function": 1,
                  "rename_schema": 1, "rename_owner": 1, "attach_or_detach": 3, "restore": 1}

    def present(self):
        return things(self.stage.sql("select thing, name from thing"))

    def change(self, statements, *renamed, tally="shapes", told=None):
        """Runs DDL, and records the names that it changed as (thing, unquoted name). A tally may not be the reason that it is refused."""
        told = self.random.random() < 0.5 if told is None else told
        text = [f"select set_config('lock_timeout', '20s', true), pg_advisory_xact_lock({LOCK})", *statements,
                *(f"update thing set name = {literal(name)} where thing = {literal(thing)}" for thing, name in renamed)]
        told = told and not self.stage.sql("select kind from tally.findings(%s) where kind = 'column_dropped'", [tally])  # an error of reload
        if told:
            text.append(f"select tally.reload('{tally}')")
        for _ in range(5):
            try:
                self.stage.sql("; ".join(text))
                return f"{'; '.join(statements)}{', told' if told else ''}"
            except psycopg.errors.LockNotAvailable:
                continue
            except psycopg.Error as error:
                raise Wrong(f"DDL is refused: {'; '.join(text)}: {error}") from error
        return f"{'; '.join(statements)}: its lock timed out"

    def new_name(self, thing):
        taken = set(self.present().values())
        while True:
            name = self.random.choice(ODD).format(thing, self.random.randint(1, 99))
            if quoted(name) not in taken:
                return name

    # Names

    def rename_column(self):
        names, thing = self.present(), self.random.choice(list(COLUMNS))
        name = self.new_name(thing)
        return self.change([f"alter table {names['schema']}.shape rename {names[thing]} to {quoted(name)}"], (thing, name))

    def swap_columns(self):
        """Two columns of any types change their names: the key goes with its column."""
        names = self.present()
        table = f"alter table {names['schema']}.shape rename"
        now = dict(self.stage.sql("select thing, name from thing"))
        return self.change([f"{table} {names['key']} to between_", f"{table} {names['other']} to {names['key']}", f"{table} between_ to {names['other']}"],
                           ("key", now["other"]), ("other", now["key"]))

    def rename_label(self):
        names, name = self.present(), self.random.choice(["happy", "glad", "o'clock", "gl\\ad"]) + str(self.random.randint(1, 99))
        return self.change([f"alter type {names['schema']}.mood rename value {names['happy']} to {literal(name)}"], ("happy", name))

    def rename_function(self):
        names, name = self.present(), self.new_name("weigh")
        return self.change([f"alter function {names['schema']}.{names['weigh']}(integer) rename to {quoted(name)}"], ("weigh", name))

    def rename_schema(self):
        names, name = self.present(), self.new_name("schema")
        return self.change([f"alter schema {names['schema']} rename to {quoted(name)}"], ("schema", name))

    def rename_owner(self):
        names, name = self.present(), f"shop {self.random.randint(1, 10**9)}"
        return self.change([f"alter role {names['owner']} rename to {quoted(name)}"], ("owner", name))

    # Columns

    def retype(self):
        names, thing = self.present(), self.random.choice(list(TYPES))
        kind = self.random.choice(TYPES[thing])
        return self.change([f"alter table {names['schema']}.shape alter {names[thing]} type {kind} using {names[thing]}::numeric::{kind}"])

    def rewrite(self):
        """The same type, other values: no trigger tells it."""
        names = self.present()
        thing = self.random.choice(["n", "key"])
        (kind,), = self.stage.sql("select format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass and attname = %s",
                                  [f"{names['schema']}.shape", dict(self.stage.sql("select thing, name from thing"))[thing]])
        value = f"(({names[thing]}::numeric + 1) % 50)::{kind}"
        return self.change([f"alter table {names['schema']}.shape alter {names[thing]} type {kind} using {value}"])

    def drop_and_add(self):
        """A dropped column fails the tally; a new one is another one, also under the same name."""
        names, thing = self.present(), self.random.choice(list(COLUMNS))
        now = dict(self.stage.sql("select thing, name from thing"))[thing]
        name = self.random.choice([now, self.new_name(thing)])
        table = f"alter table {names['schema']}.shape"
        return self.change([f"{table} drop column {names[thing]}", f"{table} add column {quoted(name)} {COLUMNS[thing].format(**names)}"],
                           (thing, name), told=False)

    # Partitions

    def attach_or_detach(self):
        names = self.present()
        table = f"alter table {names['schema']}.part"
        if names["spare"] == "'attached'":
            return self.change([f"{table} detach partition {names['schema']}.spare"], ("spare", "detached"), tally="parts")
        return self.change([f"{table} attach partition {names['schema']}.spare for values in (2)"], ("spare", "attached"), tally="parts")
