"""Every kind of DML, compared with the truth key by key."""

import pytest
from replica import Replica, truth
from transports import EITHER

pytestmark = EITHER

TWEETS = """
    create schema tweet;
    create type tweet.action_t as enum ('rt', 'fav', 'de-rt', 'de-fav');
    create table tweet.activity (id bigint generated always as identity primary key, messageid bigint,
                                 datetime timestamptz default now(), action tweet.action_t);
    select tally.create_tally('tweets', 'tweet.activity', 'messageid',
      $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
         "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$);
"""


@pytest.fixture
def tweets(database):
    database.sql.execute(TWEETS)
    return database


def insert(database, *rows):
    with database.sql.cursor() as cursor:
        cursor.executemany("insert into tweet.activity (messageid, action) values (%s, %s)", rows)


def test_insert(tweets):
    replica = Replica(tweets, "tweets")
    insert(tweets, (33, "fav"), (33, "rt"), (34, "rt"), (34, "rt"), (33, "de-fav"), (35, None))
    assert replica.check() == {"33": [1, 0], "34": [2, 0]}
    assert set(replica.events[0]) == {"t", "v", "x", "n", "at", "d"}
    assert replica.events[0]["d"] == [["33", 0, 1]]
    assert len(replica.events) == 5  # a null weight sends nothing


def test_many_keys_in_one_statement_are_one_event(tweets):
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i % 10, 'fav' from generate_series(1, 100) i")
    assert replica.check() == {str(k): [0, 10] for k in range(10)}
    assert len(replica.events) == 1


def test_update_of_key_and_of_weight(tweets):
    insert(tweets, (1, "fav"), (2, "rt"), (3, "fav"))
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("update tweet.activity set messageid = 9 where messageid = 1")
    assert sorted(replica.drain().events[0]["d"]) == [["1", 0, -1], ["9", 0, 1]]
    tweets.sql.execute("update tweet.activity set action = 'rt' where messageid = 3")
    tweets.sql.execute("update tweet.activity set action = null where messageid = 2")
    assert replica.check() == {"9": [0, 1], "3": [1, 0]}


def test_update_that_changes_nothing_sends_nothing(tweets):
    insert(tweets, (1, "fav"), (2, "rt"))
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("update tweet.activity set datetime = now()")
    tweets.sql.execute("update tweet.activity set action = 'rt' where messageid = 77")
    tweets.sql.execute("delete from tweet.activity where messageid = 77")
    assert replica.drain().events == []


def test_delete_and_truncate(tweets):
    insert(tweets, (1, "fav"), (1, "fav"), (2, "rt"))
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("delete from tweet.activity where id = 1")
    assert replica.check() == {"1": [0, 1], "2": [1, 0]}
    tweets.sql.execute("begin; truncate tweet.activity; insert into tweet.activity (messageid, action) values (5, 'rt'); commit")
    assert replica.check() == {"5": [1, 0]}
    assert replica.events[-2]["truncate"] is True
    assert set(replica.events[-2]) == {"t", "v", "x", "n", "at", "truncate"}


def test_copy(tweets):
    replica = Replica(tweets, "tweets")
    with tweets.sql.cursor().copy("copy tweet.activity (messageid, action) from stdin") as copy:
        for i in range(1000):
            copy.write_row((i % 7, "fav"))
    assert sum(favs for _, favs in replica.check().values()) == 1000


def test_rollback_and_savepoints(tweets):
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("begin; insert into tweet.activity (messageid, action) values (1, 'rt'); rollback")
    assert replica.drain().events == []
    tweets.sql.execute("""
        begin;
        insert into tweet.activity (messageid, action) values (1, 'rt');
        savepoint a;
        insert into tweet.activity (messageid, action) values (1, 'rt');
        update tweet.activity set messageid = 2;
        rollback to a;
        insert into tweet.activity (messageid, action) values (1, 'rt');
        commit""")
    assert replica.check() == {"1": [2, 0]}


def test_equal_statements_of_a_transaction_do_not_fold(tweets):
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("begin;" + "insert into tweet.activity (messageid, action) values (1, 'rt'); reset all;" * 20 + "commit")
    assert replica.check() == {"1": [20, 0]}
    assert len({event["n"] for event in replica.events}) == 20
    assert len({event["x"] for event in replica.events}) == 1


def test_on_conflict_and_merge(tweets):
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("create unique index on tweet.activity (messageid)")
    for _ in range(2):
        tweets.sql.execute("""insert into tweet.activity (messageid, action) values (1, 'fav'), (2, 'fav'), (3, 'fav')
                              on conflict (messageid) do update set action = 'rt'""")
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (1, 'fav') on conflict do nothing")
    assert replica.check() == {"1": [1, 0], "2": [1, 0], "3": [1, 0]}
    if tweets.sql.info.server_version >= 150000:
        tweets.sql.execute("""
            merge into tweet.activity a
            using (values (1, 'fav'), (2, null), (4, 'rt')) as v (id, act) on a.messageid = v.id
             when matched and v.act is null then delete
             when matched then update set action = v.act::tweet.action_t
             when not matched then insert (messageid, action) values (v.id, v.act::tweet.action_t)""")
        assert replica.check() == {"1": [0, 1], "3": [1, 0], "4": [1, 0]}


