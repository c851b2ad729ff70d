// The code blocks of db/README.md, between marks that tools/snippets compares. They are compiled and run. This
// file has the blocks about one connection.

#include <pgtally/db/attempt.hpp>
#include <pgtally/test/db/snippets.hpp>

//[ program
#include <pgtally/db/connection.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <iostream>

namespace asio = boost::asio;
namespace db = pgtally::db;
//]

namespace page {

//[ program
asio::awaitable<void> hello(std::string conninfo)
{
    db::config settings;
    settings.conninfo = conninfo;  // "postgresql://ann@db1,db2/shop", or keywords, or empty: PGHOST, PGSERVICE, ...
    settings.on_connect = {"set statement_timeout = '30s'"};
    settings.query_timeout = std::chrono::seconds{60};
    settings.log = [](db::level, std::string_view line) { std::clog << line << '\n'; };

    db::connection conn(co_await asio::this_coro::executor);
    co_await conn.connect(settings);
    auto const greeting = co_await conn.query("select 'Hello, ' || $1", "Ann");
    std::cout << greeting.text(0, 0) << '\n';
}

void on_end(std::exception_ptr thrown)
{
    if (thrown) std::rethrow_exception(thrown);  // leaves context.run()
}

int main(int count, char** words)
{
    asio::io_context context;  // run by one thread
    asio::co_spawn(context, hello(count > 1 ? words[1] : ""), on_end);
    context.run();
    return 0;
}
//]

}  // namespace page

//[ types
#include <pgtally/db/json.hpp>

enum class mood { calm, cross };

template <>
struct pgtally::db::codec<mood> : pgtally::db::codec_as<mood, std::string_view> {
    static std::string_view to_base(mood value) { return value == mood::calm ? "calm" : "cross"; }
    static mood from_base(std::string_view label) { return label == "calm" ? mood::calm : mood::cross; }
    static bool takes(std::uint32_t type) { return type >= oids::first_created; }  // an enum's columns
};
//]

using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_snippets, shop)

BOOST_AUTO_TEST_CASE(program_greets)
{
    printed const seen;
    std::string name("program");
    char* words[] = {name.data(), settings.conninfo.data()};
    BOOST_TEST(page::main(2, words) == 0);
    BOOST_TEST(seen.has("\nHello, Ann\n"));
    BOOST_TEST(seen.has("connected to"));
}

BOOST_AUTO_TEST_CASE(queries_print_the_posts)
{
    printed const seen;
    sql("insert into post (title) values ('first'), ('second')");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        //[ query
        struct post {
            std::int64_t id;
            std::string title;
            std::optional<std::string> note;  // may be NULL
        };
        auto const posts = co_await conn.query_as<post>("select id, title, note from post where id > $1", 10);
        for (auto const& each : posts) std::cout << each.id << ' ' << each.title << '\n';

        using row = std::tuple<std::string, std::int64_t>;
        auto const titles = co_await conn.query_as<row>("select title, count(*) from post group by 1 order by 1");
        for (auto const& [title, count] : titles) std::cout << title << ": " << count << '\n';

        auto const count = co_await conn.query_as<std::int64_t>("select count(*) from post");
        std::cout << count.one() << " in all\n";  // one(): bad_result unless there is one row
        auto const found = co_await conn.query_as<std::string>("select title from post where id = $1", 7);
        if (!found.maybe_one()) std::cout << "no post 7\n";  // none or one: a std::optional

        auto const gone = co_await conn.query("delete from post where title = $1", "second");
        std::cout << gone.affected() << " deleted\n";
        co_await conn.script("begin; delete from post; rollback");  // several statements, no parameters, no result
        //]
    });
    BOOST_TEST(seen.has("\n11 first\n12 second\nfirst: 1\nsecond: 1\n2 in all\nno post 7\n1 deleted\n"));
    BOOST_TEST(sql("select count(*) from post") == "1");
}

BOOST_AUTO_TEST_CASE(types_go_both_ways)
{
    sql("create type mood as enum ('calm', 'cross');"
        "create table diary (at timestamptz, how mood, tags text[], more jsonb)");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        //[ types
        auto const now = std::chrono::system_clock::now();
        auto const more = boost::json::parse(R"({"weather": "rain"})");
        std::vector<std::string> const tags{"autumn", "home"};
        co_await conn.query("insert into diary values ($1, $2, $3, $4)", now, mood::cross, tags, more);
        using entry = std::tuple<std::chrono::sys_time<std::chrono::microseconds>, mood, std::vector<std::string>>;
        auto const day = co_await conn.query_as<entry>("select at, how, tags from diary where how = $1", mood::cross);
        auto const [at, how, words] = day.one();
        co_await conn.query("insert into post (title) select unnest($1::text[])", tags);  // the place says no type
        //]
        BOOST_TEST((how == mood::cross));
        BOOST_TEST(words == tags, boost::test_tools::per_element());
        BOOST_TEST((now - at < std::chrono::milliseconds{1}));
    });
    BOOST_TEST(sql("select more ->> 'weather' from diary") == "rain");
    BOOST_TEST(sql("select string_agg(title, ' ' order by id) from post") == "autumn home");
}

BOOST_AUTO_TEST_CASE(errors_are_caught_or_values)
{
    printed const seen;
    sql("insert into post (id) values (7)");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        auto const insert = [&]() -> asio::awaitable<void> {
            //[ errors
            try {
                co_await conn.query("insert into post (id) values ($1)", 7);
            } catch (db::error const& failure) {
                if (!failure.state().is("23505")) throw;  // unique_violation
            }
            // The same without exceptions, where an error is an outcome like others (attempt.hpp):
            auto const added = co_await db::attempt(conn.query("insert into post (id) values ($1)", 7));
            if (added) std::cout << added->affected() << " row\n";
            else std::cout << added.error().state().view() << ": " << added.error().what() << '\n';
            //]
        };
        co_await insert();
        co_await conn.script("alter table post rename to posts");
        auto const passed = co_await failure_of(insert());
        BOOST_TEST(passed.state().is("42P01"));
    });
    BOOST_TEST(seen.has("\n23505: query on"));
}

BOOST_AUTO_TEST_CASE(deadline_leaves_the_connection)
{
    printed const seen;
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        auto const pid = conn.backend_pid();
        //[ deadline
        conn.set_timeout(std::chrono::milliseconds{50});
        auto const late = co_await db::attempt(conn.query("select pg_sleep(60)"));
        if (!late && late.error().code() == db::errc::timed_out) std::cout << "too late\n";

        conn.set_timeout(std::chrono::seconds{60});
        co_await conn.query("select 1");  // waits until the server has stopped, then runs
        //]
        BOOST_TEST((conn.backend_pid() == pid));
    });
    BOOST_TEST(seen.has("\ntoo late\n"));
}

BOOST_AUTO_TEST_SUITE_END()
