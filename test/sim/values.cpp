#include "values.hpp"

#include "random.hpp"

#include <algorithm>

namespace pgtally::sim {

namespace {

constexpr std::array<std::string_view, key_count> number_texts{"0", "1", "-2", "33", "404", "-5005", "600000", "7"};
constexpr std::array<std::int64_t, key_count> number_values{0, 1, -2, 33, 404, -5005, 600000, 7};
constexpr std::array<std::string_view, key_count> texts{"a", "", "k 2", "\xc3\xbc", "\"", "\\", "007", "b"};

std::uint64_t fingerprint_of(std::size_t key, numbers const& counters) noexcept
{
    if (counters == numbers{}) return 0;
    auto const a = static_cast<std::uint64_t>(counters[0]), b = static_cast<std::uint64_t>(counters[1]);
    return random::mix(random::mix(random::mix(key + 1) ^ a) + b);
}

void append_quoted(std::string& out, std::string_view text)
{
    out += '"';
    for (char const c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

std::string head(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n)
{
    auto const v = as.v == 0 ? std::string{} : R"("v":)" + std::to_string(as.v) + ",";
    return R"({"t":")" + tally_name(tally) + "\"," + v + R"("x":")" + std::to_string(x) + R"(","n":)" +
           std::to_string(n);
}

}  // namespace

numbers meaning::counters(numbers const& in_row) const noexcept
{
    auto const [a, b] = in_row;
    switch (number % 4) {
        case 0: return {a, b};
        case 1: return {b, a};
        case 2: return {a + b, 0};
        default: return {a - b, b};
    }
}

cache::definition meaning::as_definition(std::size_t tally) const
{
    std::vector<std::string> names{"a"};
    if (width() == 2) names.emplace_back("b");
    cache::definition out{tally_name(tally), "source", text_keys() ? "text" : "bigint",
                          std::move(names),  {},       std::to_string(number)};
    out.transport = transport_names[by];
    out.v = v;
    return out;
}

std::string tally_name(std::size_t tally)
{
    return tally == 0 ? "likes" : "votes";
}

std::string_view key_text(meaning const& as, std::size_t key) noexcept
{
    return as.text_keys() ? texts[key] : number_texts[key];
}

cache::key as_key(meaning const& as, std::size_t key) noexcept
{
    return {as.text_keys() ? texts[key] : std::string_view{}, as.text_keys() ? 0 : number_values[key]};
}

std::size_t key_of(cache::counter_table const& table, cache::counter_table::slot s) noexcept
{
    auto const k = table.key_of(s);
    if (is_number(table.kind())) {
        return static_cast<std::size_t>(std::ranges::find(number_values, k.number) - number_values.begin());
    }
    return static_cast<std::size_t>(std::ranges::find(texts, k.text) - texts.begin());
}

meaning meaning_of(cache::tally const& tally)
{
    auto const by = tally.definition().transport == transport_names[wal] ? wal : notify;
    return {static_cast<unsigned>(std::stoul(tally.definition().fingerprint)), true, by,
            static_cast<unsigned>(tally.definition().v)};
}

numbers counters_of(cache::tally const& tally, meaning const& as, std::size_t key) noexcept
{
    auto const row = tally.counters(as_key(as, key));
    return {row[0], row.size() > 1 ? row[1] : 0};
}

std::uint64_t fingerprint(meaning const& as, sums const& of) noexcept
{
    if (!as.exists) return 0;
    std::uint64_t result = random::mix(as.number + 1);
    for (std::size_t key = 0; key < key_count; ++key) result += fingerprint_of(key, as.counters(of[key]));
    return result;
}

std::uint64_t fingerprint(meaning const& as, cache::counter_table const& of) noexcept
{
    std::uint64_t result = random::mix(as.number + 1);
    for (cache::counter_table::slot s = 0; s < of.end(); ++s) {
        if (!of.used(s)) continue;
        auto const row = of.counters(s);
        result += fingerprint_of(key_of(of, s), {row[0], row.size() > 1 ? row[1] : 0});
    }
    return result;
}

std::string deltas_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n,
                        std::span<changed_key const> keys)
{
    std::string out = head(tally, as, x, n) + R"(,"at":1790000000000000,"d":[)";
    for (auto const& [key, delta] : keys) {
        auto const counters = as.counters(delta);
        out += '[';
        append_quoted(out, key_text(as, key));
        for (std::size_t i = 0; i < as.width(); ++i) out += ',' + std::to_string(counters[i]);
        out += "],";
    }
    out.back() = ']';
    return out + '}';
}

std::string simple_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n, std::string_view what)
{
    return head(tally, as, x, n) + ",\"" + std::string{what} + "\":true}";
}

std::string broken_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n)
{
    return head(tally, as, x, n) + R"(,"broken":"22012 division by zero"})";
}

std::string misfit_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n)
{
    return head(tally, as, x, n) + R"(,"d":[["1",1,1,1]]})";
}

}  // namespace pgtally::sim
