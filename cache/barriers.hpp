#pragma once

#include <pgtally/cache/uuid.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally {

// Barriers that were sent and may come back. Whoever expects one forgets it when it is no longer wanted.
class barriers {
public:
    using handler = std::function<void()>;

    // A new barrier's id; `back` is called once, when it returns.
    std::string expect(handler back)
    {
        auto id = cache::make_uuid();
        expected_.emplace(id, std::move(back));
        return id;
    }

    void forget(std::string_view id)
    {
        if (auto const at = expected_.find(id); at != expected_.end()) expected_.erase(at);
    }

    // Answers whether it was one of ours.
    bool came_back(std::string_view id)
    {
        auto const at = expected_.find(id);
        if (at == expected_.end()) return false;
        auto const back = std::move(at->second);
        expected_.erase(at);
        back();
        return true;
    }

    std::size_t size() const noexcept { return expected_.size(); }

    // The payload that carries it.
    static std::string payload(std::string_view id) { return "{\"barrier\":\"" + std::string{id} + "\"}"; }

private:
    std::map<std::string, handler, std::less<>> expected_;
};

}  // namespace pgtally
