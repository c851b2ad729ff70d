#include <pgtally/server/http/address_places.hpp>

namespace pgtally::server {

std::optional<address_places::place> address_places::take(ip_address const& address)
{
    if (most_ == 0) return place{};
    auto const where = network_of(address, address.is_v4() ? 128 : 64).first;
    auto& count = taken_[where];
    if (count >= most_) return std::nullopt;
    ++count;
    return place{*this, where};
}

void address_places::leave(ip_address const& where) noexcept
{
    auto const at = taken_.find(where);
    if (--at->second == 0) taken_.erase(at);
}

}  // namespace pgtally::server
