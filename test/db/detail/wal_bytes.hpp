#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Messages as a server sends them.
namespace pgtally::test::wal_bytes {

template <class T>
std::string number(T value)
{
    std::string bytes;
    for (auto i = sizeof(T); i > 0; --i) bytes += static_cast<char>(value >> (i - 1) * 8 & 0xff);
    return bytes;
}

inline std::string data(std::string const& output)
{
    return 'w' + std::string(24, '\x11') + output;
}

inline std::string keepalive(std::uint64_t end, bool asks)
{
    return 'k' + number(end) + number(std::uint64_t{0}) + (asks ? '\1' : '\0');
}

inline std::string begin(std::uint32_t xid)
{
    return data('B' + number(std::uint64_t{1}) + number(std::uint64_t{2}) + number(xid));
}

inline std::string commit(std::uint64_t record, std::uint64_t end, std::uint64_t at = 0)
{
    return data('C' + std::string(1, '\0') + number(record) + number(end) + number(at));
}

inline std::string message(std::string const& prefix, std::string const& content, bool transactional = true)
{
    auto const length = static_cast<std::uint32_t>(content.size());
    return data('M' + std::string(1, transactional ? '\1' : '\0') + number(std::uint64_t{3}) + prefix + '\0' +
                number(length) + content);
}

}  // namespace pgtally::test::wal_bytes
