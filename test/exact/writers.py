"""Writers: random transactions of every kind that a tally counts; the same seed gives the same transactions."""

import datetime
import random
import threading

import psycopg

SCHEMA = """
create table post (id bigint primary key);
insert into post select generate_series(1, 300);

create table reaction (
  id      bigserial primary key,
  post_id bigint references post on delete cascade,
  kind    text not null,
  weight  integer
);
create index on reaction (post_id);

create table vote (
  ballot text not null,
  voter  integer not null,
  points integer not null,
  primary key (voter, ballot)
) partition by range (voter);
create table vote_low  partition of vote for values from (0) to (500);
create table vote_high partition of vote for values from (500) to (1000000) partition by range (voter);
create table vote_mid  partition of vote_high for values from (500) to (700);
create table vote_top  partition of vote_high for values from (700) to (1000000);

create table booking (
  room   int4range not null,
  during daterange not null,
  guests integer not null
);

select tally.create_tally('posts', 'public.reaction', 'post_id');
select tally.create_tally('weights', 'public.reaction', 'post_id',
  '{"likes": "case kind when ''like'' then 1 when ''unlike'' then -1 end", "weight": "weight"}', filter => $$kind <> 'draft'$$);
select tally.create_tally('ballots', 'public.vote', 'ballot', '{"votes": "1", "points": "points"}');
select tally.create_tally('bookings', 'public.booking', 'lower(room)', '{"stays": "1", "guests": "guests"}');

-- What the server has of temporal keys and virtual columns.
do $$
begin
  if current_setting('server_version_num')::integer >= 180000 then
    execute 'alter table booking add primary key (room, during without overlaps)';
    execute 'alter table reaction add column loud text generated always as (upper(kind)) virtual';
  else
    alter table booking add exclude using gist (room with =, during with &&);
  end if;
end
$$;
"""

KINDS = ["like", "unlike", "share", "draft"]
BULK = 100_000


def day_of(number):
    return datetime.date(2026, 1, 1) + datetime.timedelta(days=number)


