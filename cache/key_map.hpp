#pragma once

#include <pgtally/cache/key.hpp>
#include <pgtally/cache/key_hash.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace pgtally::cache {

// A map from keys of one kind: by number for the integer kinds, by text for the others.
//
// Lifetime: the seed outlives the map. An insertion or a removal invalidates pointers and references to values.
template <class T>
class key_map {
public:
    explicit key_map(key_kind kind, hash_seed const& seed = process_hash_seed())
        : by_number_{is_number(kind)}, numbers_(0, key_hash{seed}), texts_(0, key_hash{seed})
    {
    }

    T* find(key const& k) noexcept
    {
        if (by_number_) {
            auto const at = numbers_.find(k.number);
            return at == numbers_.end() ? nullptr : &at->second;
        }
        auto const at = texts_.find(k.text);
        return at == texts_.end() ? nullptr : &at->second;
    }
    T const* find(key const& k) const noexcept { return const_cast<key_map*>(this)->find(k); }

    T& find_or_add(key const& k)
    {
        if (by_number_) return numbers_[k.number];
        auto const at = texts_.find(k.text);
        return at == texts_.end() ? texts_[std::string{k.text}] : at->second;
    }

    void erase(key const& k) noexcept
    {
        if (by_number_) {
            numbers_.erase(k.number);
        } else if (auto const at = texts_.find(k.text); at != texts_.end()) {
            texts_.erase(at);
        }
    }

    bool empty() const noexcept { return numbers_.empty() && texts_.empty(); }
    std::size_t size() const noexcept { return by_number_ ? numbers_.size() : texts_.size(); }

private:
    bool by_number_;
    boost::unordered_flat_map<std::int64_t, T, key_hash> numbers_;
    boost::unordered_flat_map<std::string, T, key_hash, std::equal_to<>> texts_;
};

}  // namespace pgtally::cache
