-- The texts that the page of the demo shows beside the counters, as one JSON object:
-- {"33": {"author": …, "nickname": …, "text": …}, …}
-- psql -XAtq -f schema/tweet/labels.sql >DIR/labels/tweets.json, and then: pgtally serve --web DIR

select coalesce(json_object_agg(m.messageid,
                                json_build_object('author', u.uname, 'nickname', u.nickname, 'text', m.message)
                                order by m.messageid), '{}')
  from tweet.message m
       join tweet.users u using (userid);
