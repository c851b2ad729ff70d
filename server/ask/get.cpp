#include <pgtally/server/ask/answers.hpp>
#include <pgtally/server/ask/ask.hpp>
#include <pgtally/server/ask/counters_text.hpp>
#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/base/limits.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <functional>
#include <iostream>
#include <utility>

namespace pgtally::server {

namespace {

constexpr std::size_t max_keys_in_target = 100;  // more are sent as a body

struct question {
    std::string method, target, body{};
};

http_answer ask(server_access const& where, question const& what)
{
    asio::io_context io{1};
    http_answer out;
    std::exception_ptr failure;
    asio::co_spawn(io, ask_server(where, what.method, what.target, limits{}.ask_timeout, what.body),
                   [&](std::exception_ptr thrown, http_answer answer) {
                       failure = std::move(thrown);
                       out = std::move(answer);
                   });
    io.run();
    if (failure) std::rethrow_exception(failure);
    return out;
}

question question_of(get_options const& chosen)
{
    auto const path = "/v1/tallies/" + percent_encoded(chosen.tally) + "/keys";
    question out{"GET", path};
    if (chosen.keys.size() <= max_keys_in_target) {
        char separator = '?';
        for (auto const& key : chosen.keys) {
            out.target += separator;
            out.target += "key=" + percent_encoded(key);
            separator = '&';
        }
        return out;
    }
    out.method = "POST";
    char separator = '[';
    out.body = R"({"keys":)";
    for (auto const& key : chosen.keys) {
        out.body += separator;
        append_json(out.body, key);
        separator = ',';
    }
    out.body += "]}";
    return out;
}

using parse = std::function<std::optional<counters_answer>(std::string const&)>;

int print(std::string const& command, server_access const& where, question const& what, bool json, bool numbered,
          parse const& read)
{
    auto const complain = [&](std::string const& why) {
        std::cerr << "pgtally " << command << ": " << printable(why) << '\n';
        return 1;
    };
    try {
        auto const answer = ask(where, what);
        if (answer.status != 200) {
            return complain(refusal_in(answer, where.token, "is this the address of a pgtally server?"));
        }
        auto const found = read(answer.body);
        if (!found) return complain("the answer of the server cannot be read: is it a pgtally server?");
        if (json) std::cout << answer.body << '\n';
        else
            for (auto const& line : table_lines(*found, numbered)) std::cout << line << '\n';
        if (found->state != "live") {
            std::cerr << "pgtally " << command << ": the tally is " << printable(found->state)
                      << (found->reason.empty() ? "" : ": " + printable(found->reason)) << '\n';
        }
        return 0;
    } catch (std::exception const& e) {
        return complain(e.what());
    }
}

}  // namespace

int get(get_options const& chosen)
{
    return print("get", chosen.server, question_of(chosen), chosen.json, false, keys_in);
}

int top(top_options const& chosen)
{
    question what{"GET", "/v1/tallies/" + percent_encoded(chosen.tally) + "/top?by=" + percent_encoded(chosen.by) +
                             "&limit=" + std::to_string(chosen.limit)};
    return print("top", chosen.server, what, chosen.json, true, top_in);
}

}  // namespace pgtally::server
