#include <pgtally/server/ask/http_client.hpp>
#include <pgtally/server/ask/http_exchange.hpp>
#include <pgtally/server/base/limits.hpp>

#include <boost/asio/this_coro.hpp>

#include <stdexcept>
#include <utility>

namespace pgtally::server {

asio::awaitable<http_answer> ask_server(server_access access, std::string method, std::string target,
                                        std::chrono::milliseconds at_most, std::string body)
{
    auto const executor = co_await asio::this_coro::executor;
    auto token = read_token(access.token);
    auto const name = to_string(access.url);
    http_exchange exchange{executor, std::move(access)};
    http_question what;
    what.method = std::move(method);
    what.target = std::move(target);
    what.body = std::move(body);
    // The parts of an answer share its time.
    auto const until = std::chrono::steady_clock::now() + at_most;
    http_answer out;
    out.status = co_await exchange.ask(std::move(what), std::move(token), at_most);
    for (;;) {
        auto const left = until - std::chrono::steady_clock::now();
        auto const piece = co_await exchange.more(std::chrono::ceil<std::chrono::milliseconds>(left));
        if (piece.empty()) co_return out;
        if (out.body.size() + piece.size() > limits{}.max_answer_bytes)
            throw std::runtime_error{"asking " + name + " failed: the answer is larger than 16 MiB"};
        out.body += piece;
    }
}

}  // namespace pgtally::server
