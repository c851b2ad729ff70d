#include <pgtally/server/api/router.hpp>
#include <pgtally/server/base/database_errors.hpp>
#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/target.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

static std::ostream& operator<<(std::ostream& out, route_id id)
{
    return out << static_cast<int>(id);
}

}  // namespace pgtally::server

BOOST_AUTO_TEST_SUITE(test_router)

using namespace pgtally;
using namespace pgtally::server;

BOOST_AUTO_TEST_CASE(routes)
{
    struct row {
        char const* path;
        route_id open, admin;
    };
    using id = route_id;
    for (auto const& [path, open, admin] : {row{"/v1/tallies", id::tallies, id::tallies},
                                            row{"/v1/tallies/", id::none, id::none},
                                            row{"/v1/tallies/t", id::tally, id::tally},
                                            row{"/v1/tallies/t/", id::none, id::none},
                                            row{"/v1/tallies/t/keys", id::keys, id::keys},
                                            row{"/v1/tallies/t/top", id::top, id::top},
                                            row{"/v1/tallies/t/rank", id::rank, id::rank},
                                            row{"/v1/tallies/t/top/", id::none, id::none},
                                            row{"/v1/tallies/t/keys/", id::key, id::key},
                                            row{"/v1/tallies/t/keys/a%2Fb", id::key, id::key},
                                            row{"/v1/tallies/t/keys/1/fav", id::action, id::action},
                                            row{"/v1/tallies/t/keys/1/", id::none, id::none},
                                            row{"/v1/tallies/t/keys/1/2/3", id::none, id::none},
                                            row{"/v1/tallies/t/actions/fav", id::action_by_query, id::action_by_query},
                                            row{"/v1/tallies/t/actions/", id::none, id::none},
                                            row{"/v1/tallies/t/actions", id::none, id::none},
                                            row{"/v1/tallies/t/actions/1/fav", id::none, id::none},
                                            row{"/v1/tallies/t/events", id::events, id::events},
                                            row{"/v1/tallies/t/events/", id::none, id::none},
                                            row{"/v1/tallies/t/reset", id::none, id::reset},
                                            row{"/v1/tallies/t/nope", id::none, id::none},
                                            row{"/v1/tallies/t/audit", id::none, id::audit},
                                            row{"/v1/tallies/t/audit/", id::none, id::none},
                                            row{"/v1/ws", id::socket, id::socket},
                                            row{"/v1/nope", id::none, id::none},
                                            row{"/livez", id::livez, id::livez},
                                            row{"/readyz", id::readyz, id::readyz},
                                            row{"/metrics", id::web, id::metrics},
                                            row{"/", id::web, id::web},
                                            row{"/a/b.json", id::web, id::web}}) {
        BOOST_TEST_CONTEXT(path)
        {
            auto const split = split_target(path).value();
            BOOST_TEST(find_route(split.path, false).id == open);
            BOOST_TEST(find_route(split.path, true).id == admin);
        }
    }
}

BOOST_AUTO_TEST_CASE(route_names_its_segments)
{
    auto const split = split_target("/v1/tallies/tweets/keys/a%2Fb/fav").value();
    auto const found = find_route(split.path, false);
    BOOST_TEST(found.tally == "tweets");
    BOOST_TEST(found.key == "a%2Fb");
    BOOST_TEST(found.action == "fav");
    BOOST_TEST(found.pattern == "/v1/tallies/{tally}/keys/{key}/{action}");
}

BOOST_AUTO_TEST_CASE(header_rules)
{
    limits const bounds;
    auto const good = [&] {
        return header_facts{.version = 11,
                            .target_bytes = bounds.max_target_bytes,
                            .field_bytes = bounds.max_header_bytes,
                            .hosts = 1,
                            .host = "localhost:80"};
    };
    auto const status = [&](header_facts const& facts) { return refuse_header(facts, bounds).status; };
    auto facts = good();
    BOOST_TEST(status(facts) == 200U);
    (facts = good()).target_bytes += 1;
    BOOST_TEST(status(facts) == 414U);
    (facts = good()).field_bytes += 1;
    BOOST_TEST(status(facts) == 431U);
    (facts = good()).hosts = 0;
    BOOST_TEST(status(facts) == 400U);
    facts.version = 10;
    BOOST_TEST(status(facts) == 200U);
    (facts = good()).hosts = 2;
    BOOST_TEST(status(facts) == 400U);
    (facts = good()).origins = 2;
    BOOST_TEST(status(facts) == 400U);
    (facts = good()).host = "a,b";
    BOOST_TEST(status(facts) == 400U);
    (facts = good()).target_host = "a";
    BOOST_TEST(status(facts) == 200U);
    facts.target_host = "";
    BOOST_TEST(status(facts) == 400U);
    (facts = good()).version = 20;
    BOOST_TEST(status(facts) == 505U);
    BOOST_TEST(refuse_long_header(false, bounds).status == 414U);
    BOOST_TEST(refuse_long_header(true, bounds).status == 431U);
}

