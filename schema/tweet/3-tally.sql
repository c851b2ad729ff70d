-- The tally "tweets": likes and retweets of every message, exact and live. Needs "pgtally install" first; the same
-- definition again does nothing.

select tally.create_tally(
  name     => 'tweets',
  source   => 'tweet.activity',
  key      => 'messageid',
  counters => $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
                 "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$,
  actions  => $${"fav":   "insert into tweet.activity (messageid, action) values ($1::bigint, 'fav')",
                 "rt":    "insert into tweet.activity (messageid, action) values ($1::bigint, 'rt')",
                 "unfav": "insert into tweet.activity (messageid, action) values ($1::bigint, 'de-fav')",
                 "unrt":  "insert into tweet.activity (messageid, action) values ($1::bigint, 'de-rt')"}$$);
