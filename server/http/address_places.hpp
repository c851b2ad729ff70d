#pragma once

#include <pgtally/server/base/ip_network.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

namespace pgtally::server {

// How many connections the clients of each address have, and no more than one may have. All addresses of an IPv6 network of 64
// bits count as one: that is what one client has.
//
// Lifetime: outlives its places.
class address_places {
public:
    // `most` of one address; 0: no limit, and nothing is counted.
    explicit address_places(std::size_t most) noexcept : most_{most} {}
    address_places(address_places const&) = delete;
    address_places& operator=(address_places const&) = delete;

    // A connection's place, until it is destroyed. One that is default is nobody's.
    class place {
    public:
        place() = default;
        place(place&& from) noexcept : of_{std::exchange(from.of_, nullptr)}, where_{from.where_} {}
        place& operator=(place&& from) noexcept
        {
            std::swap(of_, from.of_);
            std::swap(where_, from.where_);
            return *this;
        }
        ~place()
        {
            if (of_ != nullptr) of_->leave(where_);
        }

    private:
        friend class address_places;
        place(address_places& of, ip_address const& where) noexcept : of_{&of}, where_{where} {}

        address_places* of_ = nullptr;
        ip_address where_{};
    };

    // Nothing if the address has as many as it may.
    std::optional<place> take(ip_address const& address);

    std::size_t addresses() const noexcept { return taken_.size(); }

private:
    void leave(ip_address const& where) noexcept;

    std::size_t const most_;
    std::map<ip_address, std::size_t> taken_;
};

}  // namespace pgtally::server
