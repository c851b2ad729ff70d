"""pgtally-lab from outside, each test on a fresh database without schema tally.

lab        runs it to its end: lab(*arguments, dsn=…) -> status, out, err
begin      starts it: begin(*arguments) -> the process; killed with the test
meeting    makes the first two sessions that reach a table of the lab's wait for each other
"""

import subprocess

import pytest

from labs import PROGRAM, environment

# The first two callers wait for each other; later ones pass. A sequence, because it is not transactional.
MEETING = """
create sequence met;
create function meet() returns trigger language plpgsql as $$
begin
  perform nextval('public.met');
  for i in 1 .. 3000 loop
    exit when (select last_value from public.met) >= 2;
    perform pg_sleep(0.01);
  end loop;
  return new;
end
$$;
"""


@pytest.fixture
def lab(empty_database):
    def run(*arguments, dsn=None):
        command = [PROGRAM, "--dsn", empty_database.dsn if dsn is None else dsn, *map(str, arguments)]
        done = subprocess.run(command, env=environment(), text=True, capture_output=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def begin(empty_database):
    started = []

    def start(*arguments, stderr=subprocess.PIPE):
        command = [PROGRAM, "--dsn", empty_database.dsn, *map(str, arguments)]
        started.append(subprocess.Popen(command, env=environment(), text=True, stdout=subprocess.PIPE, stderr=stderr))
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate(timeout=60)


@pytest.fixture
def on_table(empty_database):
    """Runs a statement whenever the lab has created a table."""
    def prepare(table, statement):
        empty_database.sql.execute(f"""
            create function on_table() returns event_trigger language plpgsql as $f$
            begin
              if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'pgtally_lab.{table}') then
                {statement};
              end if;
            end $f$;
            create event trigger on_table on ddl_command_end when tag in ('CREATE TABLE') execute function on_table();""")

    return prepare


@pytest.fixture
def meeting(empty_database, on_table):
    def prepare(table, event="insert", level="row"):
        empty_database.sql.execute(MEETING)
        on_table(table, "alter sequence public.met restart; "
                 f"create trigger meet before {event} on pgtally_lab.{table} for each {level} execute function public.meet()")

    return prepare
