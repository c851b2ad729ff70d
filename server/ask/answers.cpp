#include <pgtally/server/ask/answers.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>

#include <exception>

namespace pgtally::server {

namespace {

namespace json = boost::json;

std::string text_of(json::value const& value)
{
    auto const& text = value.as_string();
    return {text.data(), text.size()};
}

std::string text_in(json::object const& from, std::string_view name)
{
    auto const* const found = from.if_contains(json::string_view{name.data(), name.size()});
    return found != nullptr ? text_of(*found) : std::string{};
}

bool flag_in(json::object const& from, std::string_view name)
{
    auto const* const found = from.if_contains(json::string_view{name.data(), name.size()});
    return found != nullptr && found->as_bool();
}

void add_row(counters_answer& to, std::string key, json::object const& counters)
{
    bool const first = to.names.empty();
    counters_row row{std::move(key), {}};
    for (auto const& [name, value] : counters) {
        if (first) to.names.emplace_back(name.data(), name.size());
        row.counters.push_back(json::value_to<std::int64_t>(value));
    }
    if (row.counters.size() != to.names.size()) throw std::runtime_error{"rows of different counters"};
    to.rows.push_back(std::move(row));
}

void add_standing(counters_answer& to, json::object const& from)
{
    to.state = text_in(from, "state");
    to.reason = text_in(from, "reason");
}

void add_keys(counters_answer& to, json::object const& from)
{
    for (auto const& [key, counters] : from.at("keys").as_object()) {
        add_row(to, std::string{key.data(), key.size()}, counters.as_object());
    }
}

// Parses a text that may be anything.
template <class Out, class Read>
std::optional<Out> parsed(std::string const& text, Read read)
{
    try {
        auto const whole = json::parse(text);
        Out out;
        read(whole.as_object(), out);
        return out;
    } catch (std::exception const&) {
        return std::nullopt;
    }
}

}  // namespace

std::optional<counters_answer> keys_in(std::string const& body)
{
    return parsed<counters_answer>(body, [](json::object const& from, counters_answer& out) {
        add_keys(out, from);
        add_standing(out, from);
    });
}

std::optional<counters_answer> top_in(std::string const& body)
{
    return parsed<counters_answer>(body, [](json::object const& from, counters_answer& out) {
        for (auto const& each : from.at("top").as_array()) {
            add_row(out, text_of(each.at("key")), each.at("counters").as_object());
        }
        add_standing(out, from);
    });
}

std::optional<std::vector<tally_standing>> tallies_in(std::string const& body)
{
    using standings = std::vector<tally_standing>;
    return parsed<standings>(body, [](json::object const& from, standings& out) {
        for (auto const& each : from.at("tallies").as_array()) {
            auto const& tally = each.as_object();
            out.push_back({text_of(tally.at("name")), text_of(tally.at("state")), text_in(tally, "reason")});
        }
    });
}

std::optional<pushed> pushed_in(std::string_view name, std::string const& data)
{
    return parsed<pushed>(data, [name](json::object const& from, pushed& out) {
        if (name == "snapshot" || name == "change") {
            out.what = name == "change" ? pushed::kind::change : pushed::kind::snapshot;
            add_keys(out.counters, from);
            out.partial = flag_in(from, "partial");
            out.more = flag_in(from, "more");
            out.revision = json::value_to<std::uint64_t>(from.at("revision"));
            if (name == "snapshot") add_standing(out.counters, from);
        } else if (name == "state") {
            out.what = pushed::kind::state;
            add_standing(out.counters, from);
        } else if (name == "unsubscribed") {
            bool const expired = text_in(from, "reason") == "expired";
            out.what = expired ? pushed::kind::expired : pushed::kind::ended;
            out.why = expired ? "the token has expired" : "the tally was dropped";
        } else if (name == "error") {
            out.what = pushed::kind::ended;
            out.why = text_in(from, "message");
        }
    });
}

std::string refusal_in(http_answer const& answer, token_source const& sent, std::string_view otherwise)
{
    auto const status = "the server answered " + std::to_string(answer.status) + ": ";
    auto const detail = parsed<std::string>(
        answer.body, [](json::object const& from, std::string& out) { out = text_of(from.at("detail")); });
    auto const advice = advice_on(answer.status, sent);
    return status + detail.value_or(std::string{otherwise}) + (advice.empty() ? "" : "; " + advice);
}

}  // namespace pgtally::server
