// Peers that are no PostgreSQL: a pooler that refuses replication, a server that sends nonsense.

#include <pgtally/test/db/detail/wal_bytes.hpp>
#include <pgtally/test/db/wal_subject.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <initializer_list>
#include <memory>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;
namespace bytes = pgtally::test::wal_bytes;
using tcp = asio::ip::tcp;

namespace {

std::string frame(char type, std::string const& body)
{
    return type + bytes::number(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

std::string text(std::string_view of)
{
    return std::string(of) + '\0';
}

std::string const ready = frame('Z', "I");

std::string row(std::initializer_list<std::string_view> values)
{
    auto const count = bytes::number(static_cast<std::uint16_t>(values.size()));
    auto columns = count, cells = count;
    for (auto const value : values) {
        columns += text("c") + std::string(6, '\0') + bytes::number(std::uint32_t{25}) + std::string("\xff\xff", 2) +
                   std::string(6, '\0');
        cells.append(bytes::number(static_cast<std::uint32_t>(value.size()))).append(value);
    }
    return frame('T', columns) + frame('D', cells) + frame('C', text("SELECT 1")) + ready;
}

// What is answered to a message. The first one is the client's startup.
std::string answer(std::string_view message, std::string const& stream)
{
    auto const is = [&](std::string_view words) { return message.find(words) != std::string_view::npos; };
    if (is("user"))
        return frame('R', bytes::number(std::uint32_t{0})) + frame('S', text("server_version") + text("15.20")) +
               frame('S', text("in_hot_standby") + text("off")) +
               frame('S', text("default_transaction_read_only") + text("off")) +
               frame('K', bytes::number(std::uint32_t{7}) + bytes::number(std::uint32_t{7})) + ready;
    if (is("IDENTIFY_SYSTEM")) return row({"7000", "1", "0/1", "x"});
    if (is("select d.oid")) return row({"5", "60000", "t"});
    if (is("CREATE_REPLICATION_SLOT")) return row({"slot", "0/1", "", "pgoutput"});
    if (is("START_REPLICATION")) return frame('W', std::string(3, '\0')) + stream;
    return frame('C', text("SET")) + ready;
}

// Answers every message of every connection.
template <class Answer>
asio::awaitable<void> serve(std::shared_ptr<tcp::acceptor> acceptor, Answer answer)
{
    for (;;) {
        tcp::socket peer(acceptor->get_executor());
        try {
            co_await acceptor->async_accept(peer, asio::use_awaitable);
        } catch (boost::system::system_error const&) {
            co_return;  // closed
        }
        try {
            for (;;) {
                std::array<char, 4096> buffer;
                auto const size = co_await peer.async_read_some(asio::buffer(buffer), asio::use_awaitable);
                auto const bytes = answer(std::string_view(buffer.data(), size));
                co_await asio::async_write(peer, asio::buffer(bytes), asio::use_awaitable);
            }
        } catch (boost::system::system_error const&) {
            continue;  // the client has gone
        }
    }
}

// Returns the first events of a stream from such a peer.
template <class Answer>
asio::awaitable<std::vector<wal_heard>> hear(asio::any_io_executor executor, Answer answer, std::size_t count)
{
    auto const acceptor = std::make_shared<tcp::acceptor>(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    spawn(executor, serve(acceptor, answer));
    db::config settings;
    settings.conninfo = "host=127.0.0.1 user=u dbname=x sslmode=disable gssencmode=disable port=" +
                        std::to_string(acceptor->local_endpoint().port());
    auto const hurried = wal_hurried(settings);
    wal_subject it(executor, hurried);
    it.start();
    std::vector<wal_heard> result;
    while (result.size() < count) result.push_back(co_await it.next());
    it.stream.stop();
    acceptor->close();
    co_await it.until_run_ended();
    co_return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_wal_stream_strange)

// The bytes are those of PgBouncer 1.18.
BOOST_AUTO_TEST_CASE(pooler_that_does_not_know_replication)
{
    run([](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const refuse = [](std::string_view) {
            return frame('E',
                         text("SFATAL") + text("C08P01") + text("Munsupported startup parameter: replication") + '\0');
        };
        auto const got = co_await hear(executor, refuse, 1);
        BOOST_TEST(got[0].lost.permanent);
        BOOST_TEST(got[0].lost.state.is("08P01"));
        BOOST_TEST(got[0].lost.remedy == "connect to PostgreSQL itself: this pooler does not pass replication on");
    });
}

BOOST_AUTO_TEST_CASE(stream_that_cannot_be_decoded_is_lost_and_begins_anew)
{
    run([](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const nonsense = frame('d', bytes::begin(7)) + frame('d', bytes::message("test", "never committed")) +
                              frame('d', bytes::begin(8));
        auto const play = [nonsense](std::string_view message) { return answer(message, nonsense); };
        auto const got = co_await hear(executor, play, 4);
        BOOST_TEST(got[0].text == "+");
        BOOST_TEST(got[0].streaming.system_identifier == "7000");
        BOOST_TEST(got[0].streaming.database == 5u);
        BOOST_TEST(mentions(got[1].text, "a message of pgoutput 'B' comes inside a transaction"));
        BOOST_TEST(!mentions(got[1].text, "never committed"));
        BOOST_TEST((got[1].lost.code == db::errc::bad_result));
        BOOST_TEST(!got[1].lost.permanent);
        BOOST_TEST(got[2].text == "+");
        BOOST_TEST(got[3].text == got[1].text);
    });
}

BOOST_AUTO_TEST_CASE(answers_that_make_no_sense_are_errors)
{
    for (std::string_view const which :
         {"IDENTIFY_SYSTEM", "select d.oid", "CREATE_REPLICATION_SLOT", "START_REPLICATION"}) {
        for (auto const& wrong : {row({"x"}), row({"x", "y", "z"}), frame('C', text("SELECT 0")) + ready}) {
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                auto const play = [&](std::string_view message) {
                    auto const here = message.find(which) != std::string_view::npos;
                    return here ? wrong : answer(message, std::string());
                };
                auto const got = co_await hear(executor, play, 1);
                BOOST_TEST((got[0].lost.code == db::errc::bad_result), which << ": " << got[0].text);
                BOOST_TEST(!got[0].lost.permanent);
            });
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
