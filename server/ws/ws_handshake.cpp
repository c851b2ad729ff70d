#include <pgtally/server/base/text.hpp>
#include <pgtally/server/ws/ws_handshake.hpp>

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace pgtally::server {

namespace {

constexpr std::string_view subprotocol = "pgtally.v1";

// Proves that the server read the handshake: RFC 6455, 1.3. The hash is part of the protocol, not of its security.
std::string accept_text(std::string_view key)
{
    auto const text = std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha1(), nullptr) != 1)
        throw std::runtime_error{"OpenSSL cannot compute SHA-1, which WebSockets need"};
    std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded{};
    auto const length = EVP_EncodeBlock(encoded.data(), hash.data(), static_cast<int>(size));
    return {reinterpret_cast<char const*>(encoded.data()), static_cast<std::size_t>(length)};
}

bool offers_subprotocol(std::string_view protocols) noexcept
{
    while (!protocols.empty()) {
        if (trimmed(take_piece(protocols, ',')) == subprotocol) return true;
    }
    return false;
}

}  // namespace

std::string accept_websocket(std::string_view key, std::string_view protocols, std::string_view date)
{
    std::string out{
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nServer: pgtally\r\n"};
    out += "Date: ";
    out += date;
    out += "\r\nSec-WebSocket-Accept: " + accept_text(key) + "\r\n";
    if (offers_subprotocol(protocols)) {
        out += "Sec-WebSocket-Protocol: ";
        out += subprotocol;
        out += "\r\n";
    }
    return out + "\r\n";
}

}  // namespace pgtally::server
