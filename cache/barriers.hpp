#pragma once

#include <pgtally/cache/uuid.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally {

// Barriers that were sent and may come back. The caller of `expect` forgets a barrier that it no longer needs.
class barriers {
public:
    static constexpr std::size_t any_transport = ~std::size_t{0};

    // Receives the index of the transport by which the barrier came.
    using handler = std::function<void(std::size_t transport)>;

    // Returns the id of a new barrier. `back` is called once, when the barrier comes back by transport `by`. If the
    // barrier comes back by another transport, it proves nothing and is still expected.
    std::string expect(handler back, std::size_t by = any_transport)
    {
        auto id = cache::make_uuid();
        expected_.emplace(id, entry{std::move(back), by});
        return id;
    }

    void forget(std::string_view id)
    {
        if (auto const at = expected_.find(id); at != expected_.end()) expected_.erase(at);
    }

    // Returns whether the barrier was expected by this transport.
    bool came_back(std::string_view id, std::size_t transport)
    {
        auto const at = expected_.find(id);
        if (at == expected_.end()) return false;
        if (at->second.by != any_transport && at->second.by != transport) return false;
        auto const back = std::move(at->second.back);
        expected_.erase(at);
        back(transport);
        return true;
    }

    std::size_t size() const noexcept { return expected_.size(); }

    // The payload that carries a barrier.
    static std::string payload(std::string_view id) { return "{\"barrier\":\"" + std::string{id} + "\"}"; }

private:
    struct entry {
        handler back;
        std::size_t by;
    };
    std::map<std::string, entry, std::less<>> expected_;
};

}  // namespace pgtally
