#include <pgtally/server/base/answers_json.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>

namespace pgtally::server {

namespace {

template <class T>
void append_each(std::string& out, std::vector<std::string> const& names, std::span<T const> values)
{
    out += '{';
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i != 0) out += ',';
        append_json(out, names[i]);
        out += ':';
        append_json(out, i < values.size() ? values[i] : T{});
    }
    out += '}';
}

}  // namespace

void append_counters(std::string& out, std::vector<std::string> const& names, std::span<std::int64_t const> values)
{
    append_each(out, names, values);
}

void append_counters(std::string& out, std::vector<std::string> const& names, std::span<cache::wide_sum const> values)
{
    append_each(out, names, values);
}

void append_state(std::string& out, cache::state state, std::string_view reason)
{
    out += R"("state":")";
    out += to_string(state);
    out += '"';
    if (!reason.empty()) {
        out += R"(,"reason":)";
        append_json(out, reason);
    }
}

void append_standing(std::string& out, std::string_view epoch, std::uint64_t revision, cache::state state,
                     std::string_view reason)
{
    out += R"("epoch":")";
    out += epoch;
    out += R"(","revision":)";
    append_json(out, revision);
    out += ',';
    append_state(out, state, reason);
}

void append_standing(std::string& out, cache::tally const& of, audience who)
{
    append_standing(out, of.epoch(), of.revision(), of.state(), text_for(who, of.reason()));
}

void append_values(std::string& out, cache::update const& what, cache::subscription const& from)
{
    auto const& tally = *from.of();
    auto const& names = tally.definition().counters;
    if (what.answered != nullptr) return append_answer(out, *from.asks(), *what.answered, what.rows, names);
    std::string key;
    char separator = '{';
    out += R"("keys":)";
    for (auto const& item : what.items) {
        out += separator;
        separator = ',';
        key.clear();
        from.append_key(item, key);
        append_json(out, key);
        out += ':';
        // A key that has no row is all 0.
        std::span<std::int64_t const> values;
        if (item.row != cache::counter_table::none) values = tally.table().counters(item.row);
        append_counters(out, names, values);
    }
    if (what.items.empty()) out += '{';
    out += '}';
}

}  // namespace pgtally::server
