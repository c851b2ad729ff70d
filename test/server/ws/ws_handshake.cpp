#include <pgtally/server/ws/ws_handshake.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_ws_handshake)

// RFC 6455, 1.3.
BOOST_AUTO_TEST_CASE(the_key_is_answered)
{
    auto const answer = accept_websocket("dGhlIHNhbXBsZSBub25jZQ==", "", "Sun, 06 Nov 1994 08:49:37 GMT");
    BOOST_TEST(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    BOOST_TEST(answer.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != answer.npos);
    BOOST_TEST(answer.find("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n") != answer.npos);
    BOOST_TEST(answer.find("Sec-WebSocket-Protocol") == answer.npos);
    BOOST_TEST(answer.ends_with("\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(the_subprotocol_is_chosen_if_it_is_offered)
{
    auto const chosen = [](std::string_view offered) {
        return accept_websocket("x", offered, "").find("\r\nSec-WebSocket-Protocol: pgtally.v1\r\n") !=
               std::string::npos;
    };
    for (auto const* const offered : {"pgtally.v1", "chat, pgtally.v1", " pgtally.v1\t,chat", ",,pgtally.v1"})
        BOOST_TEST(chosen(offered));
    for (auto const* const offered : {"", "chat", "pgtally.v2", "pgtally.v1x", "PGTALLY.V1", ","})
        BOOST_TEST(!chosen(offered));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