def test_cascades_and_data_modifying_with(tweets):
    tweets.sql.execute("""
        create table tweet.message (messageid bigint primary key);
        insert into tweet.message select generate_series(1, 5);
        alter table tweet.activity add foreign key (messageid) references tweet.message on delete cascade on update cascade""")
    insert(tweets, *[(i, "fav") for i in (1, 1, 2, 3, 3, 4)])
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("delete from tweet.message where messageid = 1")
    tweets.sql.execute("update tweet.message set messageid = 30 where messageid = 3")
    tweets.sql.execute("""with gone as (delete from tweet.activity where messageid = 2 returning *)
                          insert into tweet.activity (messageid, action) select 5, action from gone""")
    assert replica.check() == {"30": [0, 2], "4": [0, 1], "5": [0, 1]}


def test_replica_role(tweets):
    replica = Replica(tweets, "tweets")
    tweets.sql.execute("set session_replication_role = replica")
    insert(tweets, (1, "fav"))
    tweets.sql.execute("update tweet.activity set messageid = 2")
    assert replica.check() == {"2": [0, 1]}
    tweets.sql.execute("truncate tweet.activity")
    assert replica.check() == {}


def test_several_tallies_on_one_source(tweets):
    tweets.sql.execute("""
        select tally.create_tally('actions', 'tweet.activity', 'action');
        select tally.create_tally('late', 'tweet.activity', 'messageid', filter => $$action in ('fav', 'rt') and id > 2$$);
        select tally.create_tally('all', 'tweet.activity', '''all''')""")
    replicas = [Replica(tweets, name) for name in ("tweets", "actions", "late", "all")]
    insert(tweets, (1, "fav"), (1, "rt"), (1, "fav"), (2, "de-rt"), (None, "fav"))
    tweets.sql.execute("update tweet.activity set action = 'rt' where id = 4")
    tweets.sql.execute("delete from tweet.activity where id = 1")
    values = [replica.check() for replica in replicas]
    assert values == [{"1": [1, 1], "2": [1, 0]}, {"fav": [2], "rt": [2]}, {"1": [1], "2": [1]}, {"all": [4]}]
    numbers = [event["n"] for replica in replicas for event in replica.events]
    assert len(set(numbers)) == len(numbers)


def test_null_and_long_keys_are_not_counted(database):
    database.sql.execute("create table t (k text); select tally.create_tally('t', 't', 'k')")
    replica = Replica(database, "t")
    for key in (None, "", "x" * 512, "x" * 513, "ü" * 256, "ü" * 257, "null"):
        database.sql.execute("insert into t values (%s)", [key])
    assert replica.check() == {"": [1], "x" * 512: [1], "ü" * 256: [1], "null": [1]}


def test_sums_that_no_bigint_holds_become_a_reload(database):
    database.sql.execute("create table t (k int, w bigint); select tally.create_tally('t', 't', 'k', '{\"w\": \"w\"}')")
    replica = Replica(database, "t")
    top, low = 2**63 - 1, -(2**63)
    database.sql.execute("insert into t values (1, %s), (2, %s)", [top, low])
    assert replica.check() == {"1": [top], "2": [low]}
    database.sql.execute("update t set w = w * -1 where k = 1")  # the difference is beyond bigint, the values are not
    assert replica.drain().events[-1]["reload"] is True
    assert truth(database.sql, "t") == {"1": [-top], "2": [low]}
    replica.load()
    database.sql.execute("delete from t where k = 2")  # minus the smallest bigint
    assert replica.drain().reloads == 2
    replica.load()
    assert replica.check() == {"1": [-top]}


def test_random_dml_by_many_writers(tweets):
    import random
    chance = random.Random(7)
    replica = Replica(tweets, "tweets")
    writers = [tweets.connect() for _ in range(4)]
    for writer in writers:
        writer.autocommit = False
    actions = ["rt", "fav", "de-rt", "de-fav", None]
    for step in range(400):
        writer = chance.choice(writers)
        kind = chance.random()
        if kind < 0.5:
            writer.execute("insert into tweet.activity (messageid, action) select %s + i, %s from generate_series(1, %s) i",
                           [chance.randrange(5), chance.choice(actions), chance.randrange(4)])
        elif kind < 0.7:
            writer.execute("update tweet.activity set action = %s, messageid = messageid + %s where id in "
                           "(select id from tweet.activity where id %% 4 = %s order by id desc limit 3 for update skip locked)",
                           [chance.choice(actions), chance.randrange(2), writers.index(writer)])
        elif kind < 0.8:
            writer.execute("delete from tweet.activity where id in "
                           "(select id from tweet.activity where id %% 4 = %s limit 2 for update skip locked)", [writers.index(writer)])
        elif kind < 0.95:
            writer.commit()
        else:
            writer.rollback()
        if step % 100 == 50:
            replica.drain()
            replica.load()
    for writer in writers:
        writer.commit()
    assert len(replica.check()) > 3
