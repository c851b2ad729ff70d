#include <pgtally/server/http/file_body.hpp>

#include <algorithm>
#include <stdexcept>

namespace pgtally::server {

file_body::file_body(std::filesystem::path const& path, std::uint64_t size, std::size_t piece_bytes)
    : in_{path, std::ios::binary}
    , size_{size}
    , left_{size}
    , piece_(static_cast<std::size_t>(std::min<std::uint64_t>(size, piece_bytes)), '\0')
{
    if (!in_) throw std::runtime_error{"the file cannot be opened"};
}

std::string_view file_body::read()
{
    auto const most = static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece_.size()));
    in_.read(piece_.data(), static_cast<std::streamsize>(most));
    auto const got = static_cast<std::size_t>(in_.gcount());
    left_ -= got;
    return {piece_.data(), got};
}

boost::asio::awaitable<std::string_view> file_body::next()
{
    co_return read();
}

}  // namespace pgtally::server
