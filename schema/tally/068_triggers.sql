-- The triggers of a tally.

-- Tables that have triggers of the tally but are not part of its source: detached partitions, a former source, a restored
-- table of the same name.
create or replace function tally.left_behind(number integer, source regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select distinct t.tgrelid::regclass
    from tally.functions_of(number) p join pg_trigger t on t.tgfoid = p.oid
   where t.tgrelid not in (select part from tally.parts(source) as part)
$$;

-- The statements that create its triggers on every part of the source where they are missing or wrong, and that drop them
-- from all other tables.
create or replace function tally.generate_triggers(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  part regclass;
  argument text;
begin
  for part in select p from tally.left_behind(d.id, d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      return next format('drop trigger if exists tally_%s_%s on %s', d.id, kind, part);
    end loop;
  end loop;
  for part in select p from tally.parts(d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      argument := case when kind <> 'truncate' then '' when part = d.source then 'source' else 'part' end;
      -- A trigger that is right stays: PostgreSQL refuses to replace one while deferred checks of its table are pending.
      continue when exists (select from pg_trigger
                             where tgrelid = part and tgname = format('tally_%s_%s', d.id, kind) and tgenabled = 'A'
                               and tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, kind))
                               and tgargs = convert_to(argument, 'UTF8') || decode(case when argument = '' then '' else '00' end, 'hex'));
      return next format('create or replace trigger tally_%s_%s after %s on %s %s for each statement execute function tally.tally_%s_%s(%s)',
        d.id, kind, kind, part,
        case kind when 'insert' then 'referencing new table as new_rows'
                  when 'delete' then 'referencing old table as old_rows'
                  when 'update' then 'referencing old table as old_rows new table as new_rows' else '' end,
        d.id, kind, case when argument = '' then '' else quote_literal(argument) end);
      return next format('alter table %s enable always trigger tally_%s_%s', part, d.id, kind);
    end loop;
  end loop;
end
$$;
