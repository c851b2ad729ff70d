-- The users: the cast of "A Midsummer Night's Dream", including the parts of the play within the play, and their followers.
-- The file can run again at any time: it identifies users by uname, and keeps changes to them.

insert into tweet.users (uname, nickname, bio)
values
  ('Theseus',      'Duke Theseus',       'Duke of Athens. Getting married in four days. Yes, there will be a play.'),
  ('Hippolyta',    'Queen Hippolyta',    'Queen of the Amazons. Lost a war, won a seat in the front row.'),
  ('Egeus',        'Father of Hermia',   'I have one daughter and one opinion.'),
  ('Hermia',       'Little Hermia',      'Small, but so is a spark. Ask me about Lysander.'),
  ('Lysander',     'True Lover',         'The course of my timeline never did run smooth.'),
  ('Demetrius',    'Worthy Gentleman',   'Engaged, disengaged, re-engaged. Currently in a wood.'),
  ('Helena',       'Tall Helena',        'Runs after people who run from her. Great stamina.'),
  ('Philostrate',  'Master of Revels',   'I have seen the rehearsal. I advise against it.'),
  ('Quince',       'Peter Quince',       'Carpenter by day, author and director by candlelight.'),
  ('Snug',         'Snug the Joiner',    'Slow of study. Still learning my lines: there is one, it is a roar.'),
  ('Bottom',       'Nick Bottom',        'Weaver. Also available for lover, tyrant, lady, lion and weather.'),
  ('Flute',        'Francis Flute',      'Bellows mender. I have a beard coming, so please ask first.'),
  ('Snout',        'Tom Snout',          'Tinker. I can hold a pose, and plaster.'),
  ('Starveling',   'Robin Starveling',   'Tailor with a lantern. The dog is mine as well.'),
  ('Oberon',       'King of Shadows',    'King of the fairies. Invisible, and it shows.'),
  ('Titania',      'Queen of Fairies',   'I woke up in love once. We do not talk about it.'),
  ('Puck',         'Robin Goodfellow',   'Round the earth in forty minutes, including the queue at customs.'),
  ('Peaseblossom', 'Pease',              'Ready!'),
  ('Cobweb',       'Good Master Cobweb', 'And I. First aid for cut fingers.'),
  ('Moth',         'Little Moth',        'And I. Following the light, any light.'),
  ('Mustardseed',  'Monsieur Mustard',   'And I. My family has made eyes water for generations.'),
  ('Fairy',        'A Wandering Fairy',  'Dewdrops hung in every cowslip ear, next-day delivery.'),
  ('All',          'Everybody',          'Whatever it is, we all say it at once.'),
  ('Prologue',     'The Prologue',       'If we offend it is with our good will. Punctuation, extra.'),
  ('Wall',         'A Certain Wall',     'Lime, rough-cast, and one well-known hole.'),
  ('Pyramus',      'Young Pyramus',      'Dies at length. Encores on request.'),
  ('Thisbe',       'Fair Thisbe',        'Meet me at the tomb. Bring a mantle you do not need any more.'),
  ('Lion',         'A Very Gentle Lion', 'Not really a lion. Please do not be afraid, ladies.'),
  ('Moonshine',    'The Man in the Moon', 'This lantern is the moon, I am the man in it, the dog is the dog.')
on conflict (uname) do nothing;

-- Lovers follow the ones they love; fairies follow their king, their queen, or both.
insert into tweet.follower (follower, following)
select a.userid, b.userid
  from (values ('Theseus',      'Hippolyta'),
               ('Hermia',       'Lysander'),
               ('Lysander',     'Hermia'),
               ('Demetrius',    'Hermia'),
               ('Helena',       'Demetrius'),
               ('Puck',         'Oberon'),
               ('Peaseblossom', 'Titania'),
               ('Cobweb',       'Titania'),
               ('Moth',         'Titania'),
               ('Mustardseed',  'Titania'),
               ('Fairy',        'Titania'),
               ('Fairy',        'Oberon')) as love (who, whom)
       join tweet.users a on a.uname = love.who
       join tweet.users b on b.uname = love.whom
on conflict do nothing;
