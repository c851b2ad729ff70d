#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/request_reader.hpp>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace pgtally::server {

namespace http = beast::http;

namespace {

constexpr std::size_t piece_bytes = 4'096;  // read at a time

response not_http()
{
    return problem(400, "bad_request", "this is not HTTP");
}

}  // namespace

request_reader::request_reader(client_stream& stream, answer_writer& writer, request_handler const& requests,
                               limits const& bounds)
    : stream_{stream}
    , writer_{writer}
    , requests_{requests}
    , bounds_{bounds}
    , buffer_{bounds.max_target_bytes + bounds.max_header_bytes + bounds.max_body_bytes + piece_bytes}
{
}

std::string_view request_reader::received() const noexcept
{
    auto const data = buffer_.cdata();
    return {static_cast<char const*>(data.data()), data.size()};
}

asio::awaitable<bool> request_reader::more()
{
    auto const room = buffer_.prepare(piece_bytes);
    std::span const into{static_cast<char*>(room.data()), room.size()};
    auto const size = co_await stream_.read_some(into);
    buffer_.commit(size);
    co_return size > 0;
}

asio::awaitable<bool> request_reader::begins()
{
    if (buffer_.size() > 0) co_return true;
    stream_.expires_after(bounds_.keep_alive);
    idle_ = true;
    bool const came = co_await more();
    idle_ = false;
    co_return came;
}

asio::awaitable<request_reader::result> request_reader::next()
{
    parser_type parser;
    header_text text;
    result out;
    for (bool waits = false; !take_header(parser, text, out.refused); waits = true) {
        if (out.refused) co_return out;
        if (!waits) stream_.expires_after(bounds_.header_timeout);
        bool const came = co_await more();
        if (!came) co_return out;
    }
    bool whole = parser.is_done();
    if (!whole) whole = co_await read_body(parser, out.refused);
    if (whole) out.message = parser.release();
    co_return out;
}

// Parses the header if it has arrived. Returns false if it has not, or is refused.
bool request_reader::take_header(parser_type& parser, header_text& text, refusal_if_any& refused)
{
    // A little more than both limits together: `refuse_header` finds out which of them is exceeded.
    auto const most = bounds_.max_target_bytes + bounds_.max_header_bytes + 1'024;
    auto const found = text.look(received());
    if (found == header_text::state::refused) refused = not_http();
    else if (found != header_text::state::complete && buffer_.size() > most)
        refused = refuse_long_header(text.has_target(), bounds_);
    if (found != header_text::state::complete) return false;
    buffer_.consume(text.skipped());
    auto judged = parse(parser, received().substr(0, text.size()));
    buffer_.consume(text.size());
    if (judged.status != 200) {
        refused = std::move(judged);
        return false;
    }
    join_lists(parser.get());
    return true;
}

// Returns why the header is refused; status 200 if it is not.
response request_reader::parse(parser_type& parser, std::string_view header) const
{
    parser.header_limit(static_cast<std::uint32_t>(header.size() + 1));
    parser.body_limit(std::max(bounds_.max_body_bytes, bounds_.max_key_list_bytes));
    beast::error_code failure;
    parser.put(asio::buffer(header.data(), header.size()), failure);
    if (failure == http::error::bad_version && names_other_version(header))
        return problem(505, "bad_version", "this server speaks HTTP/1.1 and HTTP/1.0");
    if (failure && failure != http::error::body_limit) return not_http();

    auto const& message = parser.get();
    auto refused = refuse_header(facts_of(message), bounds_);
    if (refused.status != 200) return refused;
    if (failure) return body_too_large(message);
    // Most requests have no body: only for those that have one is the target looked at here.
    if (parser.chunked()) parser.body_limit(body_limit(message));
    auto const length = parser.content_length().value_or(0);
    return length > 0 && length > body_limit(message) ? body_too_large(message) : response{};
}

std::size_t request_reader::body_limit(message_type const& message) const
{
    return requests_.body_limit(method_of(message.method()), view_of(message.target()));
}

response request_reader::body_too_large(message_type const& message) const
{
    return problem(413, "body_too_large", "a body may have " + std::to_string(body_limit(message)) + " bytes");
}

asio::awaitable<bool> request_reader::read_body(parser_type& parser, refusal_if_any& refused)
{
    auto const& message = parser.get();
    // RFC 9110, 10.1.1: a client of HTTP/1.0 does not know this answer.
    if (message.version() == 11 && beast::iequals(message[http::field::expect], "100-continue")) {
        std::string_view const go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        bool const written = co_await writer_.write(go_on);
        if (!written) co_return false;
    }
    stream_.expires_after(bounds_.body_timeout);
    if (parser.chunked()) co_return co_await read_chunks(parser, refused);
    beast::error_code ignored;
    co_return co_await read_rest(parser, ignored);
}

// Reads until the parser has all. Returns false with an error if what came is not valid, without one if the connection
// ended.
asio::awaitable<bool> request_reader::read_rest(parser_type& parser, beast::error_code& failure)
{
    parser.eager(true);
    while (!parser.is_done()) {
        auto const used = parser.put(buffer_.data(), failure);
        buffer_.consume(used);
        if (failure == http::error::need_more) failure = {};
        // What the parser takes in one piece only, such as the extensions of a chunk, is longer than the buffer.
        if (buffer_.size() + piece_bytes > buffer_.max_size()) failure = http::error::buffer_overflow;
        if (failure) co_return false;
        if (parser.is_done()) break;
        bool const came = co_await more();
        if (!came) co_return false;
    }
    co_return true;
}

asio::awaitable<bool> request_reader::read_chunks(parser_type& parser, refusal_if_any& refused)
{
    std::size_t left = bounds_.max_chunk_bytes;
    // A chunk has its size and two ends of lines, and may have extensions.
    auto on_chunk = [&left](std::uint64_t, beast::string_view extensions, beast::error_code& failure) {
        auto const size = extensions.size() + 8;
        if (size > left) failure = http::error::bad_chunk_extension;
        else left -= size;
    };
    parser.on_chunk_header(on_chunk);
    // The parser would add the trailers to the header. Nobody reads them: they came after the header was judged.
    message_header const header = parser.get();
    beast::error_code failure;
    bool const whole = co_await read_rest(parser, failure);
    static_cast<message_header&>(parser.get()) = header;
    if (failure == http::error::body_limit) refused = body_too_large(parser.get());
    else if (failure)
        refused = problem(400, "bad_request", "the chunks of the body are not valid, or too long beside their data");
    co_return whole;
}

}  // namespace pgtally::server
