-- Findings by trying: PostgreSQL plans what would run, and runs nothing of it. So it tells what the catalogs do not: a right
-- that the owner of the source has lost, a function that does not work any more, an action whose tables have changed.

-- The function that tries for a tally, as the owner of the source: an action, or the truth if `action` is null. EXPLAIN
-- checks the rights too.
create or replace function tally.generate_try(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  called text := format('tally.tally_%s_try(text)', d.id);
  actions text;
begin
  select string_agg(format(E'\n  elsif action = %L then\n    execute %L using null::pg_catalog.text, null::pg_catalog.json;',
                           m.member, 'explain (costs off) ' || m.content), '' order by m.place)
    into actions
    from tally.members('actions'::text, coalesce(d.actions, '{}')) as m;
  return next format('create or replace function tally.tally_%s_try(action text) returns void '
                     'language plpgsql security definer %s set row_security = on as %L', d.id, tally.set_clauses(d, false),
    format(E'\nbegin%s\n  if action is null then\n    perform pg_catalog.set_config(''row_security'', ''off'', true);\n'
           '    execute format(%L, variadic tally.column_names(%s) || tally.source_name(%s));%s\n  end if;\nend\n',
           tally.self_check(called), 'explain (costs off) ' || tally.truth_template(d), d.id, d.id, actions));
  return next format('revoke all on function %s from public', called);
  return next format('grant execute on function %s to %I', called,
                     (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally'));
end
$$;

-- A statement that fails, in words.
create or replace function tally.failure(d tally.definition, action text, state text, why text)
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select d.name, case when action is null then 'truth_fails' else 'action_fails' end, coalesce(action, d.name),
         format('%s: %s (SQLSTATE %s)', case when action is null then 'the counters cannot be read' else format('action "%s" would fail', action) end,
                why, state),
         case when state = '55P03' then 'a long transaction holds a lock: find it in pg_stat_activity, and try again after it ends'
              when state = '42501' then format('grant role %I, which owns the source, the right that the message names',
                                               (select pg_get_userbyid(relowner) from pg_class where oid = d.source))
              when action is null then format('select tally.alter_tally(%L, ...) with expressions that work', d.name)
              else format('select tally.alter_tally(%L, actions => ...) with statements that work', d.name) end,
         case when action is null and state <> '55P03' then 'failed' else 'warning' end
$$;

-- What fails of all tallies. The truth of one that has a finding of severity 'failed' is not tried: that is the reason.
create or replace function tally.tried()
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  d tally.definition;
  action text;
begin
  for d in
    select * from tally.definition t where to_regprocedure(format('tally.tally_%s_try(text)', t.id)) is not null order by t.name
  loop
    for action in
      select null where not exists (select from tally.findings(d.name) as f where f.severity = 'failed')
      union all
      select json_object_keys(d.actions)
    loop
      begin
        execute format('select tally.tally_%s_try($1)', d.id) using action;
        perform tally.restore_path();
      exception
        when others then
          return query select * from tally.failure(d, action, sqlstate, sqlerrm);
      end;
    end loop;
  end loop;
end
$$;
