#include <pgtally/db/detail/pgoutput.hpp>

#include <optional>

namespace pgtally::db::detail::pgoutput {
namespace {

constexpr std::size_t bits_per_byte = 8;

// PostgreSQL counts microseconds from 2000-01-01.
constexpr std::chrono::sys_days epoch = std::chrono::year{2000} / 1 / 1;

constexpr std::uint64_t epoch_us()
{
    return static_cast<std::uint64_t>(time_point(epoch).time_since_epoch().count());
}

// In unsigned arithmetic, because any bytes may arrive.
time_point time_from(std::uint64_t since_2000)
{
    return time_point(std::chrono::microseconds(static_cast<std::int64_t>(since_2000 + epoch_us())));
}

// Reads fields one after another. After a field that is not there, every field is 0 and ok() is false.
class reader {
public:
    explicit reader(std::string_view bytes) noexcept : left_(bytes) {}

    template <class T>
    T number() noexcept
    {
        T value = 0;
        for (auto const c : bytes(sizeof(T)))
            value = static_cast<T>(value << bits_per_byte | static_cast<unsigned char>(c));
        return value;
    }
    std::uint8_t byte() noexcept
    {
        auto const one = bytes(1);
        return one.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(one.front());
    }
    lsn position() noexcept { return lsn{number<std::uint64_t>()}; }

    std::string_view bytes(std::size_t count) noexcept
    {
        if (count > left_.size()) return fail();
        auto const taken = left_.substr(0, count);
        left_.remove_prefix(count);
        return taken;
    }

    // Up to a NUL, which is dropped.
    std::string_view text() noexcept
    {
        auto const end = left_.find('\0');
        if (end == std::string_view::npos) return fail();
        auto const taken = left_.substr(0, end);
        left_.remove_prefix(end + 1);
        return taken;
    }

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] std::string_view left() const noexcept { return left_; }
    [[nodiscard]] bool ended() const noexcept { return ok_ && left_.empty(); }

private:
    std::string_view fail() noexcept
    {
        ok_ = false;
        left_ = {};
        return {};
    }

    std::string_view left_;
    bool ok_ = true;
};

// A type byte that may be anything: "'B'", "0x07".
std::string shown(char type)
{
    constexpr std::string_view digits = "0123456789abcdef";
    auto const value = static_cast<unsigned char>(type);
    if (value > 0x20 && value < 0x7f) return std::string("'") + type + "'";
    return std::string("0x") + digits[value >> 4] + digits[value & 0xf];
}

malformed wrong(std::string_view what, char type, std::string_view why)
{
    return malformed{std::string(what) + ' ' + shown(type) + ' ' + std::string(why)};
}

malformed wrong_length(std::string_view what, char type, reader const& of)
{
    return wrong(what, type, of.ok() ? "has bytes too many" : "ends too early");
}

decoded decode_keepalive(reader& from)
{
    auto const end = from.position();
    from.number<std::uint64_t>();  // the server's clock
    auto const asks = from.byte();
    if (!from.ended()) return wrong_length("a replication message", 'k', from);
    return keepalive{end, asks != 0};
}

}  // namespace

decoded decoder::decode(std::string_view copy_data)
{
    reader from(copy_data);
    auto const type = static_cast<char>(from.byte());
    if (!from.ok()) return malformed{"a replication message is empty"};
    if (type == 'k') return decode_keepalive(from);
    if (type != 'w') return wrong("a replication message", type, "is of no known type");
    constexpr std::size_t header = 3 * sizeof(std::uint64_t);  // two positions and the server's clock
    from.bytes(header);
    if (!from.ok()) return wrong_length("a replication message", type, from);
    return output(from.left());
}

decoded decoder::output(std::string_view bytes)
{
    constexpr std::string_view what = "a message of pgoutput";
    reader from(bytes);
    auto const type = static_cast<char>(from.byte());
    if (!from.ok()) return malformed{std::string(what) + " is empty"};
    switch (type) {
        case 'B': {
            from.position();               // of the commit record, which the commit names again
            from.number<std::uint64_t>();  // the time of the commit, likewise
            auto const xid = from.number<std::uint32_t>();
            if (!from.ended()) return wrong_length(what, type, from);
            if (open_) return wrong(what, type, "comes inside a transaction");
            open_ = true;
            xid_ = xid;
            return begin{xid};
        }
        case 'C': {
            from.byte();  // flags, unused
            auto const record = from.position();
            auto const end = from.position();
            auto const at = time_from(from.number<std::uint64_t>());
            if (!from.ended()) return wrong_length(what, type, from);
            if (!open_) return wrong(what, type, "comes outside a transaction");
            open_ = false;
            return commit{xid_, record, end, at};
        }
        case 'M': {
            constexpr std::uint8_t transactional = 1;
            auto const flags = from.byte();
            from.position();
            auto const prefix = from.text();
            auto const length = from.number<std::uint32_t>();
            auto const content = from.bytes(length);
            if (!from.ended()) return wrong_length(what, type, from);
            if ((flags & transactional) == 0) return skipped{};
            if (!open_) return wrong(what, type, "comes outside a transaction");
            return message{prefix, content};
        }
        case 'O':
        case 'R':
        case 'Y':
        case 'I':
        case 'U':
        case 'D':
        case 'T':
            if (!open_) return wrong(what, type, "comes outside a transaction");
            return skipped{};
        default: return wrong(what, type, "is of no type of protocol version 1");
    }
}

std::string status_update(lsn position, time_point now, bool asks)
{
    std::string bytes(1, 'r');
    auto const append = [&](std::uint64_t value) {
        for (auto shift = sizeof(value) * bits_per_byte; shift > 0; shift -= bits_per_byte)
            bytes += static_cast<char>(value >> (shift - bits_per_byte) & 0xff);
    };
    for (int i = 0; i < 3; ++i) append(static_cast<std::uint64_t>(position));  // written, flushed, applied
    append(static_cast<std::uint64_t>(now.time_since_epoch().count()) - epoch_us());
    bytes += asks ? '\1' : '\0';
    return bytes;
}

}  // namespace pgtally::db::detail::pgoutput
