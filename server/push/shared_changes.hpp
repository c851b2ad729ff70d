#pragma once

#include <pgtally/cache/subscription.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

// Changes, encoded once for all clients that receive them, whichever protocol carries them.
//
// A change of all keys is identified by its epoch and by the revisions before and after it, one of an answer by its epoch,
// the question, the answer's version and the revision, one of named keys by its epoch, its revision and the rows of the keys:
// the same identity, the same text. The class remembers few changes, because all clients that keep up need the newest. A
// change of named keys has one place, by its first row, so that clients with a key each do not displace what others share.
class shared_changes {
public:
    // Remembers at most `most` changes of each kind, those of named keys if they have at most `most_rows` keys. With 0, each
    // change is encoded for each client.
    explicit shared_changes(std::size_t most, std::size_t most_rows) noexcept : most_{most}, most_rows_{most_rows} {}

    // `"revision":18,"keys":{…}}` of `what`, a change that `from` produced.
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

    // Of named keys.
    struct rows_entry {
        std::string epoch;
        std::uint64_t revision = 0;
        std::vector<cache::update::item> items;  // of which only the rows count
        std::shared_ptr<std::string> text;
    };

    void encode(std::string& out, cache::update const& what, cache::subscription const& from);
    std::shared_ptr<std::string const> encode(cache::update const& what, cache::subscription const& from);
    std::shared_ptr<std::string const> text_of_rows(cache::update const& what, cache::subscription const& from);

    std::size_t most_, most_rows_, oldest_ = 0;
    std::uint64_t encoded_ = 0;
    std::vector<entry> entries_{};
    std::vector<rows_entry> by_row_{};  // empty, or `most_` places
};

}  // namespace pgtally::server
