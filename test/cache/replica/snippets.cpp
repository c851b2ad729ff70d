// Compiles and runs the code blocks of cache/README.md. They stand between marks, and tools/snippets compares them.

#include <pgtally/test/cache/replica/fixture.hpp>

#include <vector>

using namespace pgtally::test;
BOOST_FIXTURE_TEST_SUITE(test_replica_snippets, tweets)

using pgtally::changes;

BOOST_AUTO_TEST_CASE(counters_are_read_beside_the_replica)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        co_await it.until_live();
        auto& replica = *it.replica;
        std::vector<std::int64_t> used;
        auto const use = [&](std::int64_t rts, std::int64_t favs) { used = {rts, favs}; };
        auto const warn = [](std::string const& reason) { BOOST_ERROR("it is not live: " + reason); };
        int calls = 0;
        auto const on_changes = [&](changes const&) { ++calls; };
        auto const owner = co_await connect(executor, dsn());
        auto& connection = *owner;
        co_await connection.script("begin; insert into activity (messageid, action) values (34, 'rt')");
        using id = std::tuple<std::int64_t>;
        auto const [taken] = (co_await connection.query_as<id>("select pg_current_xact_id()::text::bigint")).one();
        auto const xid = static_cast<std::uint64_t>(taken);
        //[ beside
        auto const counters = replica.get(33);                     // by number or by text
        if (!counters.empty()) use(counters["rts"], counters[1]);  // empty: never loaded yet
        if (replica.state() != pgtally::cache::state::live) warn(replica.reason());
        auto const two = replica.subscribe({33, 34}, on_changes);  // destroying `two` unsubscribes

        co_await connection.query("commit");  // your own transaction, its id taken before
        co_await replica.applied(xid);        // read your writes
        //]
        std::vector<std::int64_t> const wanted{2, 1};  // as the fixture has them
        BOOST_TEST(used == wanted, boost::test_tools::per_element());
        BOOST_TEST(replica.get(34)["rts"] == 1);
        auto const told = [&] { return calls > 0; };
        co_await eventually(executor, told);
        replica.stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_SUITE_END()
