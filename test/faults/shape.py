"""The tables that DDL changes, and their writers.

What changes its name is a *thing*: a column, an enum's value, a function, a schema. Table `thing` has the present name of
each, and a DDL transaction changes it together with the name. Writers hold a shared advisory lock and read the names
first, so that no statement of theirs fails because of the DDL itself: every error that they meet is one that a tally
caused.
"""

import json

LOCK = 20260601
CHANGING = {"shapes": ["n", "happy", "weighed"], "parts": ["n"]}  # tally -> counters
SCHEMA = """
create role {owner};
create schema shop authorization {owner};
create type shop.mood as enum ('happy', 'sad', 'none');
create function shop.weigh(integer) returns integer immutable language sql as 'select $1 % 3';
create table shop.shape (id bigserial primary key, k bigint, j bigint, n integer, mood shop.mood not null default 'none');
create table shop.part (region integer not null, k integer, n integer) partition by list (region);
create table shop.part_0 partition of shop.part for values in (0);
create table shop.part_1 partition of shop.part for values in (1);
create table shop.spare (region integer not null check (region = 2), k integer, n integer);
alter table shop.shape owner to {owner}; alter table shop.part owner to {owner}; alter table shop.part_0 owner to {owner};
alter table shop.part_1 owner to {owner}; alter table shop.spare owner to {owner};
grant usage on schema tally to {owner};
create table thing (thing text primary key, name text not null);
insert into thing values ('schema', 'shop'), ('owner', {owner_text}), ('key', 'k'), ('other', 'j'), ('n', 'n'), ('mood', 'mood'),
  ('happy', 'happy'), ('weigh', 'weigh'), ('spare', 'detached');
"""


def prepare(database):
    owner = f"shop_{database.name}"
    text = SCHEMA.replace("{owner_text}", f"'{owner}'").replace("{owner}", owner)
    database.sql.execute(text)
    names = things(database.sql.execute("select thing, name from thing").fetchall())
    for tally, source in (("shapes", "shop.shape"), ("parts", "shop.part")):
        key, counters = definition(tally, names)
        database.sql.execute("select tally.create_tally(%s, %s, %s, %s)", [tally, source, key, counters])


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def things(rows):
    """Thing -> its name, quoted as SQL has it: a label as a literal, everything else as an identifier."""
    return {thing: literal(name) if thing in ("happy", "spare") else quoted(name) for thing, name in rows}


def expressions(tally, names):
    """The key and the counters, in the order of CHANGING."""
    if tally == "parts":
        return "k", ["n"]
    return names["key"], [names["n"], f"case {names['mood']} when {names['happy']} then 1 end",
                          f"{names['schema']}.{names['weigh']}({names['n']}::integer)"]


def definition(tally, names):
    """The arguments `key` and `counters` of the tally, by the present names."""
    key, counters = expressions(tally, names)
    return key, json.dumps(dict(zip(CHANGING[tally], counters, strict=True)))


def mark(sql, number):
    """Writes a key that nothing else writes to each tally, and returns the keys by tally."""
    names = things(sql("select thing, name from thing"))
    (key,), = sql(f"insert into {names['schema']}.shape ({names['key']}, {names['n']}, {names['mood']}) values ('{number}', '1', {names['happy']}) "
                  f"returning {names['key']}::text")
    sql(f"insert into {names['schema']}.part values (0, {number}, 1)")
    return {"shapes": key, "parts": str(number)}


def plain(tally, names):
    """The truth in SQL, without pgtally."""
    key, counters = expressions(tally, names)
    sums = ", ".join(f"coalesce(sum({counter}), 0)" for counter in counters)
    table = "part" if tally == "parts" else "shape"
    return f"select {key}::text, {sums} from {names['schema']}.{table} where {key} is not null group by 1"


class Shaper:
    """The statements of a transaction. `random` belongs to the writer. Values are untyped literals: they fit every type that a column gets."""

    def __init__(self, random):
        self.random = random

    def transaction(self, connection):
        connection.execute("select pg_advisory_xact_lock_shared(%s)", [LOCK])
        names = things(connection.execute("select thing, name from thing").fetchall())
        for _ in range(self.random.randint(1, 4)):
            self.random.choice([self.insert, self.insert, self.copy, self.update, self.move, self.delete, self.part, self.part, self.spare])(
                connection, names)

    def key(self):
        return str(self.random.randint(1, 40))

    def mood(self, names):
        return self.random.choice([names["happy"], "'sad'", "'none'"])

    def insert(self, connection, names):
        connection.execute(f"insert into {names['schema']}.shape ({names['key']}, {names['n']}, {names['mood']}) values "
                           f"({literal(self.key())}, '{self.random.randint(-3, 3)}', {self.mood(names)}), (null, '1', {self.mood(names)})")

    def copy(self, connection, names):
        with connection.cursor().copy(f"copy {names['schema']}.shape ({names['other']}, {names['key']}, {names['n']}) from stdin") as copy:
            for _ in range(self.random.randint(1, 20)):
                copy.write_row((self.key(), self.key(), self.random.choice([None, "1", "2"])))

    def update(self, connection, names):
        connection.execute(f"update {names['schema']}.shape set {names['n']} = {names['n']} + '1', {names['mood']} = {self.mood(names)} "
                           f"where {names['key']} = {literal(self.key())} and id % 3 = 0")

    def move(self, connection, names):
        connection.execute(f"update {names['schema']}.shape set {names['key']} = {literal(self.key())} where {names['other']} = {literal(self.key())}")

    def delete(self, connection, names):
        connection.execute(f"delete from {names['schema']}.shape where {names['key']} = {literal(self.key())} and id % 2 = 0")

    def part(self, connection, names):
        regions = [0, 1, 2] if names["spare"] == "'attached'" else [0, 1]
        part = f"{names['schema']}.part"
        for _ in range(self.random.randint(1, 5)):
            connection.execute(f"insert into {part} values ({self.random.choice(regions)}, {self.key()}, 1)")
        connection.execute(f"update {part} set n = n + 1, region = 1 where k = {self.key()} and region < 2")
        connection.execute(f"delete from {part} where k = {self.key()}")

    def spare(self, connection, names):
        """Directly into the table that comes and goes as a partition."""
        connection.execute(f"insert into {names['schema']}.spare values (2, {self.key()}, 5)")
