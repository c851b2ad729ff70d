-- Findings about how the events of a tally travel.

create or replace function tally.transport_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  role oid;
begin
  for role in
    select relowner from pg_class where oid = d.source union select nspowner from pg_namespace where nspname = 'tally'
  loop
    if not has_function_privilege(role, tally.sender(d.transport), 'execute') then
      return query select 'rights', pg_get_userbyid(role)::text,
                          format('role %s may not execute %s, which sends the events', pg_get_userbyid(role), tally.sender(d.transport)::regproc),
                          tally.grant_of_sender(d.transport, role), 'failed';
    end if;
  end loop;
  if d.transport <> 'wal' then
    return;
  end if;
  return query select s.kind, case s.kind when 'wal_level' then 'wal_level' when 'slots' then 'max_replication_slots'
                                   when 'senders' then 'max_wal_senders' else 'synchronous_standby_names' end,
                      s.message, s.remedy, s.severity
                 from tally.shortages() as s;
  if tally.publication() = 'missing' then
    -- Below version 18 the next change of any row ends the stream.
    return query select 'publication_missing', 'tally', 'publication tally is missing, and without it PostgreSQL 14 to 17 ends the stream of events',
                        concat_ws(', then ', tally.grant_for_publication(), format('select tally.reload(%L)', d.name)),
                        case when current_setting('server_version_num')::integer < 180000 then 'failed' else 'warning' end;
  elsif tally.publication() = 'full' then
    return query select 'publication_has_tables', 'tally', 'publication tally publishes tables, whose rows every server receives and ignores',
                        'take the tables out of it: alter publication tally drop table ...', 'warning';
  end if;
end
$$;
