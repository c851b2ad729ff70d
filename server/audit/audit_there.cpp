#include <pgtally/server/ask/answers.hpp>
#include <pgtally/server/ask/http_client.hpp>
#include <pgtally/server/audit/audit_runs.hpp>
#include <pgtally/server/base/audit_json.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace pgtally::server {

namespace {

namespace json = boost::json;
using names = std::vector<std::string>;

constexpr std::chrono::seconds list_timeout{30};
constexpr std::chrono::seconds answer_time{30};  // the server reports its own timeout within it

std::optional<names> names_in(std::string const& body)
{
    names out;
    try {
        auto const list = json::parse(body);
        for (auto const& each : list.at("tallies").as_array()) {
            auto const& name = each.at("name").as_string();
            out.emplace_back(name.data(), name.size());
        }
    } catch (std::exception const&) {
        return std::nullopt;
    }
    return out;
}

struct outcome {
    std::optional<http_answer> answer;
    std::string why;
};

asio::awaitable<outcome> ask(server_access where, std::string method, std::string target,
                             std::chrono::milliseconds at_most)
{
    outcome out;
    try {
        auto const token = where.token;
        out.answer = co_await ask_server(std::move(where), std::move(method), std::move(target), at_most);
        if (out.answer->status == 200) co_return out;
        out.why = refusal_in(*out.answer, token, "is this the admin address of a pgtally server?");
        out.answer.reset();
    } catch (std::exception const& e) {
        out.why = e.what();
    }
    co_return out;
}

}  // namespace

asio::awaitable<tally_audits> audit_there(audit_options chosen, audit_progress report)
{
    tally_audits out;
    auto all = chosen.tallies;
    if (all.empty()) {
        auto const list = co_await ask(*chosen.server, "GET", "/v1/tallies", list_timeout);
        auto const found = list.answer ? names_in(list.answer->body) : std::nullopt;
        if (found) all = *found;
        else out.push_back(no_audit({}, list.answer ? "the list of tallies from the server cannot be read" : list.why));
        if (found && all.empty()) out.push_back(no_audit({}, "the server has no tally"));
    }
    for (auto const& name : all) {
        report("the server compares tally " + name);
        auto const patience = std::chrono::milliseconds{chosen.bounds.audit_timeout} + answer_time;
        auto const asked = co_await ask(*chosen.server, "POST", "/v1/tallies/" + name + "/audit", patience);
        auto found = asked.answer ? parse_audit(asked.answer->body) : std::nullopt;
        if (!found) {
            out.push_back(no_audit(name, asked.answer ? "the answer of the server cannot be read" : asked.why));
            continue;
        }
        tally_audit& one = out.emplace_back();
        one.tally = name;
        one.report = std::move(*found);
    }
    co_return out;
}

}  // namespace pgtally::server
