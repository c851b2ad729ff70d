#pragma once

#include <pgtally/server/ask/connection.hpp>
#include <pgtally/server/ask/server_access.hpp>

#include <optional>

namespace pgtally::server {

struct http_question {
    std::string method{"GET"}, target{"/"};
    std::string body{};           // JSON
    std::string accept{};         // the field `Accept`; empty: none
    std::string last_event_id{};  // the field `Last-Event-ID`; empty: none
};

// One request by HTTP/1.1 and its answer, on a connection of its own.
//
// Lifetime: outlives its coroutines. Threads: one.
// Errors: each call throws std::runtime_error with the URL, what failed, and what to do if that is known.
class http_exchange {
public:
    http_exchange(asio::any_io_executor executor, server_access access);
    ~http_exchange();
    http_exchange(http_exchange const&) = delete;
    http_exchange& operator=(http_exchange const&) = delete;

    // Once: connects, sends the request, with `token` if it is not empty, and returns the status of the answer.
    // `at_most` is for each step, and for connecting at most `limits::ask_connect_timeout`.
    asio::awaitable<unsigned> ask(http_question what, std::string token, std::chrono::milliseconds at_most);

    // The next bytes of the answer's body, as soon as there are some; nothing at its end. They are valid until the next
    // call.
    asio::awaitable<std::string_view> more(std::chrono::milliseconds at_most);

private:
    struct answer;

    // Reads more of the answer. What does not fit HTTP is a failure.
    asio::awaitable<void> read(std::chrono::milliseconds at_most);
    [[noreturn]] void fail(std::string const& why) const;

    server_access access_;
    connection connection_;
    std::unique_ptr<answer> answer_;
};

}  // namespace pgtally::server
