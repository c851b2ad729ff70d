-- The form of the arguments. Their meaning is checked later, in 050_understand.sql.

create or replace function tally.check_name(what text, value text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if value is null or value !~ '^[a-z][a-z0-9_]*$' or octet_length(value) > 63 then
    raise exception '%: "%" is not a name that pgtally can use', what, value
      using errcode = '42602',
            hint = 'A name begins with a letter a to z, goes on with a to z, 0 to 9 and _, and has at most 63 characters.';
  end if;
end
$$;

-- The members of a JSON object of strings, in order. The names must be valid and distinct.
create or replace function tally.members(what text, value json) returns table (member text, content text, place integer)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  m record;
begin
  if json_typeof(value) is distinct from 'object' then
    raise exception '%: a JSON object is needed, not %', what, coalesce(json_typeof(value), 'null')
      using errcode = '22023', hint = case what
                       when 'actions' then 'For example {"like": "insert into likes values ($1::bigint)"}; {} means no actions.'
                       else 'For example {"likes": "1", "stars": "case when stars > 3 then 1 end"}.' end;
  end if;
  for m in select j.key, min(json_typeof(j.value)) as type, count(*) as times from json_each(value) as j group by j.key
  loop
    perform tally.check_name(what, m.key);
    if m.times > 1 then
      raise exception '%: "%" occurs % times', what, m.key, m.times
        using errcode = '42710', hint = 'Give each member a different name.';
    end if;
    if m.type <> 'string' then
      raise exception '%: "%" is not a JSON string but %', what, m.key, m.type
        using errcode = '22023', hint = 'Write the SQL in double quotes, as in {"likes": "1"}.';
    end if;
  end loop;
  return query select j.key, j.value, j.ordinality::integer from json_each_text(value) with ordinality as j;
end
$$;

-- Refuses a definition whose form is wrong. Does not look into the expressions.
create or replace function tally.check_form(d tally.definition) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  counted integer;
begin
  perform tally.check_name('name'::text, d.name);
  if coalesce(d.key, '') = '' then
    raise exception 'key: an expression is needed'
      using errcode = '22004', hint = 'Name the column or expression to count by, such as post_id.';
  end if;
  select count(*) into counted from tally.members('counters'::text, d.counters);
  if counted not between 1 and 64 then
    raise exception 'counters: 1 to 64 are needed, not %', counted
      using errcode = '22023', hint = 'Split the counters over several tallies of the same source.';
  end if;
  if coalesce(d.transport, '') not in ('notify', 'wal') then
    raise exception 'transport: "%" is neither "notify" nor "wal"', d.transport
      using errcode = '22023', hint = 'Leave transport out, or write transport => ''notify'' or transport => ''wal''.';
  end if;
  if d.actions is not null then
    perform tally.members('actions'::text, d.actions);
  end if;
end
$$;
