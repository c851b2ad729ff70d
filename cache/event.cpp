#include <pgtally/cache/event.hpp>

#include <pgtally/cache/key.hpp>
#include <pgtally/cache/plain_event.hpp>

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <limits>

namespace pgtally::cache {

namespace {

namespace json = boost::json;
using json_error = boost::system::error_code;

// Receives the tokens of one payload. Only the member "d" is nested (an array of arrays), so the member's name and a
// depth are enough to know the place in the document.
class handler {
public:
    static constexpr std::size_t max_object_size = 16;
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = 64;
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

    void begin(event& out) noexcept
    {
        out_ = &out;
        member_ = member::none;
        depth_ = 0;
        seen_ = 0;
        name_.clear();
        string_.clear();
        error = event_error::none;
    }

    event_error error = event_error::none;

    bool on_document_begin(json_error&) noexcept { return true; }
    bool on_document_end(json_error& ec) { return complete() || fail(ec, event_error::wrong_shape); }
    bool on_object_begin(json_error& ec)
    {
        if (depth_++ != 0) return fail(ec, event_error::wrong_shape);
        return true;
    }
    bool on_object_end(std::size_t, json_error&) noexcept
    {
        --depth_;
        return true;
    }
    bool on_array_begin(json_error& ec)
    {
        ++depth_;
        if (member_ != member::d || depth_ > 3) return fail(ec, event_error::wrong_shape);
        if (depth_ == 3) {
            auto const values = static_cast<std::uint32_t>(out_->values.size());
            out_->deltas.push_back(event::delta{no_key, 0, values, 0});
        }
        return true;
    }
    bool on_array_end(std::size_t, json_error& ec)
    {
        if (depth_-- != 3) return true;
        auto& d = out_->deltas.back();
        d.values_size = static_cast<std::uint32_t>(out_->values.size()) - d.values_begin;
        return d.values_size != 0 || fail(ec, event_error::wrong_shape);
    }
    bool on_key_part(json::string_view part, std::size_t, json_error&)
    {
        name_ += std::string_view{part};
        return true;
    }
    bool on_key(json::string_view part, std::size_t, json_error& ec)
    {
        name_ += std::string_view{part};
        member_ = member_of(name_);
        name_.clear();
        auto const bit = 1U << static_cast<unsigned>(member_);
        if (member_ == member::none || (seen_ & bit) != 0) return fail(ec, event_error::wrong_shape);
        seen_ |= bit;
        return true;
    }
    bool on_string_part(json::string_view part, std::size_t, json_error&)
    {
        string_ += std::string_view{part};
        return true;
    }
    bool on_string(json::string_view part, std::size_t, json_error& ec)
    {
        string_ += std::string_view{part};
        bool const taken = take_string(ec);
        string_.clear();
        return taken;
    }
    bool on_number_part(json::string_view, json_error&) noexcept { return true; }
    bool on_int64(std::int64_t value, json::string_view, json_error& ec)
    {
        if (member_ == member::d && depth_ == 3 && has_key()) {
            out_->values.push_back(value);
            return true;
        }
        if (depth_ != 1) return fail(ec, event_error::wrong_shape);
        if (member_ == member::n && value >= 0) out_->n = static_cast<std::uint64_t>(value);
        else if (member_ == member::v && value > 0) out_->v = static_cast<std::uint64_t>(value);
        else if (member_ == member::at && value >= 0) out_->at_us = value;
        else return fail(ec, is_numeric() ? event_error::wrong_number : event_error::wrong_shape);
        return true;
    }
    bool on_uint64(std::uint64_t, json::string_view, json_error& ec) { return no_such_number(ec); }
    bool on_double(double, json::string_view, json_error& ec) { return no_such_number(ec); }
    bool on_bool(bool value, json_error& ec)
    {
        if (depth_ != 1 || !value) return fail(ec, event_error::wrong_shape);
        if (member_ == member::truncate) out_->what = event::kind::truncate;
        else if (member_ == member::reload) out_->what = event::kind::reload;
        else if (member_ == member::definition) out_->what = event::kind::definition;
        else return fail(ec, event_error::wrong_shape);
        return true;
    }
    bool on_null(json_error& ec) { return fail(ec, event_error::wrong_shape); }
    bool on_comment_part(json::string_view, json_error&) noexcept { return true; }
    bool on_comment(json::string_view, json_error&) noexcept { return true; }

private:
    enum class member : unsigned { none, t, v, x, n, at, d, truncate, reload, definition, broken, barrier };
    static constexpr std::uint32_t no_key = 0xffffffff;

    static member member_of(std::string_view name) noexcept
    {
        if (name == "t") return member::t;
        if (name == "v") return member::v;
        if (name == "x") return member::x;
        if (name == "n") return member::n;
        if (name == "at") return member::at;
        if (name == "d") return member::d;
        if (name == "truncate") return member::truncate;
        if (name == "reload") return member::reload;
        if (name == "definition") return member::definition;
        if (name == "broken") return member::broken;
        if (name == "barrier") return member::barrier;
        return member::none;
    }

