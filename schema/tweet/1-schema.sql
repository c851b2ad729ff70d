-- The application of the demo, the tests and the lab: people who send short messages, and act on them.
--
-- The data model is that of the article series "PostgreSQL Concurrency" (Dimitri Fontaine, 2018). Every like and
-- every retweet is a row of tweet.activity, so that no two writers ever wait for each other; taking one back is
-- one more row. What the rows add up to is for somebody else to count.
--
-- May be run again at any time.

create schema if not exists tweet;

create table if not exists tweet.users (
  userid   bigserial primary key,
  uname    text not null unique,
  nickname text,
  bio      text,
  picture  text
);

create table if not exists tweet.follower (
  follower  bigint not null references tweet.users (userid),
  following bigint not null references tweet.users (userid),
  primary key (follower, following)
);

-- favs and rts are what an application that counts by UPDATE would keep; nothing of ours writes them.
create table if not exists tweet.message (
  messageid bigserial primary key,
  userid    bigint not null references tweet.users (userid),
  datetime  timestamptz not null default now(),
  message   text not null,
  favs      bigint,
  rts       bigint,
  location  point,
  lang      text,
  url       text
);

do $$
begin
  create type tweet.action_t as enum ('rt', 'fav', 'de-rt', 'de-fav');
exception
  when duplicate_object then null;  -- "create type" knows no "if not exists"
end
$$;

-- Not unique by (messageid, datetime, action): two people may like the same message in the same microsecond.
create table if not exists tweet.activity (
  id        bigserial primary key,
  messageid bigint not null references tweet.message (messageid),
  datetime  timestamptz not null default now(),
  action    tweet.action_t not null
);

create index if not exists activity_messageid on tweet.activity (messageid);

-- The counters by SQL: exact, and read from every row each time. A message that nobody acted upon shows 0.
create or replace view tweet.message_with_counters as
  select m.messageid, m.userid, m.datetime, m.message, a.rts, a.favs, m.location, m.lang, m.url
    from tweet.message m
         cross join lateral (
           select count(*) filter (where action = 'rt') - count(*) filter (where action = 'de-rt') as rts,
                  count(*) filter (where action = 'fav') - count(*) filter (where action = 'de-fav') as favs
             from tweet.activity
            where activity.messageid = m.messageid) a;

-- What is kept instead of computed.
create schema if not exists twcache;

-- As old as its last "refresh materialized view concurrently twcache.message", which needs the unique index.
create materialized view if not exists twcache.message as
  select messageid, userid, datetime, message, rts, favs, location, lang, url
    from tweet.message_with_counters;

create unique index if not exists message_messageid on twcache.message (messageid);

-- What the tallies of 3-tally.sql are materialized in. No foreign key: a copy must not keep anybody from deleting a
-- message, nor fail because somebody did.
create table if not exists twcache.counters (
  messageid bigint primary key,
  rts       bigint not null default 0,
  favs      bigint not null default 0
);

create table if not exists twcache.daily_counters (
  day     date primary key,
  rts     bigint not null default 0,
  de_rts  bigint not null default 0,
  favs    bigint not null default 0,
  de_favs bigint not null default 0
);
