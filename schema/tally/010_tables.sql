-- The definitions of the tallies, and the numbers of events. Only the schema's owner has rights on these: other roles use
-- functions and the view tally.tallies.

-- The numbers of definitions, "v" in events. A server compares them, so none is given twice.
create sequence if not exists tally.definition_number;

-- Numbers for "n": PostgreSQL folds equal notifications of a transaction into one. A session takes a hundred numbers at a
-- time. (A transaction-local setting would be cheaper, but "reset all" clears it.)
create sequence if not exists tally.event_number cache 100;

create table if not exists tally.definition (
  id          integer generated always as identity primary key,  -- the number in the names of the generated functions
  name        text not null unique,
  source      regclass not null,   -- the table with the triggers; follows a rename, and a dump writes it as a name
  source_name text not null,       -- its name when the functions were generated
  key         text not null,       -- the arguments as they were written:
  counters    json not null,
  filter      text,
  transport   text not null,
  materialize text,
  actions     json,
  path        text not null,       -- the search_path that gave the names in them their meaning
  key_type    text not null,
  code        json not null,       -- the expressions as PostgreSQL understood them, see tally.understand_all()
  generated   text not null default '',  -- the hash of the generated functions; '' if they are outdated, see tally.is_outdated()
  v           bigint,              -- the number of the definition; null until the functions of version 5 are generated
  attnums     smallint[],          -- the numbers of the columns in code, which stay when a column is renamed,
  place       text                 -- and where they hold: a restored table has others, see tally.place_of()
);

-- Before version 4 a number, which had to be raised by hand, stood for the text of the functions. Version 5 brought the columns
-- at the end. Internal functions of older versions are dropped: many had other parameters, and PostgreSQL changes no table
-- whose row type a function uses.
do $$
declare
  internal regprocedure;
begin
  if exists (select from pg_attribute where attrelid = 'tally.definition'::regclass and attname = 'v' and not attisdropped) then
    return;
  end if;
  for internal in
    select oid from pg_proc
     where pronamespace = 'tally'::regnamespace and proname !~ '^tally_[0-9]+_'
       and proname not in ('create_tally', 'alter_tally', 'drop_tally', 'reload', 'problems', 'truth', 'lock_source', 'act', 'version',
                           'lost_source', 'materialize_target', 'lacks_on_table', 'grant_server', 'grant_create')
  loop
    execute format('drop function %s', internal);
  end loop;
  if exists (select from pg_attribute
              where attrelid = 'tally.definition'::regclass and attname = 'generator' and not attisdropped) then
    alter table tally.definition drop column generator, add column generated text not null default '';
  end if;
  alter table tally.definition add column v bigint, add column attnums smallint[], add column place text;
end
$$;

-- Which installation this is: a server that reads another number reads another database, or a restored one.
create table if not exists tally.installation (
  id  uuid not null,
  one boolean primary key default true check (one)
);
insert into tally.installation (id) select gen_random_uuid() where not exists (select from tally.installation);

revoke all on all tables in schema tally from public;
