#include "laboratory.hpp"

#include <pgtally/db/attempt.hpp>
#include <pgtally/server/cli/install_script.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <iostream>
#include <optional>
#include <tuple>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

// For statements that wait for old backends: a backend whose client is gone notices that at its next answer.
constexpr auto patience = 60s;

constexpr char const* lock_sql = "select pg_try_advisory_lock(hashtext('pgtally_lab'))";

// After a lost connection, the server may not have noticed yet that it is gone.
constexpr char const* wait_for_lock_sql = "select true from pg_advisory_lock(hashtext('pgtally_lab'))";

// Each worker's session holds this lock while it lives. A backend continues for a while after its client has left,
// and could deadlock with a DROP that locks the tables in another order.
constexpr char const* at_work_sql = "select pg_advisory_lock_shared(hashtext('pgtally_lab workers'))";

constexpr char const* wait_for_workers_sql = "select pg_advisory_xact_lock(hashtext('pgtally_lab workers'))";

constexpr char const* mark = "made by pgtally-lab, which drops it when it ends";

// Drops the tally's triggers through the tally, not through the schema of its source. It reads the catalogs,
// because a role that creates tallies may not be allowed to read the list of tallies.
constexpr char const* drop_sql = R"(
set local lock_timeout = '50s';
set local client_min_messages = warning;
select pg_advisory_xact_lock(hashtext('pgtally_lab workers'));
do $$
begin
  if exists (select from pg_trigger t
                    join pg_proc p on p.oid = t.tgfoid
                    join pg_namespace n on n.oid = p.pronamespace
              where t.tgrelid = to_regclass('pgtally_lab.activity') and n.nspname = 'tally') then
    perform tally.drop_tally('pgtally_lab');
  end if;
end
$$;
drop schema if exists pgtally_lab cascade;
)";

constexpr char const* create_sql = R"(
create type pgtally_lab.action_t as enum ('rt', 'fav', 'de-rt', 'de-fav');
create table pgtally_lab.message (
  messageid bigint primary key,
  message   text not null,
  favs      bigint,
  rts       bigint
);
create table pgtally_lab.activity (
  id        bigserial primary key,
  messageid bigint not null references pgtally_lab.message (messageid),
  datetime  timestamptz not null default now(),
  action    pgtally_lab.action_t not null
);
)";

constexpr char const* budget_sql = R"(
select current_setting('max_connections')::bigint,
       case when r.rolsuper then 0
            else current_setting('superuser_reserved_connections')::bigint
                 + coalesce(current_setting('reserved_connections', true)::bigint, 0) end,
       (select count(*) from pg_stat_activity where usesysid is not null),
       case when r.rolsuper then -1 else r.rolconnlimit end::bigint,
       (select count(*) from pg_stat_activity where usesysid = r.oid),
       case when r.rolsuper then -1 else d.datconnlimit end::bigint,
       (select count(*) from pg_stat_activity where datid = d.oid and usesysid is not null)
  from pg_roles r, pg_database d
 where r.rolname = session_user and d.datname = current_database())";

db::config settings_of(std::string const& dsn)
{
    db::config settings;
    settings.conninfo = dsn;
    settings.application_name = "pgtally-lab";
    settings.on_connect = {"set search_path = pgtally_lab"};
    return settings;
}

}  // namespace

laboratory::laboratory(asio::any_io_executor executor, std::string dsn)
    : dsn_(std::move(dsn)), director_(std::move(executor))
{
}

db::config laboratory::worker_settings() const
{
    auto settings = settings_of(dsn_);
    settings.on_connect.emplace_back(at_work_sql);
    settings.recovery_timeout = 0ms;  // a cancelled worker does not use its connection again
    return settings;
}

