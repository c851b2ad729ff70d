create or replace function tally.version() returns integer
language sql immutable as 'select 3';
