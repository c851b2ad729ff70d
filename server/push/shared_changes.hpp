#pragma once

#include <pgtally/cache/subscription.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

// Changes of all keys, and of answers to questions, encoded once for all clients that receive them, whichever protocol
// carries them.
//
// A change of all keys is identified by its epoch and by the revisions before and after it, one of an answer by its epoch,
// the question, the answer's version and the revision: the same identity, the same text. The
// class remembers few changes, because all clients that keep up need the newest.
class shared_changes {
public:
    // Remembers at most `most` changes. With 0, each change is encoded for each client.
    explicit shared_changes(std::size_t most) noexcept : most_{most} {}

    // `"revision":18,"keys":{…}}` of `what`, a change of all keys or of an answer, that `from` produced.
    std::shared_ptr<std::string const> text_of(cache::update const& what, cache::subscription const& from);

    // The number of changes that were encoded.
    std::uint64_t encoded() const noexcept { return encoded_; }

private:
    struct entry {
        std::string epoch;
        std::uint64_t from = 0, revision = 0;
        std::optional<cache::question> asks;
        std::shared_ptr<std::string const> text;
    };

    std::size_t most_, oldest_ = 0;
    std::uint64_t encoded_ = 0;
    std::vector<entry> entries_;
};

// The same text, not shared.
std::shared_ptr<std::string const> encode_change(cache::update const& what, cache::subscription const& from);

}  // namespace pgtally::server
