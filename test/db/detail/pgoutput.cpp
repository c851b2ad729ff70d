// What a server sends on a replication stream, and everything that it does not send.

#include <pgtally/db/detail/pgoutput.hpp>
#include <pgtally/test/db/detail/wal_bytes.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <variant>

using namespace pgtally::db;
using namespace pgtally::db::detail::pgoutput;
namespace bytes = pgtally::test::wal_bytes;

namespace {

// "skipped", "begin 7", "prefix=content", "commit 7 at 0/1 up to 0/2", "keepalive 0/1 asks", "!what is wrong"
std::string shown(decoded const& what)
{
    if (auto const* k = std::get_if<keepalive>(&what))
        return "keepalive " + to_string(k->end) + (k->asks ? " asks" : "");
    if (auto const* b = std::get_if<begin>(&what)) return "begin " + std::to_string(b->xid);
    if (auto const* m = std::get_if<message>(&what)) return std::string(m->prefix) + "=" + std::string(m->content);
    if (auto const* c = std::get_if<commit>(&what))
        return "commit " + std::to_string(c->xid) + " at " + to_string(c->commit_record) + " up to " +
               to_string(c->end);
    if (auto const* wrong = std::get_if<malformed>(&what)) return "!" + wrong->what;
    return "skipped";
}

std::string decoded_alone(std::string const& copy_data)
{
    return shown(decoder().decode(copy_data));
}

std::string decoded_inside(std::string const& copy_data)
{
    decoder open;
    BOOST_REQUIRE(shown(open.decode(bytes::begin(7))) == "begin 7");
    return shown(open.decode(copy_data));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_pgoutput)

BOOST_AUTO_TEST_CASE(transaction_is_decoded)
{
    decoder from;
    BOOST_TEST(!from.in_transaction());
    BOOST_TEST(shown(from.decode(bytes::begin(4'000'000'000))) == "begin 4000000000");
    BOOST_TEST(from.in_transaction());
    auto const first = bytes::message("test", "a");
    BOOST_TEST(shown(from.decode(first)) == "test=a");
    auto const empty = bytes::message("", "");
    BOOST_TEST(shown(from.decode(empty)) == "=");
    auto const binary = bytes::message("p", std::string("\0\xff", 2));
    BOOST_TEST(shown(from.decode(binary)) == std::string("p=\0\xff", 4));
    BOOST_TEST(shown(from.decode(bytes::commit(0x10, 0x1'0000'0000))) == "commit 4000000000 at 0/10 up to 1/0");
    BOOST_TEST(!from.in_transaction());
}

BOOST_AUTO_TEST_CASE(time_counts_from_2000)
{
    using namespace std::chrono;
    decoder from;
    BOOST_TEST(shown(from.decode(bytes::begin(7))) == "begin 7");
    auto const decoded = from.decode(bytes::commit(1, 2, 86'400'000'007));
    BOOST_TEST((std::get<commit>(decoded).at == sys_days(2000y / 1 / 2) + 7us));
}

BOOST_AUTO_TEST_CASE(any_time_is_decoded)
{
    for (auto const at : {std::uint64_t{0x7fff'ffff'ffff'ffff}, std::uint64_t{0xffff'ffff'ffff'ffff}})
        BOOST_TEST(decoded_inside(bytes::commit(1, 2, at)) == "commit 7 at 0/1 up to 0/2");
}

BOOST_AUTO_TEST_CASE(keepalives_come_anywhere)
{
    BOOST_TEST(decoded_alone(bytes::keepalive(0x20, false)) == "keepalive 0/20");
    BOOST_TEST(decoded_inside(bytes::keepalive(0x20, true)) == "keepalive 0/20 asks");
}

BOOST_AUTO_TEST_CASE(rows_and_the_like_are_skipped)
{
    for (char const type : std::string("ORYIUDT")) {
        BOOST_TEST(decoded_inside(bytes::data(std::string(1, type) + "anything")) == "skipped");
        BOOST_TEST(decoded_inside(bytes::data(std::string(1, type))) == "skipped");
    }
}

BOOST_AUTO_TEST_CASE(messages_that_are_not_transactional_are_skipped_anywhere)
{
    BOOST_TEST(decoded_alone(bytes::message("test", "a", false)) == "skipped");
    BOOST_TEST(decoded_inside(bytes::message("test", "a", false)) == "skipped");
}

BOOST_AUTO_TEST_CASE(every_length_but_the_right_one_is_malformed)
{
    for (auto const& whole : {bytes::begin(7), bytes::message("test", "content"), bytes::keepalive(1, true)}) {
        for (std::size_t size = 0; size < whole.size(); ++size)
            BOOST_TEST(decoded_alone(whole.substr(0, size)).front() == '!', "of " << size << " bytes");
        BOOST_TEST(decoded_alone(whole + '\0').ends_with("has bytes too many"));
    }
    auto const end = bytes::commit(1, 2);
    for (std::size_t size = 0; size < end.size(); ++size)
        BOOST_TEST(decoded_inside(end.substr(0, size)).front() == '!', "of " << size << " bytes");
    BOOST_TEST(decoded_inside(end + '\0') == "!a message of pgoutput 'C' has bytes too many");
}

BOOST_AUTO_TEST_CASE(length_beyond_the_message_is_malformed)
{
    auto whole = bytes::message("test", "content");
    whole[whole.size() - 11] = '\x7f';
    BOOST_TEST(decoded_inside(whole) == "!a message of pgoutput 'M' ends too early");
    whole[whole.size() - 11] = '\xff';
    BOOST_TEST(decoded_inside(whole) == "!a message of pgoutput 'M' ends too early");
}

BOOST_AUTO_TEST_CASE(what_comes_at_the_wrong_place_is_malformed)
{
    BOOST_TEST(decoded_inside(bytes::begin(8)) == "!a message of pgoutput 'B' comes inside a transaction");
    BOOST_TEST(decoded_alone(bytes::commit(1, 2)) == "!a message of pgoutput 'C' comes outside a transaction");
    BOOST_TEST(decoded_alone(bytes::message("a", "b")) == "!a message of pgoutput 'M' comes outside a transaction");
    BOOST_TEST(decoded_alone(bytes::data("Irow")) == "!a message of pgoutput 'I' comes outside a transaction");
}

BOOST_AUTO_TEST_CASE(unknown_types_are_malformed)
{
    BOOST_TEST(decoded_alone("x") == "!a replication message 'x' is of no known type");
    BOOST_TEST(decoded_alone("\x01") == "!a replication message 0x01 is of no known type");
    BOOST_TEST(decoded_inside(bytes::data("S")) == "!a message of pgoutput 'S' is of no type of protocol version 1");
    BOOST_TEST(decoded_inside(bytes::data("")) == "!a message of pgoutput is empty");
}

BOOST_AUTO_TEST_CASE(status_has_the_position_three_times)
{
    using namespace std::chrono;
    auto const position = bytes::number(std::uint64_t{0x1'0000'0002});
    auto const status = status_update(lsn{0x1'0000'0002}, sys_days(2000y / 1 / 1) + 5us, true);
    BOOST_TEST(status == 'r' + position + position + position + bytes::number(std::uint64_t{5}) + '\1');
    BOOST_TEST(status_update(lsn{0}, sys_days(2000y / 1 / 1), false) == 'r' + std::string(33, '\0'));
}

BOOST_AUTO_TEST_SUITE_END()
