#pragma once

#include <pgtally/cache/subscription.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pgtally::server {

// Changes of all keys, encoded once for all clients that receive them, whichever protocol carries them.
//
// A change is named by its epoch and the two revisions that it leads from and to: the same name, the same text. Few are
// remembered, because clients that keep up all need the newest.
class shared_changes {
public:
    // Remembers `most` of them; 0 encodes each change for each client.
    explicit shared_changes(std::size_t most) noexcept : most_{most} {}

    // `"revision":18,"keys":{…}}` of `what`, a change of all keys that `from` produced.
    std::shared_ptr<std::string const> text_of(cache::update const& what, cache::subscription const& from);

    // How many were encoded.
    std::uint64_t encoded() const noexcept { return encoded_; }

private:
    struct entry {
        std::string epoch;
        std::uint64_t from = 0, revision = 0;
        std::shared_ptr<std::string const> text;
    };

    std::size_t most_, oldest_ = 0;
    std::uint64_t encoded_ = 0;
    std::vector<entry> entries_;
};

// The same text, not shared.
std::shared_ptr<std::string const> encode_change(cache::update const& what, cache::subscription const& from);

}  // namespace pgtally::server
