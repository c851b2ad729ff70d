#pragma once

// Reads the requests of one connection, one after another.

#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/answer_writer.hpp>
#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/header_text.hpp>
#include <pgtally/server/http/message.hpp>
#include <pgtally/server/http/request_handler.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace pgtally::server {

class request_reader {
public:
    // Lifetime: the arguments outlive the reader.
    request_reader(client_stream& stream, answer_writer& writer, request_handler const& requests, limits const& bounds);

    // A request, or why it is refused: then the connection must close, because what follows is not read. Neither: the
    // connection has ended.
    struct result {
        std::optional<message_type> message{};
        std::optional<response> refused{};
    };

    // Waits for the first byte of a request. Returns false if none comes.
    asio::awaitable<bool> begins();

    asio::awaitable<result> next();

    // Reads what has arrived, at least a byte. Returns false if the connection ends.
    asio::awaitable<bool> more();

    // What is read and not yet used.
    std::string_view received() const noexcept;
    void consume(std::size_t size) noexcept { buffer_.consume(size); }

    // Whether it waits for the first byte of something.
    bool idle() const noexcept { return idle_; }

private:
    using parser_type = beast::http::request_parser<beast::http::string_body>;
    using refusal_if_any = std::optional<response>;

    bool take_header(parser_type& parser, header_text& text, refusal_if_any& refused);
    asio::awaitable<bool> read_body(parser_type& parser, refusal_if_any& refused);
    asio::awaitable<bool> read_rest(parser_type& parser, beast::error_code& failure);
    asio::awaitable<bool> read_chunks(parser_type& parser, refusal_if_any& refused);
    response parse(parser_type& parser, std::string_view header) const;
    std::size_t body_limit(message_type const& message) const;
    response body_too_large(message_type const& message) const;

    client_stream& stream_;
    answer_writer& writer_;
    request_handler const& requests_;
    limits const& bounds_;
    beast::flat_buffer buffer_;
    bool idle_ = false;
};

}  // namespace pgtally::server
