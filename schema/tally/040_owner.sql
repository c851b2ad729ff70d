-- Acting as the owner of a source.
--
-- The expressions of a tally are the owner's code. A caller of create_tally, who may be a superuser, must never run them
-- with rights of its own. And the schema's owner must let the owner create the generated functions in schema tally without
-- a moment in which the owner could create others. Both are done through the stand-in, a small function in pg_temp. It
-- belongs to the owner of the source and is SECURITY DEFINER, where PostgreSQL allows no SET ROLE, so that the code it runs
-- cannot switch back. It runs the statement that is its argument.
--
-- If the stand-in exists with exactly this text, the session has proven that it may act as the owner: the functions of the
-- schema's owner look for that. Only the session can reach its pg_temp. The owner's code can reach it too while it runs, so
-- the stand-in is checked before each call.

create or replace function tally.stand_in_source() returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select $body$
declare
  answer pg_catalog.text;
begin
  if reads then
    execute statement into answer;
  else
    execute statement;
  end if;
  return answer;
end
$body$
$$;

-- Whether the session has proven that it may act as this role.
create or replace function tally.stands_in(owner oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select count(*) = 1
         and coalesce(bool_and(p.proowner = owner and p.prosecdef and p.proconfig is null and not p.proisstrict
                               and p.prokind = 'f' and p.prosrc = tally.stand_in_source()
                               and p.pronargdefaults = 0 and p.prorettype = 'pg_catalog.text'::regtype
                               and p.proargtypes = '25 16'::oidvector
                               and p.prolang = (select l.oid from pg_language l where l.lanname = 'plpgsql')), false)
    from pg_proc p
   where p.pronamespace = pg_my_temp_schema() and p.proname = 'pgtally_owner'
$$;

create or replace function tally.close_stand_in() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from pg_proc where pronamespace = pg_my_temp_schema() and proname = 'pgtally_owner') then
    execute 'drop function pg_temp.pgtally_owner(text, boolean)';
  end if;
end
$$;

create or replace function tally.event_trigger_hint() returns text
language sql immutable as $$
  select 'If an event trigger of this database refused it, that must allow the owner of the source to create functions and tables.'
$$;

create or replace function tally.open_stand_in(owner oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role_before text := current_setting('role');
  switched boolean := owner <> (select oid from pg_roles where rolname = current_user);
  stand_in text := format('create function pg_temp.pgtally_owner(statement text, reads boolean) returns text '
                          'language plpgsql security definer as %L', tally.stand_in_source());
begin
  if not has_database_privilege(owner, current_database(), 'temporary') then
    raise exception 'role % needs the right to create temporary objects in database %',
                    pg_get_userbyid(owner), current_database()
      using errcode = '42501',
            hint = format('grant temporary on database %I to %I', current_database(), pg_get_userbyid(owner));
  end if;
  perform tally.close_stand_in();
  begin
    if switched then
      perform set_config('role', pg_get_userbyid(owner), true);
    end if;
    execute stand_in;
    execute 'grant execute on function pg_temp.pgtally_owner(text, boolean) to public';  -- the owner can have changed the default privileges
    if switched then
      perform set_config('role', role_before, true);
    end if;
  exception
    when others then
      raise exception 'role % cannot create a function in pg_temp: %', pg_get_userbyid(owner), sqlerrm
        using errcode = sqlstate, hint = tally.event_trigger_hint();
  end;
end
$$;

-- Code of a source's owner can set the search_path of the session, which outlives the function that it ran in. A function that
-- called it calls this before anything else, so that neither the schema's owner nor the caller goes on under that path: `path`
-- applies again, until the end of the transaction or of the function that set it. All names are qualified.
create or replace function tally.restore_path(path text default 'pg_catalog, pg_temp') returns void
language plpgsql as $$
begin
  if pg_catalog.current_setting('search_path') operator(pg_catalog.<>) path then
    reset search_path;
    perform pg_catalog.set_config('search_path', path, true);
  end if;
end
$$;

create or replace function tally.as_owner(owner oid, statement text) returns void
language plpgsql as $$
declare
  path text := pg_catalog.current_setting('search_path');
begin
  if not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as role %', pg_catalog.pg_get_userbyid(owner)
      using errcode = '42501', hint = 'Call create_tally, alter_tally, drop_tally or reload.';
  end if;
  perform pg_temp.pgtally_owner(statement, false);
  perform tally.restore_path(path);
end
$$;

-- Parses a statement as the owner and runs nothing of it. The text of a caller may stand in it: OPEN fails for several
-- statements (42P11), so no text can add one.
create or replace function tally.open_as_owner(owner oid, statement text) returns void
language plpgsql as $$
begin
  perform tally.as_owner(owner, pg_catalog.format('do %L', pg_catalog.format($body$
    declare
      c pg_catalog.refcursor;
    begin
      open c for execute %L using null::pg_catalog.text, null::pg_catalog.json;
      close c;
    end
    $body$, statement)));
end
$$;

create or replace function tally.ask_owner(owner oid, question text) returns text
language plpgsql as $$
declare
  path text := pg_catalog.current_setting('search_path');
  answer text;
begin
  if not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as role %', pg_catalog.pg_get_userbyid(owner)
      using errcode = '42501', hint = 'Call create_tally, alter_tally, drop_tally or reload.';
  end if;
  answer := pg_temp.pgtally_owner(question, true);
  perform tally.restore_path(path);
  return answer;
end
$$;
