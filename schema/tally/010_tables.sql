-- The definitions of the tallies, and the numbers of events. Only the schema's owner has rights on these: other roles use
-- functions and the view tally.tallies.

create table if not exists tally.definition (
  id          integer generated always as identity primary key,  -- the number in the names of the generated functions
  name        text not null unique,
  source      regclass not null,   -- the table with the triggers; follows a rename, and a dump writes it as a name
  source_name text not null,       -- its name when the functions were generated: the one that they read
  key         text not null,       -- the arguments as they were written:
  counters    json not null,
  filter      text,
  transport   text not null,
  materialize text,
  actions     json,
  path        text not null,       -- the search_path that gave the names in them their meaning
  key_type    text not null,
  code        json not null,       -- the expressions as PostgreSQL understood them, see tally.understand()
  generated   text not null default ''  -- the hash of the generated functions; '' if they are outdated, see tally.is_outdated()
);

-- Before version 4 a number, which had to be raised by hand, stood for the text of the functions.
do $$
begin
  if exists (select from pg_attribute
              where attrelid = 'tally.definition'::regclass and attname = 'generator' and not attisdropped) then
    alter table tally.definition add column generated text not null default '';
    alter table tally.definition drop column generator;
    drop function tally.generator();
  end if;
end
$$;

-- Numbers for "n": PostgreSQL folds equal notifications of a transaction into one. A session takes a hundred numbers at a
-- time. (A transaction-local setting would be cheaper, but "reset all" clears it.)
create sequence if not exists tally.event_number cache 100;

revoke all on all tables in schema tally from public;