    bool fail(json_error& ec, event_error reason)
    {
        error = reason;
        ec = json::make_error_code(json::error::syntax);
        return false;
    }

    bool is_numeric() const noexcept { return member_ == member::n || member_ == member::at || member_ == member::v; }
    bool has_key() const noexcept { return !out_->deltas.empty() && out_->deltas.back().key_begin != no_key; }
    bool no_such_number(json_error& ec)
    {
        bool const expected = (depth_ == 1 && is_numeric()) || (depth_ == 3 && has_key());
        return fail(ec, expected ? event_error::wrong_number : event_error::wrong_shape);
    }

    bool take_string(json_error& ec)
    {
        if (member_ == member::d && depth_ == 3 && !has_key()) return take_key(ec);
        if (depth_ != 1 || string_.empty()) return fail(ec, event_error::wrong_shape);
        if (member_ == member::t) out_->tally = string_;
        else if (member_ == member::barrier) out_->barrier = string_;
        else if (member_ == member::broken) return take_broken(ec);
        else if (member_ == member::x) {
            auto const transaction = parse_xid(string_);
            if (!transaction) return fail(ec, event_error::wrong_number);
            out_->transaction = *transaction;
        } else return fail(ec, event_error::wrong_shape);
        return true;
    }

    // SQLSTATE, a space, and a message.
    bool take_broken(json_error& ec)
    {
        constexpr std::size_t state_size = 5;
        auto const in_state = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
        bool const fits = string_.size() > state_size + 1 && string_[state_size] == ' ' &&
                          std::all_of(string_.begin(), string_.begin() + state_size, in_state);
        if (!fits) return fail(ec, event_error::wrong_shape);
        out_->text = string_;
        out_->what = event::kind::broken;
        return true;
    }

    bool take_key(json_error& ec)
    {
        if (string_.size() > max_key_bytes || !is_text(string_)) return fail(ec, event_error::wrong_shape);
        auto& d = out_->deltas.back();
        d.key_begin = static_cast<std::uint32_t>(out_->text.size());
        d.key_size = static_cast<std::uint32_t>(string_.size());
        out_->text += string_;
        return true;
    }

    bool seen(member which) const noexcept { return (seen_ & (1U << static_cast<unsigned>(which))) != 0; }

    // Whether the members make an event: a barrier and nothing else, or one kind with a tally, a transaction and n.
    bool complete() const noexcept
    {
        constexpr auto bit = [](member which) { return 1U << static_cast<unsigned>(which); };
        if (seen(member::barrier)) {
            out_->what = event::kind::barrier;
            return seen_ == bit(member::barrier);
        }
        auto const common = bit(member::t) | bit(member::x) | bit(member::n);
        auto const kind = seen_ & ~(common | bit(member::at) | bit(member::v));
        if ((seen_ & common) != common) return false;
        if (kind == bit(member::d)) {
            out_->what = event::kind::deltas;
            return !out_->deltas.empty();
        }
        return kind == bit(member::truncate) || kind == bit(member::reload) || kind == bit(member::definition) ||
               kind == bit(member::broken);
    }

    event* out_ = nullptr;
    member member_ = member::none;
    unsigned depth_ = 0, seen_ = 0;
    std::string name_, string_;
};

json::parse_options options() noexcept
{
    json::parse_options result;
    result.max_depth = 4;
    return result;
}

}  // namespace

std::size_t event::memory_bytes() const noexcept
{
    return sizeof(event) + text.size() + tally.size() + deltas.size() * sizeof(delta) +
           values.size() * sizeof(std::int64_t);
}

void event::clear() noexcept
{
    what = {};
    tally.clear();
    barrier.clear();
    transaction = {};
    v = 0;
    n = 0;
    at_us = 0;
    text.clear();
    deltas.clear();
    values.clear();
}

std::string_view to_string(event_error value) noexcept
{
    switch (value) {
        case event_error::none: return "none";
        case event_error::too_long: return "too_long";
        case event_error::not_json: return "not_json";
        case event_error::wrong_shape: return "wrong_shape";
        case event_error::wrong_number: return "wrong_number";
    }
    return "wrong_shape";
}

event_error decode(std::string_view payload, event& out)
{
    out.clear();
    if (payload.size() >= max_payload_bytes) return event_error::too_long;
    if (decode_plain(payload, out)) return event_error::none;
    out.clear();
    json::basic_parser<handler> parser{options()};
    auto& receiver = parser.handler();
    receiver.begin(out);
    json_error ec;
    auto const used = parser.write_some(false, payload.data(), payload.size(), ec);
    if (receiver.error != event_error::none) return receiver.error;
    return ec || used != payload.size() ? event_error::not_json : event_error::none;
}

}  // namespace pgtally::cache