class Writer(threading.Thread):
    """Runs `transactions` random transactions; `bulks` of them contain one statement of 100,000 rows."""

    def __init__(self, dsn, seed, transactions, bulks):
        super().__init__(daemon=True)
        self.dsn, self.random = dsn, random.Random(seed)
        self.transactions = transactions
        self.bulk_at = set(self.random.sample(range(transactions), bulks))
        self.committed = self.failed = 0
        self.error = None

    def run(self):
        try:
            with psycopg.connect(self.dsn, autocommit=False) as connection:
                connection.execute("set lock_timeout = '20s'; set timezone = 'America/Los_Angeles'; set datestyle = 'German'")
                connection.commit()
                for number in range(self.transactions):
                    self.transaction(connection, number)
        except Exception as error:  # noqa: BLE001: told by the test
            self.error = error

    def transaction(self, connection, number):
        statements = [Writer.bulk] if number in self.bulk_at else []
        statements += [self.random.choice(EVERY) for _ in range(self.random.randint(1, 6))]
        rollback = self.random.random() < 0.15
        try:
            for statement in statements:
                statement(self, connection)
            if rollback:
                connection.rollback()
            else:
                connection.commit()
                self.committed += 1
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation,
                psycopg.errors.ForeignKeyViolation, psycopg.errors.ExclusionViolation,
                psycopg.errors.SerializationFailure):  # a row that moved to another partition
            connection.rollback()
            self.failed += 1

    # Values

    def post(self):
        return min(299, int(self.random.paretovariate(0.7))) + 1

    def ballot(self):
        return self.random.choice(["red", "blue", "grün", "a\"b\\c", "tab\there", "emoji 😀", "", "x" * 300])

    # Statements

    def insert(self, connection):
        for _ in range(self.random.randint(1, 3)):  # also equal ones, whose events must not be folded
            connection.execute("insert into reaction (post_id, kind, weight) values (%s, %s, %s)",
                               [self.post(), self.random.choice(KINDS), self.random.choice([1, 1, 2, None])])

    def insert_many(self, connection):
        connection.execute("insert into reaction (post_id, kind, weight) select 1 + g %% 300, %s, g %% 7 from generate_series(1, %s) g",
                           [self.random.choice(KINDS), self.random.randint(2, 2000)])

    def insert_null(self, connection):
        connection.execute("insert into reaction (post_id, kind, weight) values (null, 'like', 1)")

    def bulk(self, connection, rows=BULK):
        connection.execute("insert into reaction (post_id, kind, weight) select 1 + g %% 300, 'share', 1 from generate_series(1, %s) g", [rows])

    def copy(self, connection):
        with connection.cursor().copy("copy reaction (post_id, kind, weight) from stdin") as copy:
            for _ in range(self.random.randint(1, 50)):
                copy.write_row((self.post(), self.random.choice(KINDS), 1))

    def update_weight(self, connection):
        connection.execute("update reaction set weight = coalesce(weight, 0) + 1 where post_id = %s and id %% 5 = 0", [self.post()])

    def update_key(self, connection):
        connection.execute("update reaction set post_id = %s where post_id = %s and id %% 3 = 0", [self.post(), self.post()])

    def update_kind(self, connection):
        connection.execute("update reaction set kind = %s where post_id = %s and id %% 4 = 0", [self.random.choice(KINDS), self.post()])

    def delete(self, connection):
        connection.execute("delete from reaction where post_id = %s and id %% 2 = 0", [self.post()])

    def delete_all(self, connection):
        if self.random.random() < 0.05:
            connection.execute("delete from reaction where id % 2 = 1")

    def truncate(self, connection):
        if self.random.random() < 0.25:
            connection.execute("truncate reaction")
            if self.random.random() < 0.5:
                self.insert(connection)

    def cascade(self, connection):
        post = self.random.randint(200, 300)
        connection.execute("delete from post where id = %s", [post])
        connection.execute("insert into post values (%s) on conflict do nothing", [post])

    def merge(self, connection):
        version = connection.info.server_version
        if version < 150000:
            return self.update_weight(connection)
        gone = "when not matched by source and r.post_id = %(post)s and r.id %% 11 = 0 then delete" if version >= 170000 else ""
        told = "returning merge_action(), r.*" if version >= 170000 else ""
        connection.execute(f"""merge into reaction r using (select %(post)s::bigint as id) s on r.post_id = s.id and r.id %% 7 = 0
          when matched and r.weight > 3 then delete when matched then update set weight = r.weight + 1
          when not matched then insert (post_id, kind, weight) values (s.id, 'like', 1) {gone} {told}""", {"post": self.post()})

    def before_and_after(self, connection):
        """OLD and NEW in RETURNING: of an update, of a delete, and of both actions of an upsert."""
        told = "returning old.*, new.*" if connection.info.server_version >= 180000 else "returning *"
        connection.execute(f"update reaction set kind = %s, weight = 2 where post_id = %s and id %% 6 = 0 {told}", [self.random.choice(KINDS), self.post()])
        connection.execute(f"delete from reaction where post_id = %s and id %% 9 = 0 {told}", [self.post()])
        connection.execute(f"""insert into vote values (%s, %s, 2) on conflict (voter, ballot)
          do update set points = vote.points + excluded.points {told}""", [self.ballot(), self.random.randint(0, 999)])

    def booking(self, connection):
        """Ranges that may not overlap: they are taken, moved, shortened and given up."""
        room, day = self.random.randint(1, 9), self.random.randint(1, 300)
        connection.execute("""insert into booking select int4range(%s, %s), daterange(date '2026-01-01' + %s, date '2026-01-01' + %s), %s
          where not exists (select from booking where room = int4range(%s, %s)
                            and during && daterange(date '2026-01-01' + %s, date '2026-01-01' + %s))""",
                           [room, room + 1, day, day + 3, self.random.randint(1, 4), room, room + 1, day, day + 3])
        connection.execute("update booking set during = daterange(lower(during), lower(during) + 1), guests = guests + 1 where lower(room) = %s and lower(during) < %s",
                           [self.random.randint(1, 9), day_of(day)])
        connection.execute("delete from booking where lower(room) = %s and lower(during) > %s", [self.random.randint(1, 9), day_of(day + 60)])

    def upsert(self, connection):
        connection.execute("""insert into vote values (%s, %s, %s), (%s, %s, 1) on conflict (voter, ballot)
          do update set points = vote.points + excluded.points""",
                           [self.ballot(), self.random.randint(0, 400), self.random.randint(-3, 3), self.ballot() + "'", self.random.randint(401, 999)])

    def partition_direct(self, connection):
        connection.execute("insert into vote_mid values (%s, %s, 2) on conflict do nothing", [self.ballot(), self.random.randint(500, 699)])
        connection.execute("delete from vote_low where voter = %s", [self.random.randint(0, 499)])

    def partition_move(self, connection):
        connection.execute("update vote set voter = (voter + 311) %% 1000 where voter = %s", [self.random.randint(0, 999)])

    def partition_truncate(self, connection):
        roll = self.random.random()
        if roll < 0.1:
            connection.execute("truncate vote")
        elif roll < 0.2:
            connection.execute("truncate vote_mid")

    def replica_role(self, connection):
        connection.execute("set local session_replication_role = replica")
        self.insert(connection)
        connection.execute("set local session_replication_role = origin")

    def savepoint(self, connection):
        connection.execute("savepoint s")
        self.insert(connection)
        self.update_weight(connection)
        connection.execute("rollback to s" if self.random.random() < 0.5 else "release s")
        self.upsert(connection)

    def reset_all(self, connection):
        self.insert(connection)
        connection.execute("reset all")
        self.insert(connection)

    def failing(self, connection):
        try:
            with connection.transaction():
                self.insert(connection)
                connection.execute("select 1 / 0")
        except psycopg.errors.DivisionByZero:
            pass


