"""Partitioned sources: through the parent, through any partition, and partitions that come and go."""

import pytest
from replica import Replica
from transports import EITHER

pytestmark = EITHER

SOURCE = """
    create table votes (k int, w int, day int not null) partition by range (day);
    create table votes_1 partition of votes for values from (0) to (10);
    create table votes_2 (extra text, day int not null, w int, k int);   -- other column numbers
    alter table votes_2 drop column extra;
    alter table votes attach partition votes_2 for values from (10) to (20);
    create table votes_3 partition of votes for values from (20) to (40) partition by list (day);
    create table votes_3a partition of votes_3 for values in (20, 21);
    create table votes_3b partition of votes_3 default;
    select tally.create_tally('votes', 'votes', 'k', '{"n": "1", "w": "w"}');
"""


@pytest.fixture
def votes(database):
    database.sql.execute(SOURCE)
    return database


def test_every_way_in(votes):
    replica = Replica(votes, "votes")
    run = votes.sql.execute
    run("insert into votes values (1, 5, 1), (1, 6, 11), (2, 7, 20), (2, 8, 30)")
    assert len(replica.drain().events) == 1
    run("insert into votes_2 (k, w, day) values (3, 1, 12), (4, 1, 12)")
    run("insert into votes_3 values (3, 1, 21)")
    run("insert into votes_3a values (5, 1, 21)")
    assert replica.check() == {"1": [2, 11], "2": [2, 15], "3": [2, 2], "4": [1, 1], "5": [1, 1]}
    run("update votes_2 set w = 100 where k = 3")
    run("delete from votes_3 where k = 5")
    run("update votes set k = k + 10")
    run("delete from votes_1")
    with votes.sql.cursor().copy("copy votes from stdin") as copy:
        for i in range(40):
            copy.write_row((i % 3, i, i))
    with votes.sql.cursor().copy("copy votes_3 from stdin") as copy:
        copy.write_row((70, 1, 35))
    assert len(replica.check()) == 8


def test_rows_that_move(votes):
    votes.sql.execute("insert into votes select i % 4, i, i from generate_series(0, 39) i")
    replica = Replica(votes, "votes")
    votes.sql.execute("update votes set day = 39 - day, k = k + 1 where w % 3 = 0")  # through the parent, all levels
    votes.sql.execute("update votes_3 set day = 59 - day, w = w + 1 where w > 25")   # within a middle level
    votes.sql.execute("update votes set day = day % 10")
    replica.check()
    assert votes.sql.execute("select count(*) from votes_1").fetchone() == (40,)
    assert replica.reloads == 0


def test_merge_moves_rows(votes):
    if votes.sql.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    votes.sql.execute("insert into votes select i % 4, i, i from generate_series(0, 39) i")
    replica = Replica(votes, "votes")
    votes.sql.execute("""merge into votes v using generate_series(0, 50) i on v.w = i
                          when matched and i % 5 = 0 then delete
                          when matched then update set day = 39 - day, k = 8
                          when not matched then insert values (9, i, 3)""")
    replica.check()


def test_truncate_of_parent_and_of_one_partition(votes):
    votes.sql.execute("insert into votes select i % 4, i, i from generate_series(0, 39) i")
    replica = Replica(votes, "votes")
    votes.sql.execute("truncate votes_2")
    assert [event.get("reload") for event in replica.drain().events] == [True]
    replica.load()
    replica.check()
    votes.sql.execute("truncate votes_3")  # a middle level, and with it its partitions
    assert replica.drain().reloads >= 2
    replica.load()
    votes.sql.execute("truncate votes")
    votes.sql.execute("insert into votes values (1, 1, 1)")
    assert replica.check() == {"1": [1, 1]}
    assert [event for event in replica.events if "truncate" in event]


def problems(database, name="votes"):
    return database.sql.execute("select problems from tally.tallies where name = %s", [name]).fetchone()[0]


def test_attached_and_new_partitions(votes):
    replica = Replica(votes, "votes")
    run = votes.sql.execute
    run("""create table late (like votes); insert into late values (6, 6, 50);
           alter table votes attach partition late for values from (40) to (60)""")
    assert len(problems(votes)) == 4
    assert all("partition public.late has no" in p and "select tally.reload('votes')" in p for p in problems(votes))
    run("select tally.reload('votes')")
    assert problems(votes) == []
    assert replica.drain().reloads == 1
    replica.load()
    run("insert into late values (7, 7, 51)")
    run("update votes set day = 1 where k = 6")
    assert replica.check() == {"6": [1, 6], "7": [1, 7]}
    run("alter table votes detach partition late")
    assert len(problems(votes)) == 1 and "public.late is no part of the source any more" in problems(votes)[0]
    run("begin; select tally.reload('votes'); insert into late values (8, 8, 8); commit")
    assert replica.drain().reloads == 2 and problems(votes) == []
    replica.load()
    run("insert into late values (8, 8, 8)")
    assert replica.check() == {"6": [1, 6]}


def test_a_partition_is_no_source_and_its_owner_matters(votes):
    from roles import make_roles, refused
    error = refused(votes.sql, "select tally.create_tally('p', 'votes_1', 'k')")
    assert error.sqlstate == "42809" and "a partition of public.votes" in str(error) and "Count public.votes" in error.diag.message_hint
    make_roles(votes)
    votes.sql.execute("select tally.drop_tally('votes'); alter table votes_2 owner to bob; alter table votes owner to alice; "
                      "alter table votes_1 owner to alice; alter table votes_3 owner to alice; "
                      "alter table votes_3a owner to alice; alter table votes_3b owner to alice")
    error = refused(votes.sql, "select tally.create_tally('votes', 'votes', 'k')")
    assert error.sqlstate == "42501" and "public.votes_2 belongs to bob" in str(error)
