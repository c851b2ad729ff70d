-- All functions of a tally, and whether an installation would generate others.

-- The beginning of every function that the schema's owner calls. If the owner of the function has altered it to run with
-- the rights of the caller, it fails here, before any other code of the owner. All names are qualified, because the owner
-- can also have altered the search_path of the function. The name of the owner is asked for at each call: names change.
create or replace function tally.self_check(signature text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format($body$
  if not exists (select from pg_catalog.pg_proc p
                  where p.oid operator(pg_catalog.=) (%L::pg_catalog.regprocedure)::pg_catalog.oid
                    and pg_catalog.pg_get_userbyid(p.proowner) operator(pg_catalog.=) current_user) then
    raise exception 'a function that pgtally generated was altered' using errcode = '42501', hint = 'Call tally.reload.';
  end if;$body$, signature)
$$;

-- 200_act.sql replaces it.
create or replace function tally.generate_act(d tally.definition) returns setof text
language sql as 'select null::text where false';

-- The functions of the expressions of a definition.
create or replace function tally.expressions(d tally.definition) returns table (suffix text, code json)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'key', d.code -> 'key'
  union all
  select 'c' || i, c from json_array_elements(d.code -> 'counters') with ordinality as u (c, i)
  union all
  select 'filter', d.code -> 'filter' where d.filter is not null
$$;

-- The query for the counters, as a format for the names of the columns and the name of the source.
create or replace function tally.truth_template(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('select k::text, array[%s]::bigint[] from (%s) as sums where %s',
                (select string_agg('c' || i, ', ') from generate_series(1, json_array_length(d.code -> 'counters')) as i),
                tally.sums(d, 'truth'::text), tally.condition(d))
$$;

-- The statements that create the functions of a tally. The owner runs them.
create or replace function tally.generate_functions(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  e record;
  called text;
  schema_owner name := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally');
  template text;
begin
  for e in select * from tally.expressions(d) loop
    called := format('tally.tally_%s_%s(%s)', d.id, e.suffix,
                     (select string_agg(c ->> 'type', ', ') from json_array_elements(e.code -> 'columns') as c));
    return next format('create or replace function tally.tally_%s_%s(%s) returns %s language sql immutable %s return %s', d.id, e.suffix,
                       (select string_agg(format('%I %s', c ->> 'name', c ->> 'type'), ', ') from json_array_elements(e.code -> 'columns') as c),
                       e.code ->> 'type', case when (e.code ->> 'parallel')::boolean then 'parallel safe' else '' end, e.code ->> 'sql');
    return next format('revoke all on function %s from public', called);
  end loop;

  foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
    return next format('create or replace function tally.tally_%s_%s() returns trigger language plpgsql security definer %s as %L',
                       d.id, kind, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
                       case kind when 'truncate' then tally.truncate_body(d) else tally.trigger_body(d, kind) end);
    return next format('revoke all on function tally.tally_%s_%s() from public', d.id, kind);
  end loop;

  called := format('tally.tally_%s_truth()', d.id);
  template := tally.truth_template(d);
  return next format('create or replace function %s returns table (k text, c bigint[]) '
                     'language plpgsql stable security definer %s set row_security = off as %L',
    called, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
    format(E'\nbegin%s\n  return query execute format(%L, variadic tally.column_names(%s) || tally.source_name(%s));\nend\n',
           tally.self_check(called), template, d.id, d.id));
  return next format('revoke all on function %s from public', called);
  return next format('grant execute on function %s to %I', called, schema_owner);

  called := format('tally.tally_%s_lock()', d.id);
  return next format('create or replace function %s returns void '
                     'language plpgsql security definer set search_path = pg_catalog, pg_temp as %L',
    called, format(E'\nbegin%s\n  execute format(''lock table %%s in access share mode'', tally.source_name(%s));\nend\n',
                   tally.self_check(called), d.id));
  return next format('revoke all on function %s from public', called);
  return next format('grant execute on function %s to %I', called, schema_owner);

  return query select * from tally.generate_act(d);
  return query select * from tally.generate_try(d);
end
$$;

-- The hash of the functions that this installation generates for a definition. tally.build() records it.
create or replace function tally.hash_of_functions(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select md5(string_agg(statement, E'\n' order by place))
    from tally.generate_functions(d) with ordinality as g (statement, place)
   where statement like 'create %'  -- grants name the schema's owner, who is no part of a function
$$;

-- Whether the functions of a tally differ from those that this installation generates. That can change with an installation
-- only: 900_finish.sql asks, and records the answer.
create or replace function tally.is_outdated(d tally.definition) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when d.code -> 'columns' is null or d.v is null then true else d.generated <> tally.hash_of_functions(d) end
$$;

-- The name of a generated function, as a pattern.
create or replace function tally.generated_name() returns text
language sql immutable as $$
  select '^tally_[0-9]+_[a-z0-9]+$'
$$;

-- The generated functions of a tally that exist. By a range of names, which the index of pg_proc serves.
create or replace function tally.functions_of(number integer) returns setof pg_proc
language sql stable set search_path = pg_catalog, pg_temp as $$
  select p from pg_proc p
   where p.proname between format('tally_%s_', number) and format('tally_%s_~', number)
     and p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name()
$$;
