-- create_tally, alter_tally, drop_tally and reload. These functions run with the rights of the caller.

-- Whether both values mean the same. Null means the same as {}. A value that is not an object equals no other;
-- tally.check_form() refuses it.
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

-- Whether the tally exists with this definition. If one of that name has another definition, an error. If only its source
-- is gone, and `wanted.source` has its name, sets wanted.id: the tally is taken over.
create or replace function tally.is_there(inout wanted tally.definition, out there boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up(wanted.name);
begin
  there := false;
  if known.id is null then
    return;
  elsif known.key = wanted.key and tally.same(known.counters, wanted.counters)
        and known.filter is not distinct from wanted.filter and known.transport = wanted.transport
        and tally.same(known.actions, wanted.actions) then
    if known.source = wanted.source and tally.same_table(known.materialize, wanted.materialize, wanted.path) then
      there := true;
      return;
    elsif tally.name_of(known.source) is null and known.source_name = tally.name_of(wanted.source)
          and (known.materialize is null) = (wanted.materialize is null) then
      wanted.id := known.id;
      return;
    end if;
  end if;
  raise exception 'name: there is a tally "%" already, with another definition', wanted.name
    using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
end
$$;

-- All steps from the arguments, in `wanted`, to the triggers. `fresh` has the names of the new arguments.
create or replace function tally.define(wanted tally.definition, fresh text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  owner oid;
  former regclass[] := '{}';
  left_behind regclass;
  again record;
begin
  perform tally.check_source(wanted.source);
  perform tally.check_owner(wanted.name, wanted.source);
  if wanted.id is not null then
    former := array(select t from tally.left_behind(wanted.id, wanted.source) as t);
  end if;
  foreach left_behind in array former loop
    perform tally.check_owner(wanted.name, left_behind);
  end loop;
  -- From here on no transaction can write under the old and the new definition. If the source has another owner now, its
  -- triggers are dropped, which needs the strongest lock: to ask for it later could end in a deadlock.
  select relowner into owner from pg_class where oid = wanted.source;
  perform tally.lock_writers(wanted.name, wanted.source,
                             case when exists (select from tally.functions_of(wanted.id) where proowner <> owner)
                                  then 'access exclusive' else 'share row exclusive' end, former);
  if wanted.id is null then
    again := tally.is_there(wanted);
    if again.there then
      return;  -- another session created it meanwhile
    end if;
  end if;
  perform tally.open_stand_in(owner);
  perform tally.register(wanted, fresh);
  perform tally.close_stand_in();
end
$$;

-- 200_act.sql replaces it.
create or replace function tally.check_actions(owner oid, d tally.definition) returns void
language sql as '';

create or replace function tally.define_new(name text, source text, key text, counters json, filter text, transport text,
                                            materialize text, actions json, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  wanted tally.definition;
  found_now record;
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
  found_now := tally.is_there(wanted);
  if found_now.there then
    return;  -- a repeated migration does not wait for writers
  end if;
  wanted := found_now.wanted;
  perform tally.define(wanted, array['key', 'counters', 'filter', 'materialize', 'actions']);
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
    raise exception 'there is no tally "%"', name using errcode = '42704', hint = 'Create it with create_tally.';
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
  -- Arguments of earlier calls keep their meaning: names are looked up in the tally's search_path first, then in the caller's.
  if coalesce(source, key, counters::text, filter, materialize, actions::text) is not null and right(wanted.path, length(path)) <> path then
    wanted.path := regexp_replace(wanted.path, 'pg_temp$', '') || path;
  end if;
  perform tally.check_form(wanted);
  perform tally.define(wanted, array_remove(array[case when key is not null then 'key' end,
                                                  case when counters is not null then 'counters' end,
                                                  case when filter is not null then 'filter' end,
                                                  case when materialize is not null then 'materialize' end,
                                                  case when actions is not null then 'actions' end], null));
  perform tally.announce(name);
end
$$;

-- The table that is the source now: the one with the recorded name, else the renamed one.
create or replace function tally.current_source(d tally.definition) returns regclass
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today regclass := coalesce(tally.namesake(d), (select oid from pg_class where oid = d.source));
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
begin
  if known.id is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  end if;
  select o into owner from tally.owners(known) as o where tally.may_act_as(o) limit 1;
  if owner is null then
    raise exception 'name: role % does not own %, the source of tally "%"', current_user, known.source_name, $1
      using errcode = '42501', hint = 'Only the owner of the source creates, alters, reloads or drops its tallies.';
  end if;
  -- DROP TRIGGER needs this lock. A weaker lock first could end in a deadlock.
  perform tally.lock_writers($1, (select c.oid::regclass from pg_class c where c.oid = known.source and tally.may_act_as(c.relowner)),
                             'access exclusive'::text,
                             array(select t from tally.left_behind(known.id, known.source) as t join pg_class c on c.oid = t
                                    where tally.may_act_as(c.relowner)));
  perform tally.open_stand_in(owner);
  perform tally.unregister($1);
  perform tally.close_stand_in();
end
$$;

-- Creates missing triggers and all functions, and sends the event that makes every replica load again: no event has the
-- earlier changes.
create or replace function tally.define_reload(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up($1);
  before tally.definition := known;
begin
  if known.id is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  end if;
  known.source := tally.current_source(known);
  if known.materialize is not null and tally.table_named(known.materialize) is null then
    raise notice 'tally "%": table % was missing and is created again', $1, known.materialize;
  end if;
  perform tally.define(known, '{}');
  known := tally.look_up($1);
  if known.v is distinct from before.v then
    perform tally.announce($1);
  end if;
  perform tally.ask_for_reload($1);
end
$$;

-- Whether the calling role may call tally.reload() for this tally. A server asks before it repairs. Not during a restore, which
-- creates the triggers and the publication itself, and would fail if they were there already: it may begin by dropping the
-- publication, and ends with the refresh of tally.restored.
create or replace function tally.can_reload(name text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- A role without that right may not call the functions below either.
  if not has_function_privilege('tally.define_reload(text)', 'execute')
     or not exists (select from pg_class where relnamespace = 'tally'::regnamespace and relname = 'restored' and relispopulated) then
    return false;
  end if;
  if tally.publication() = 'missing' and exists (select from tally.tallies where transport = 'wal') then
    return false;
  end if;
  return not exists (select from tally.parts(tally.current_source(tally.look_up($1))) as p
                                 join pg_class c on c.oid = p where not tally.may_act_as(c.relowner));
end
$$;
