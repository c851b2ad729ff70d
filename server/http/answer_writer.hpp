#pragma once

#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/traffic.hpp>

#include <boost/asio/awaitable.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace pgtally::server {

// Writes answers to one connection: whole ones in one operation, streamed ones piece by piece. The client must take
// some bytes within each `limits::answer_timeout`.
class answer_writer {
public:
    answer_writer(client_stream& stream, limits const& bounds, traffic& counted) noexcept
        : stream_{stream}, bounds_{bounds}, counted_{counted}
    {
    }

    // Each returns false if the client is gone, takes nothing, or did not get the whole body. Then the connection
    // cannot be used any more.
    asio::awaitable<bool> write(response const& answer, head_options how, bool with_body);
    asio::awaitable<bool> write(std::string_view text);

    // The bytes that were written since the last call.
    std::uint64_t written() noexcept { return std::exchange(written_, 0); }

    // Stops the source of the answer that is being streamed, if there is one.
    void stop() noexcept
    {
        if (source_ != nullptr) source_->stop();
    }

private:
    asio::awaitable<bool> write_body(body_source& from, framing how);
    io_need write_now(std::span<asio::const_buffer> rest);
    asio::awaitable<bool> write_all(std::span<asio::const_buffer> rest);

    client_stream& stream_;
    limits const& bounds_;
    traffic& counted_;
    body_source* source_ = nullptr;
    std::uint64_t written_ = 0;
};

}  // namespace pgtally::server
