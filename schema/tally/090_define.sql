-- create_tally, alter_tally, drop_tally and reload, with the rights of whoever calls them.

-- Null is the same as {}. What is no object is the same as nothing: tally.check_form() refuses it.
create or replace function tally.same(a json, b json) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when json_typeof(coalesce(a, '{}')) = 'object' and json_typeof(coalesce(b, '{}')) = 'object' then
    (select coalesce(json_agg(json_build_array(key, value)), '[]') from json_each_text(coalesce(a, '{}')))::text
    = (select coalesce(json_agg(json_build_array(key, value)), '[]') from json_each_text(coalesce(b, '{}')))::text
    else false end
$$;

create or replace function tally.same_table(known text, wanted text, path text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  a regclass := tally.table_named(known);
  b regclass;
begin
  if known is null or wanted is null or known = wanted then
    return known is not distinct from wanted;
  end if;
  perform set_config('search_path', path, true);
  b := pg_catalog.to_regclass(wanted);
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  return coalesce(a = b, false);
exception
  when syntax_error or invalid_name then
    return false;
end
$$;

-- Whether there is this very tally already; an error if there is another by that name.
create or replace function tally.is_there(wanted tally.definition) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up(wanted.name);
begin
  if known.id is null then
    return false;
  elsif known.source = wanted.source and known.key = wanted.key and tally.same(known.counters, wanted.counters)
        and known.filter is not distinct from wanted.filter and known.transport = wanted.transport
        and tally.same_table(known.materialize, wanted.materialize, wanted.path) and tally.same(known.actions, wanted.actions) then
    return true;
  end if;
  raise exception 'name: there is a tally "%" already, and it is defined otherwise', wanted.name
    using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
end
$$;

-- Takes the definition through all steps. `wanted` has the arguments, `source` the source as it was written.
create or replace function tally.define(wanted tally.definition) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  owner oid;
  left_behind regclass;
begin
  perform tally.check_source(wanted.source);
  perform tally.check_owner(wanted.name, wanted.source);
  -- From here on no transaction can be half under the old definition.
  perform tally.lock_writers(wanted.name, wanted.source, 'share row exclusive'::text);
  for left_behind in select t from tally.left_behind(wanted.id, wanted.source) as t loop
    perform tally.check_owner(wanted.name, left_behind);
    perform tally.lock_writers(wanted.name, left_behind, 'access exclusive'::text);  -- its triggers are dropped
  end loop;
  if wanted.id is null and tally.is_there(wanted) then
    return;  -- made by somebody else meanwhile
  end if;
  select format('%I.%I', n.nspname, c.relname), c.relowner into wanted.source_name, owner
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = wanted.source;
  perform tally.open_stand_in(owner);
  wanted := tally.understand_all(owner, wanted);
  perform tally.check_actions(owner, wanted);
  if wanted.materialize is not null then
    wanted := tally.prepare_materialize(owner, wanted);
  end if;
  perform tally.register(wanted);
  perform tally.close_stand_in();
end
$$;

-- Replaced by version 2.
create or replace function tally.check_actions(owner oid, d tally.definition) returns void
language sql as '';

create or replace function tally.define_new(name text, source text, key text, counters json, filter text, transport text,
                                            materialize text, actions json, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  wanted tally.definition;
begin
  wanted.name := name;
  wanted.key := key;
  wanted.counters := counters;
  wanted.filter := nullif(filter, '');
  wanted.transport := coalesce(transport, 'notify');
  wanted.materialize := nullif(materialize, '');
  wanted.actions := case when tally.same(actions, null) then null else actions end;
  wanted.path := path;
  perform tally.check_form(wanted);
  wanted.source := tally.find_source(source, path);
  perform tally.check_owner(name, wanted.source);
  if tally.is_there(wanted) then
    return;  -- migrations may repeat themselves, and need not wait for anybody
  end if;
  perform tally.define(wanted);
  perform tally.announce(name);
end
$$;

create or replace function tally.define_again(name text, source text, key text, counters json, filter text, transport text,
                                              materialize text, actions json, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  wanted tally.definition := tally.look_up(name);
begin
  if wanted.id is null then
    raise exception 'there is no tally "%"', name using errcode = '42704', hint = 'Make it with create_tally.';
  end if;
  wanted.source := case when source is null then tally.current_source(wanted) else tally.find_source(source, path) end;
  wanted.key := coalesce(key, wanted.key);
  wanted.counters := coalesce(counters, wanted.counters);
  wanted.filter := nullif(coalesce(filter, wanted.filter), '');
  wanted.transport := coalesce(transport, wanted.transport);
  wanted.materialize := nullif(coalesce(materialize, wanted.materialize), '');
  wanted.actions := coalesce(actions, wanted.actions);
  if tally.same(wanted.actions, null) then
    wanted.actions := null;
  end if;
  -- What was written before keeps its meaning: names are looked for in its search_path first, then in the caller's.
  if coalesce(source, key, counters::text, filter, materialize, actions::text) is not null and right(wanted.path, length(path)) <> path then
    wanted.path := regexp_replace(wanted.path, 'pg_temp$', '') || path;
  end if;
  perform tally.check_form(wanted);
  perform tally.define(wanted);
  perform tally.announce(name);
end
$$;

-- The table that a tally's source is today: the one by its name, else the one that was renamed.
create or replace function tally.current_source(d tally.definition) returns regclass
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today regclass := coalesce(tally.table_named(d.source_name), (select oid from pg_class where oid = d.source));
begin
  if today is null then
    raise exception 'tally "%": its source % is gone', d.name, d.source_name
      using errcode = '42P01', hint = format('select tally.drop_tally(%L), or alter_tally with another source.', d.name);
  end if;
  return today;
end
$$;

create or replace function tally.define_gone(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up($1);
  owner oid;
  left_behind regclass;
begin
  if known.id is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies shows them all.';
  end if;
  select o into owner from tally.owners(known) as o where pg_has_role(current_user, o, 'member') limit 1;
  if owner is null then
    raise exception 'name: role % does not own %, the source of tally "%"', current_user, known.source_name, $1
      using errcode = '42501', hint = 'Only the owner of the source makes, alters, reloads or drops its tallies.';
  end if;
  -- Triggers can be dropped under this lock only; a weaker one first would ask for a deadlock.
  if exists (select from pg_class where oid = known.source)
     and pg_has_role(current_user, (select relowner from pg_class where oid = known.source), 'member') then
    perform tally.lock_writers($1, known.source, 'access exclusive'::text);
  end if;
  for left_behind in select t from tally.left_behind(known.id, known.source) as t loop
    if pg_has_role(current_user, (select relowner from pg_class where oid = left_behind), 'member') then
      perform tally.lock_writers($1, left_behind, 'access exclusive'::text);
    end if;
  end loop;
  perform tally.open_stand_in(owner);
  perform tally.unregister($1);
  perform tally.close_stand_in();
end
$$;

-- Makes missing triggers, and tells every replica to load again: what happened to the source so far is not in events.
create or replace function tally.define_reload(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up($1);
  before tally.definition := known;
begin
  if known.id is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies shows them all.';
  end if;
  known.source := tally.current_source(known);
  if known.materialize is not null and tally.table_named(known.materialize) is null then
    raise notice 'tally "%": table % was gone and is made again', $1, known.materialize;
  end if;
  perform tally.define(known);
  known := tally.look_up($1);
  if known.source_name <> before.source_name then
    perform tally.announce($1);
  end if;
  execute 'select ' || tally.sending(known.transport, tally.event_head(known.name) || ' || '',"reload":true}''');
end
$$;
