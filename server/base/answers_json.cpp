#include <pgtally/server/base/answers_json.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>

namespace pgtally::server {

namespace {

void append_rows(std::string& out, std::span<cache::answer::row const> rows, std::vector<std::string> const& names,
                 bool with_place)
{
    char separator = '[';
    for (auto const& row : rows) {
        out += separator;
        separator = ',';
        out += '{';
        if (with_place) {
            out += R"("place":)";
            append_json(out, row.place);
            out += ',';
        }
        out += R"("key":)";
        append_json(out, row.key);
        out += R"(,"counters":)";
        append_counters(out, names, std::span<std::int64_t const>{row.counters});
        out += '}';
    }
    if (rows.empty()) out += '[';
    out += ']';
}

void append_rank(std::string& out, cache::rank_question const& about, cache::answer const& answer)
{
    out += R"("rank":{"key":)";
    append_json(out, about.key);
    out += R"(,"place":)";
    if (answer.place) append_json(out, *answer.place);
    else out += "null";
    out += R"(,"of":)";
    append_json(out, answer.of);
    out += '}';
}

}  // namespace

void append_answer(std::string& out, cache::question const& about, cache::answer const& answer,
                   std::span<cache::answer::row const> rows, std::vector<std::string> const& names)
{
    if (std::holds_alternative<cache::top_question>(about)) {
        out += R"("top":)";
        append_rows(out, rows, names, false);
    } else if (auto const* const rank = std::get_if<cache::rank_question>(&about)) {
        append_rank(out, *rank, answer);
        out += R"(,"around":)";
        append_rows(out, rows, names, true);
        out += R"(,"by":)";
        append_json(out, rank->by);
    } else {
        out += R"("sum":)";
        append_counters(out, names, std::span<cache::wide_sum const>{answer.sums});
        out += R"(,"size":)";
        append_json(out, answer.of);
    }
}

}  // namespace pgtally::server
