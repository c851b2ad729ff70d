-- Likes of people who are logged in: one each per message. Needs 3-tally.sql; the file can run again at any time.

create table if not exists tweet.liked (
  userid    bigint not null references tweet.users (userid),
  messageid bigint not null references tweet.message (messageid),
  primary key (userid, messageid)
);

-- What each person likes, by "u<userid>/<messageid>": a token with the prefix "u4/" reads and likes for user 4 alone.
-- Each action changes tweet.activity in the same statement, which the tally "tweets" counts for everybody. An action that is
-- repeated does nothing: the primary key decides.
select tally.create_tally(
  name     => 'mine',
  source   => 'tweet.liked',
  key      => $$'u' || userid::text || '/' || messageid::text$$,
  counters => '{"likes": "1"}',
  actions  => $${
    "like":   "with one as (insert into tweet.liked (userid, messageid) values (split_part(substr($1, 2), '/', 1)::bigint, split_part($1, '/', 2)::bigint) on conflict do nothing returning messageid) insert into tweet.activity (messageid, action) select messageid, 'fav' from one",
    "unlike": "with one as (delete from tweet.liked where userid = split_part(substr($1, 2), '/', 1)::bigint and messageid = split_part($1, '/', 2)::bigint returning messageid) insert into tweet.activity (messageid, action) select messageid, 'de-fav' from one"}$$);

-- A like is a person's now, so that the public tally has no actions.
select tally.alter_tally('tweets', actions => '{}');
