#include <pgtally/test/cache/replica/fixture.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace pgtally::test {

namespace {

// The SQL of an installation: the numbered files, in order, as one transaction.
std::string schema()
{
    std::vector<std::filesystem::path> files;
    for (auto const& each : std::filesystem::directory_iterator{PGTALLY_SOURCE_DIR "/schema/tally"}) {
        auto const first = each.path().filename().string().front();
        if (first >= '0' && first <= '9') files.push_back(each.path());
    }
    std::ranges::sort(files);
    std::ostringstream all;
    for (auto const& file : files) all << std::ifstream{file}.rdbuf() << '\n';
    auto out = all.str();
    constexpr std::string_view number = "@PGTALLY_SCHEMA_VERSION@";
    for (auto at = out.find(number); at != std::string::npos; at = out.find(number)) {
        out.replace(at, number.size(), PGTALLY_SCHEMA_VERSION);
    }
    return out;
}

constexpr char const* create_tally = R"(
create table activity (id bigint generated always as identity primary key, messageid bigint, action text);
create table elsewhere (id int);
select tally.create_tally(
  name => 'tweets', source => 'activity', key => 'messageid',
  counters => '{"rts":  "case action when ''rt''  then 1 when ''de-rt''  then -1 end",
                "favs": "case action when ''fav'' then 1 when ''de-fav'' then -1 end"}');
insert into activity (messageid, action) values (33, 'rt'), (33, 'rt'), (33, 'fav'), (34, 'fav'), (-7, 'rt');
)";

std::string const& filled_template()
{
    static std::string const name = [] {
        auto made = cluster::shared().create_database();
        cluster::shared().sql(schema(), made);
        cluster::shared().sql(create_tally, made);
        return made;
    }();
    return name;
}

}  // namespace

tweets::tweets()
{
    static int made = 0;
    auto const& from = filled_template();
    name = "tweets_" + std::to_string(++made);
    cluster::shared().sql("create database " + name + " template " + from);
}

tweets::~tweets()
{
    try {
        cluster::shared().sql("drop database " + name + " with (force)");
    } catch (std::exception const&) {
        // The database is removed with the cluster.
    }
}

replica::config tweets::config(std::string through) const
{
    return {.dsn = through.empty() ? dsn() : std::move(through), .tally = "tweets", .heartbeat = 200ms};
}

std::uint64_t tweets::write(std::string const& statements) const
{
    return std::stoull(
        sql("begin; " + statements +
            "; create temp table id on commit preserve rows as select pg_current_xact_id() as x; commit; "
            "select x from id"));
}

asio::awaitable<std::unique_ptr<db::connection>> connect(asio::any_io_executor executor, std::string dsn)
{
    auto result = std::make_unique<db::connection>(executor);
    db::config settings;
    settings.conninfo = std::move(dsn);
    co_await result->connect(settings);
    co_return result;
}

asio::awaitable<std::uint64_t> commit(db::connection& connection, std::string statement)
{
    co_await connection.query("begin");
    co_await connection.query(statement);
    auto const id = co_await connection.query("select pg_current_xact_id()");
    co_await connection.query("commit");
    co_return std::stoull(std::string{id.text(0, 0)});
}

running::running(asio::any_io_executor chosen, replica::config config)
    : executor{chosen}, replica{std::make_unique<pgtally::replica>(chosen, std::move(config))}
{
    auto on_end = [flag = ended](std::exception_ptr thrown) {
        if (thrown) std::rethrow_exception(thrown);
        *flag = true;
    };
    asio::co_spawn(executor, replica->run(), std::move(on_end));
}

asio::awaitable<void> running::until_live()
{
    auto live = [this] { return replica->state() == cache::state::live; };
    co_await eventually(executor, live);
}

asio::awaitable<void> running::until_ended()
{
    auto over = [this] { return *ended; };
    co_await eventually(executor, over);
}

}  // namespace pgtally::test
