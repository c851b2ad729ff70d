#pragma once

#include <pgtally/server/http/address_places.hpp>

#include <cstddef>
#include <utility>

namespace pgtally::server {

// What a connection occupies until it ends, whoever serves it: one of all clients, and one of its address's.
class place_held {
public:
    place_held() = default;
    place_held(std::size_t& count, address_places::place of_address) noexcept
        : count_{&count}, of_address_{std::move(of_address)}
    {
        ++count;
    }
    place_held(place_held&& from) noexcept
        : count_{std::exchange(from.count_, nullptr)}, of_address_{std::move(from.of_address_)}
    {
    }
    place_held& operator=(place_held&& from) noexcept
    {
        std::swap(count_, from.count_);
        std::swap(of_address_, from.of_address_);
        return *this;
    }
    ~place_held()
    {
        if (count_ != nullptr) --*count_;
    }

    // Whose place it is, when a proxy says so.
    void set_address(address_places::place of_address) noexcept { of_address_ = std::move(of_address); }

private:
    std::size_t* count_ = nullptr;
    address_places::place of_address_{};
};

}  // namespace pgtally::server
