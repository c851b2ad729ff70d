-- The application of the demo, the tests and the lab: users send short messages, like them and retweet them.
--
-- The data model is that of the article series "PostgreSQL Concurrency" (Dimitri Fontaine, 2018). Every like and every
-- retweet is a row of tweet.activity, and so is its withdrawal. So no writer waits for another. Nothing here counts the
-- rows.
--
-- The file can run again at any time.

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

-- favs and rts are for applications that count by UPDATE. Nothing here writes them.
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

-- Not unique by (messageid, datetime, action): two users can like a message in the same microsecond.
create table if not exists tweet.activity (
  id        bigserial primary key,
  messageid bigint not null references tweet.message (messageid),
  datetime  timestamptz not null default now(),
  action    tweet.action_t not null
);

create index if not exists activity_messageid on tweet.activity (messageid);

-- The counters by SQL: exact, but each query reads every row. A message without activity has counters of 0.
create or replace view tweet.message_with_counters as
  select m.messageid, m.userid, m.datetime, m.message, a.rts, a.favs, m.location, m.lang, m.url
    from tweet.message m
         cross join lateral (
           select count(*) filter (where action = 'rt') - count(*) filter (where action = 'de-rt') as rts,
                  count(*) filter (where action = 'fav') - count(*) filter (where action = 'de-fav') as favs
             from tweet.activity
            where activity.messageid = m.messageid) a;

-- Copies of the counters.
create schema if not exists twcache;

-- As old as its last "refresh materialized view concurrently twcache.message", which needs the unique index.
create materialized view if not exists twcache.message as
  select messageid, userid, datetime, message, rts, favs, location, lang, url
    from tweet.message_with_counters;

create unique index if not exists message_messageid on twcache.message (messageid);

-- The tallies of 3-tally.sql are materialized in these tables. No foreign key: a copy must not prevent that a message is
-- deleted, nor fail because it was deleted.
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
