-- The two tallies, exact and live. Needs "pgtally install" first; the same definition again does nothing.

-- Likes and retweets of every message.
select tally.create_tally(
  name        => 'tweets',
  source      => 'tweet.activity',
  key         => 'messageid',
  counters    => $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
                    "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$,
  materialize => 'twcache.counters',
  actions     => $${"fav":   "insert into tweet.activity (messageid, action) values ($1::bigint, 'fav')",
                    "rt":    "insert into tweet.activity (messageid, action) values ($1::bigint, 'rt')",
                    "unfav": "insert into tweet.activity (messageid, action) values ($1::bigint, 'de-fav')",
                    "unrt":  "insert into tweet.activity (messageid, action) values ($1::bigint, 'de-rt')"}$$);

-- Activity per day. A row counts for the day of its own datetime, in UTC: a row that is inserted late, with an earlier
-- datetime, counts for the earlier day. (The trigger of the articles uses current_date, the day of the insert in the time
-- zone of the writer.)
select tally.create_tally(
  name        => 'daily',
  source      => 'tweet.activity',
  key         => '(datetime at time zone ''UTC'')::date',
  counters    => $${"rts":     "(action = 'rt')::integer",
                    "de_rts":  "(action = 'de-rt')::integer",
                    "favs":    "(action = 'fav')::integer",
                    "de_favs": "(action = 'de-fav')::integer"}$$,
  materialize => 'twcache.daily_counters');