asio::awaitable<void> laboratory::connect_and_lock(std::string lock_statement)
{
    auto settings = settings_of(dsn_);
    settings.recovery_timeout = 10s;
    co_await director_.connect(std::move(settings));
    director_.set_timeout(patience);
    // PostgreSQL ends a session a moment after its client: a lab that has just ended may still hold the lock.
    asio::steady_timer pause{co_await asio::this_coro::executor};
    bool locked = false;
    for (int tries = 0; !locked && tries < 20; ++tries) {
        if (tries > 0) {
            pause.expires_after(100ms);
            co_await pause.async_wait(asio::use_awaitable);
        }
        auto const answer = co_await director_.query_as<bool>(lock_statement);
        locked = answer.one();
    }
    if (!locked) throw refused("another pgtally-lab is running in this database: wait until it has ended");
}

asio::awaitable<void> laboratory::check_schema()
{
    auto const found = co_await director_.query_as<std::optional<std::string>>(
        "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'pgtally_lab'");
    if (found.empty() || found.one() == mark) co_return;
    throw refused("there is a schema pgtally_lab that pgtally-lab did not create: rename it, or use another database");
}

asio::awaitable<std::size_t> laboratory::check_connections(connection_need need)
{
    auto const first = co_await director_.query_as<connection_budget>(budget_sql);
    if (fitting(first.one(), need) == need.workers) co_return need.workers;
    // Workers of the previous experiment may still be ending. Their backends hold this lock until then.
    co_await director_.query(wait_for_workers_sql);
    auto const again = co_await director_.query_as<connection_budget>(budget_sql);
    auto const budget = again.one();
    auto const fit = fitting(budget, need);
    if (fit == need.workers) co_return fit;
    if (!need.may_shrink || fit == 0) throw refused(refusal(budget, need));
    std::cerr << "pgtally-lab: " << shrunk(budget, need) << '\n';
    co_return fit;
}

asio::awaitable<void> laboratory::open()
{
    co_await connect_and_lock(lock_sql);
    server_version_ =
        (co_await director_.query_as<std::string>("select split_part(current_setting('server_version'), ' ', 1)"))
            .one();
    co_await check_schema();
    ours_ = true;
}

asio::awaitable<void> laboratory::reset(std::int64_t first, std::size_t count)
{
    auto const made = std::string("create schema pgtally_lab; comment on schema pgtally_lab is '") + mark + "';";
    co_await director_.script(drop_sql + made + create_sql);
    co_await director_.query(
        "insert into pgtally_lab.message (messageid, message, favs, rts)"
        " select id, 'message ' || id, 0, 0 from generate_series($1::bigint, $1::bigint + $2::bigint) as id",
        first, static_cast<std::int64_t>(count));
}

asio::awaitable<bool> laboratory::install_tally()
{
    // By the catalog: a lookup by name fails without USAGE on the schema.
    auto const there = co_await director_.query_as<bool>(
        "select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname = 'tally' and p.proname = 'version')");
    if (there.one()) co_return false;
    auto const script = server::install_script(server::schema_files(), {}, {});
    auto const done = co_await db::attempt(director_.script(script));
    if (done) co_return true;
    director_.leave_transaction();
    throw refused("schema tally is not in this database and cannot be installed: " + std::string(done.error().what()) +
                  "; have somebody run pgtally install who may, or leave the strategy pgtally out");
}

asio::awaitable<void> laboratory::drop()
{
    if (director_.is_open()) co_await director_.settled();
    if (!director_.is_open()) co_await connect_and_lock(wait_for_lock_sql);
    director_.leave_transaction();
    co_await director_.script(drop_sql);
}

asio::awaitable<void> laboratory::recover()
{
    auto const first = co_await db::attempt(drop());
    if (!first) {
        // The loss of the connection may have been noticed only by that attempt.
        if (director_.is_open()) throw first.error();
        co_await drop();
    }
}

asio::awaitable<void> laboratory::close()
{
    if (!ours_) co_return;
    co_await recover();
    ours_ = false;
}

asio::awaitable<void> have_schema_tally(laboratory& lab, progress& shown)
{
    bool const installed = co_await lab.install_tally();
    if (!installed) co_return;
    shown.end();
    std::cerr << "pgtally-lab: schema tally was not in this database and has been installed; it stays, \"pgtally "
                 "uninstall\" removes it\n";
}

}  // namespace pgtally::lab
