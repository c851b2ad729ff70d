// The block of db/README.md that is about a wal_stream.

#include <pgtally/test/db/snippets.hpp>

//[ wal_stream
#include <pgtally/db/wal_stream.hpp>
//]

#include <string>
#include <vector>

namespace asio = boost::asio;
namespace db = pgtally::db;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_snippets_wal, shop)

BOOST_AUTO_TEST_CASE(transactions_of_messages)
{
    std::vector<std::string> seen;
    sql("create publication nothing");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        //[ wal_stream
        db::wal_stream_options what;
        what.publication = "nothing";  // create publication nothing: no table, so no row is sent
        what.prefix = "post";          // select pg_logical_emit_message(true, 'post', 'deleted 7')
        db::wal_stream stream(executor, settings, what);
        asio::co_spawn(executor, stream.run(), on_end);  // until stream.stop()
        //]
        auto const apply = [&](std::string_view message) {
            seen.emplace_back(message);
            auto const pid = std::to_string(static_cast<int>(stream.backend_pid()));
            if (seen.size() == 3) sql("select pg_terminate_backend(" + pid + ")");
        };
        auto const load_again = [&] {
            seen.emplace_back("load");
            if (seen.size() == 1)
                sql("begin; select pg_logical_emit_message(true, 'post', 'deleted 7');"
                    " select pg_logical_emit_message(true, 'post', 'deleted 8'); commit");
            else stream.stop();
        };
        auto const show_stale = [&](std::string const&) { seen.emplace_back("stale"); };
        //[ wal_stream
        for (;;) {
            auto const events = co_await stream.next();  // all that is there; valid until the next next()
            if (events.empty()) break;                   // stopped
            for (auto const& event : events) {
                if (auto const* t = std::get_if<db::wal::transaction>(&event)) {
                    for (auto const message : t->messages) apply(message);
                    if (!t->complete) load_again();  // it was too large
                    stream.confirm(t->end);          // the server need not keep it
                }
                if (std::holds_alternative<db::wal::streaming>(event)) load_again();  // something may have been missed
                if (auto const* l = std::get_if<db::lost>(&event)) show_stale(l->reason);
            }
        }
        //]
    });
    std::vector<std::string> const wanted{"load", "deleted 7", "deleted 8", "stale", "load"};
    BOOST_TEST(seen == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
