-- What is known of each tally, and the numbers of events. No role but the schema's owner has any right on these:
-- everybody else goes through functions and through the view tally.tallies.

create table if not exists tally.definition (
  id          integer generated always as identity primary key,  -- in the names of the generated functions
  name        text not null unique,
  source      regclass not null,   -- the table that carries the triggers; follows a rename, and a dump writes it as a name
  source_name text not null,       -- its name when they were made: what the generated functions read
  key         text not null,       -- the arguments as they were written:
  counters    json not null,
  filter      text,
  transport   text not null,
  materialize text,
  actions     json,
  path        text not null,       -- the search_path in which they were understood
  key_type    text not null,
  code        json not null,       -- the expressions as PostgreSQL understood them, see tally.understand()
  generator   integer not null     -- the version of tally.generate() that made the functions
);

-- Numbers for "n": PostgreSQL folds equal notifications of a transaction into one. A session takes a hundred at a time.
-- (A transaction-local setting would be cheaper, but "reset all" wipes it.)
create sequence if not exists tally.event_number cache 100;

revoke all on all tables in schema tally from public;
