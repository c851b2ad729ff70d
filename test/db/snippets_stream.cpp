// The blocks of db/README.md that are about big results and COPY.

#include <pgtally/test/db/snippets.hpp>

#include <iostream>

//[ copy
#include <pgtally/db/copy_format.hpp>
//]

namespace asio = boost::asio;
namespace db = pgtally::db;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_snippets_stream, shop)

BOOST_AUTO_TEST_CASE(rows_are_streamed)
{
    std::uint64_t sum = 0;
    sql("insert into post (title) select 'title ' || i from generate_series(1, 10000) i");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        auto const use = [&](std::int64_t id, std::string_view title) { sum += std::uint64_t(id) + title.size(); };
        //[ row_stream
        using row = std::tuple<std::int64_t, std::string_view>;  // views are valid until the next next()
        auto posts = co_await conn.stream_as<row>("select id, title from post where id > $1", 10);
        for (;;) {
            auto const next = co_await posts.next();
            if (!next) break;  // the end
            auto const& [id, title] = *next;
            use(id, title);
        }
        //]
    });
    BOOST_TEST(std::to_string(sum) == sql("select sum(id + length(title)) from post"));
}

BOOST_AUTO_TEST_CASE(rows_are_copied_in_and_out)
{
    sql("create table point (id int, name text, at float8)");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        //[ copy
        using point = std::tuple<std::int32_t, std::optional<std::string>, double>;  // integer, text, double precision
        auto in = co_await conn.copy_in("copy point from stdin (format binary)");
        db::copy_encoder<point> encoder;
        std::string bytes;
        for (std::int32_t id = 0; id < 100'000; ++id) {
            encoder.append(bytes, point(id, "a name", 0.5));
            if (bytes.size() < 60'000) continue;
            co_await in.write(bytes);  // waits while the server is slower
            bytes.clear();
        }
        encoder.finish(bytes);
        co_await in.write(bytes);
        auto const count = co_await in.finish();  // what the server found wrong is thrown here
        //]
        BOOST_TEST(count == 100'000u);

        std::int64_t sum = 0;
        auto const use = [&](point const& each) { sum += std::get<0>(each); };
        //[ copy
        auto out = co_await conn.copy_out("copy (select id, name, at from point) to stdout (format binary)");
        db::copy_decoder<point> decoder;
        for (;;) {
            auto const chunk = co_await out.read();
            if (chunk.empty()) break;  // the end
            decoder.feed(chunk);
            while (auto const each = decoder.next()) use(*each);
        }
        decoder.finish();  // throws if something is missing
        //]
        BOOST_TEST(sum == 4'999'950'000);
        BOOST_TEST(out.rows() == 100'000u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
