#include <pgtally/cache/plain_event.hpp>

#include <pgtally/cache/event.hpp>
#include <pgtally/cache/key.hpp>

#include <cstddef>
#include <cstdint>

namespace pgtally::cache {

namespace {

class reader {
public:
    explicit reader(std::string_view text) noexcept : at_{text.data()}, end_{text.data() + text.size()} {}

    bool at_end() const noexcept { return at_ == end_; }

    // Skips `expected`, if it is next.
    bool skip(char expected) noexcept
    {
        if (at_ == end_ || *at_ != expected) return false;
        ++at_;
        return true;
    }
    bool skip(std::string_view expected) noexcept
    {
        if (!std::string_view{at_, end_}.starts_with(expected)) return false;
        at_ += expected.size();
        return true;
    }

    // A text without escapes, up to its closing quotation mark. Its opening one was skipped.
    bool text(std::string_view& out) noexcept
    {
        auto const* const begin = at_;
        while (at_ != end_ && is_plain(*at_)) ++at_;
        out = {begin, at_};
        return skip('"');
    }

    // A number as PostgreSQL prints it.
    bool natural(std::int64_t& out) noexcept
    {
        if (at_ == end_ || !is_digit(*at_)) return false;
        auto const* const begin = at_;
        std::int64_t value = 0;
        while (at_ != end_ && is_digit(*at_) && at_ - begin < digits_at_most) value = value * 10 + (*at_++ - '0');
        out = value;
        bool const ends = at_ == end_ || !is_digit(*at_);
        return ends && (*begin != '0' || at_ - begin == 1);
    }
    bool integer(std::int64_t& out) noexcept
    {
        bool const negative = skip('-');
        if (!natural(out) || (negative && out == 0)) return false;
        if (negative) out = -out;
        return true;
    }

private:
    static constexpr std::ptrdiff_t digits_at_most = 18;  // fit 64 bits

    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    static bool is_plain(char c) noexcept { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; }

    char const* at_;
    char const* end_;
};

bool head(reader& from, event& out)
{
    std::string_view name;
    std::int64_t number = 0;
    if (!from.skip(R"({"t":")") || !from.text(name) || name.empty()) return false;
    out.tally = name;
    if (from.skip(R"(,"v":)")) {
        if (!from.natural(number) || number == 0) return false;
        out.v = static_cast<std::uint64_t>(number);
    }
    if (!from.skip(R"(,"x":")") || !from.natural(number) || number < static_cast<std::int64_t>(first_normal_xid) ||
        !from.skip('"'))
        return false;
    out.transaction = xid{static_cast<std::uint64_t>(number)};
    if (!from.skip(R"(,"n":)") || !from.natural(number)) return false;
    out.n = static_cast<std::uint64_t>(number);
    if (from.skip(R"(,"at":)") && !from.natural(out.at_us)) return false;
    return true;
}

// A key and its counters, after the opening bracket.
bool delta(reader& from, event& out)
{
    std::string_view key;
    if (!from.skip('"') || !from.text(key) || key.size() > max_key_bytes) return false;
    event::delta d{static_cast<std::uint32_t>(out.text.size()), static_cast<std::uint32_t>(key.size()),
                   static_cast<std::uint32_t>(out.values.size()), 0};
    out.text += key;
    while (from.skip(',')) {
        std::int64_t value = 0;
        if (!from.integer(value)) return false;
        out.values.push_back(value);
        ++d.values_size;
    }
    out.deltas.push_back(d);
    return d.values_size > 0 && from.skip(']');
}

}  // namespace

bool decode_plain(std::string_view payload, event& out)
{
    reader from{payload};
    if (!head(from, out) || !from.skip(R"(,"d":[)")) return false;
    do {
        if (!from.skip('[') || !delta(from, out)) return false;
    } while (from.skip(','));
    out.what = event::kind::deltas;
    return from.skip("]}") && from.at_end();
}

}  // namespace pgtally::cache