BOOST_AUTO_TEST_CASE(framing_rules)
{
    limits const bounds;
    header_facts const good{.hosts = 1, .host = "localhost"};
    auto const status = [&](header_facts const& facts) { return refuse_header(facts, bounds).status; };
    auto facts = good;
    facts.content_lengths = 1;
    for (auto const* const length : {"0", "17", "99999999999999999999"}) {
        facts.content_length = length;
        BOOST_TEST_CONTEXT(length) BOOST_TEST(status(facts) == 200U);
    }
    for (auto const* const length : {"1, 1", "+1", "-1", "0x1", "1 1"}) {
        facts.content_length = length;
        BOOST_TEST_CONTEXT(length) BOOST_TEST(status(facts) == 400U);
    }
    (facts = good).content_lengths = 2;
    BOOST_TEST(status(facts) == 400U);
    (facts = good).transfer_encodings = 1;
    for (auto const* const coding : {"chunked", "Chunked", "CHUNKED"}) {
        facts.transfer_encoding = coding;
        BOOST_TEST_CONTEXT(coding) BOOST_TEST(status(facts) == 200U);
    }
    for (auto const* const coding :
         {"", "xchunked", "gzip", "gzip, chunked", "chunked, chunked", "chunked;a=b", "identity"}) {
        facts.transfer_encoding = coding;
        BOOST_TEST_CONTEXT(coding) BOOST_TEST(status(facts) == 400U);
    }
    facts.transfer_encoding = "chunked";
    facts.transfer_encodings = 2;
    BOOST_TEST(status(facts) == 400U);
    facts.transfer_encodings = 1;
    facts.content_lengths = 1;
    facts.content_length = "1";
    BOOST_TEST(status(facts) == 400U);
    facts.content_lengths = 0;
    facts.version = 10;
    BOOST_TEST(status(facts) == 400U);
}

BOOST_AUTO_TEST_CASE(handshake_rules)
{
    handshake_facts const good{.keys = 1, .key = "dGhlIHNhbXBsZSBub25jZQ==", .versions = 1, .version = "13"};
    BOOST_TEST(refuse_handshake(good).status == 200U);
    auto facts = good;
    for (auto const* const key :
         {"", "abc", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25j!Q=="}) {
        facts.key = key;
        BOOST_TEST_CONTEXT(key) BOOST_TEST(refuse_handshake(facts).status == 400U);
    }
    for (std::size_t const keys : {0, 2}) {
        (facts = good).keys = keys;
        BOOST_TEST(refuse_handshake(facts).status == 400U);
    }
    (facts = good).version = "8";
    BOOST_TEST(refuse_handshake(facts).status == 426U);
    (facts = good).versions = 2;
    BOOST_TEST(refuse_handshake(facts).status == 426U);
}

BOOST_AUTO_TEST_CASE(what_an_error_of_the_database_says)
{
    using db::errc;
    using db::sqlstate;
    auto const says = [](errc what, char const* state) { return judge(make_error_code(what), sqlstate{state}); };
    for (auto const* const state : {"22P02", "23505", "23514", "P0001", "44000", "42501", "UE001", "TL001"}) {
        BOOST_TEST_CONTEXT(state) BOOST_TEST((says(errc::server_error, state) == verdict::refused));
    }
    for (auto const* const state :
         {"40001", "40P01", "57014", "57P03", "53300", "55P03", "42P01", "25006", "XX000", "0A000"}) {
        BOOST_TEST_CONTEXT(state) BOOST_TEST((says(errc::server_error, state) == verdict::not_done));
    }
    BOOST_TEST((says(errc::connection_lost, "57P01") == verdict::unknown));
    BOOST_TEST((says(errc::connection_lost, "") == verdict::unknown));
    BOOST_TEST((says(errc::timed_out, "") == verdict::unknown));
    BOOST_TEST((says(errc::closed, "") == verdict::unknown));
    BOOST_TEST((says(errc::bad_parameter, "") == verdict::refused));
}

BOOST_AUTO_TEST_SUITE_END()