class Hammer(threading.Thread):
    """Commits small transactions as fast as possible until stopped, so that loads begin and end during writes."""

    def __init__(self, dsn, seed):
        super().__init__(daemon=True)
        self.dsn, self.random = dsn, random.Random(seed)
        self.stopping = threading.Event()
        self.committed = 0
        self.error = None

    def run(self):
        try:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                while not self.stopping.is_set():
                    self.step(connection)
        except Exception as error:  # noqa: BLE001: told by the test
            self.error = error

    def step(self, connection):
        try:
            connection.execute("insert into reaction (post_id, kind, weight) values (%s, 'like', 1)", [self.random.randint(1, 199)])
            connection.execute("insert into vote values (%s, %s, 1) on conflict (voter, ballot) do update set points = vote.points + 1",
                               [self.random.choice(["red", "blue"]), self.random.randint(0, 999)])
            self.committed += 2
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.ForeignKeyViolation, psycopg.errors.LockNotAvailable):
            pass


class Rewriter(Hammer):
    """Rewrites the table repeatedly: an older snapshot does not see the right rows in the new files."""

    def step(self, connection):
        try:
            self.random.choice([self.widen, self.refill])(connection)
            self.committed += 1
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.LockNotAvailable, psycopg.errors.InFailedSqlTransaction):
            pass
        self.stopping.wait(self.random.uniform(0, 0.2))

    def widen(self, connection):
        connection.execute("alter table reaction alter column weight type bigint")
        connection.execute("alter table reaction alter column weight type integer")

    def refill(self, connection):
        with connection.transaction():
            connection.execute("truncate reaction")
            with connection.cursor().copy("copy reaction (post_id, kind, weight) from stdin with (freeze)") as copy:
                for _ in range(50):
                    copy.write_row((self.random.randint(1, 199), "like", 1))


EVERY = [getattr(Writer, name) for name in (
    "insert", "insert", "insert", "insert_many", "insert_null", "copy", "update_weight", "update_key", "update_kind", "delete", "delete_all",
    "truncate", "cascade", "merge", "before_and_after", "booking", "upsert", "upsert", "partition_direct", "partition_move", "partition_truncate",
    "replica_role", "savepoint", "reset_all", "failing")]
