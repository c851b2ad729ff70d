"""A schema tally that another role made: nothing in it runs when a superuser installs, again or for the first time."""

import pytest
from postgres import install, install_sql, uninstall
from roles import make_roles, refused

# Takes back the role that the installation has set, so that SET ROLE alone would be no protection.
EVIL = """
    create table public.seen (cur text, sess text); grant all on public.seen to public;
    create function public.note() returns int language plpgsql as $$
    begin
      begin
        perform set_config('role', 'postgres', true);
      exception when others then null;
      end;
      insert into public.seen values (current_user, session_user);
      return 4;
    end $$;
    grant execute on function public.note() to public;
"""
GENUINE = "create function tally.version() returns int language sql as 'select 4';"
DEFINITION = """create table tally.definition (id integer generated always as identity primary key, name text not null unique, source regclass not null,
    source_name text not null, key text not null, counters json not null, filter text, transport text not null, materialize text, actions json,
    path text not null, key_type text not null, code json not null, generated text not null default '' {}); {}"""


@pytest.fixture
def mallory(empty_database):
    make_roles(empty_database, "mallory")
    empty_database.sql.execute(f"grant create on database {empty_database.name} to mallory; grant create on schema public to mallory")
    empty_database.sql.execute(EVIL)
    empty_database.evil = empty_database.connect("mallory")
    return empty_database


def superusers(database):
    return database.sql.execute("select * from public.seen where cur = 'postgres' and sess = 'postgres'").fetchall()


@pytest.mark.parametrize("trap", [
    "create function tally.version() returns int language sql as 'select public.note()'",
    "create function tally.version() returns int language plpgsql as 'begin return public.note(); end'",
    GENUINE + "create function tally.version(text) returns int language sql as 'select public.note()'",
    GENUINE + "create function tally.grant_server(name) returns void language sql as 'select public.note()'",
    GENUINE + "create function tally.servers() returns setof name language sql as 'select ''x''::name from public.note()'; "
              "create function tally.servers(int default 1) returns setof name language sql as 'select ''x''::name from public.note()'",
    GENUINE + DEFINITION.format(", v bigint default public.note()", ""),
    GENUINE + DEFINITION.format(", check (public.note() = 4)", ""),
    GENUINE + DEFINITION.format("", "create function tally.t() returns trigger language plpgsql as 'begin perform public.note(); return new; end'; "
                                "create trigger t before insert or update on tally.definition for each row execute function tally.t()"),
    GENUINE + DEFINITION.format("", "create rule r as on update to tally.definition do also select public.note()"),
    GENUINE + DEFINITION.format("", "create index on tally.definition ((public.f(id)))"),
    GENUINE + DEFINITION.format("", "alter table tally.definition enable row level security; create policy p on tally.definition using (public.note() = 4)"),
    GENUINE + "create view tally.definition as select public.note() as id, 'x'::text as name",
    GENUINE + "create table tally.installation (id uuid, one boolean default (public.note() = 4))",
    GENUINE + "create materialized view tally.restored as select public.note() with no data",
    GENUINE + "create function public.hack() returns event_trigger language plpgsql as 'begin perform public.note(); end'",
    GENUINE + "create type tally.regclass as (x int); create domain tally.text as text check (public.note() = 4)",
    GENUINE + "create operator tally.= (leftarg = name, rightarg = text, function = pg_catalog.nameeqtext)",
    "create table tally.mine ()", ""])
def test_nothing_of_it_runs(mallory, trap):
    mallory.evil.execute("create schema tally; create function public.f(int) returns int language sql immutable as 'select 1'")
    if trap:
        mallory.evil.execute(trap)
    mallory.sql.execute("truncate public.seen")
    for run in (lambda: install(mallory.sql), lambda: uninstall(mallory.sql), lambda: install(mallory.sql)):
        try:
            run()
        except Exception as error:
            assert error.sqlstate in ("42501", "42P06", "42P13", "42P16", "42809", "42703", "42883", "42601", "42P07", "42710", "42501"), error
        assert superusers(mallory) == []
        if not mallory.sql.execute("select to_regnamespace('tally') is not null").fetchone()[0]:
            break
    mallory.sql.execute("create table if not exists public.victim (k int)")
    if mallory.sql.execute("select to_regprocedure('tally.look(text)') is not null").fetchone()[0]:  # it is an installation now, mallory's
        assert mallory.sql.execute("select nspowner::regrole::text from pg_namespace where nspname = 'tally'").fetchone() in (("mallory",), ("postgres",))


def test_a_schema_of_a_role_that_one_may_not_act_as(mallory):
    mallory.evil.execute("create schema tally")
    make_roles(mallory, "installer")
    mallory.sql.execute(f"grant create on database {mallory.name} to installer")
    error = refused(mallory.connect("installer"), install_sql())
    assert error.sqlstate == "42501" and "belongs to mallory" in str(error)


def test_an_admin_of_the_owner(empty_database):
    """From PostgreSQL 16 on, whoever creates a role may grant it to others, but not SET ROLE to it."""
    sql = empty_database.sql
    make_roles(empty_database, "admin")
    sql.execute(f"alter role admin createrole; grant create on database {empty_database.name} to admin")
    admin = empty_database.connect("admin")
    sql.execute("drop role if exists made")
    admin.execute("create role made")
    try:
        sql.execute(f"grant create on database {empty_database.name} to made; set role made")
        install(sql)
        sql.execute("reset role")
        error = refused(admin, install_sql())
        assert error.sqlstate == "42501" and error.diag.message_primary == "role admin may not install: schema tally belongs to made"
        sql.execute("create table t (k int); alter table t owner to made; grant usage, create on schema public to made; select tally.grant_create('admin')")
        error = refused(admin, "select tally.create_tally('t', 't', 'k')")
        assert error.sqlstate == "42501" and "does not own public.t" in error.diag.message_primary
        # From 16 on, another grant by the same role leaves the options that it does not name.
        options = empty_database.cluster.version() >= 16
        sql.execute("grant made to admin" + (" with set true" if options else ""))
        install(admin)
        sql.execute("grant made to admin" + (" with inherit true" if options else ""))
        admin.execute("select tally.create_tally('t', 't', 'k')")
    finally:
        sql.execute("reset role; drop owned by made; drop role made")


def test_an_installation_of_its_own_owner_is_upgraded_by_a_superuser(mallory):
    install(mallory.evil)
    mallory.evil.execute("create table public.t (k int); select tally.create_tally('t', 'public.t', 'k')")
    install(mallory.sql)
    mallory.sql.execute("insert into public.t values (1)")
    assert mallory.sql.execute("select problems from tally.tallies").fetchall() == [([],)]
    assert mallory.sql.execute("select nspowner::regrole::text from pg_namespace where nspname = 'tally'").fetchone() == ("mallory",)
