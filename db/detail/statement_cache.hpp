#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pgtally::db::detail {

/// Which statements are prepared on a connection, by their text and, if necessary, the types of their parameters.
/// The least recently used one makes room. It records what is sent, not what the server did; if preparing fails,
/// call forget(). A pure class.
class statement_cache {
public:
    /// Never reused, so that a late error about one statement cannot be taken for another.
    enum class id : std::uint64_t {};

    struct use {
        id statement;
        bool fresh;                   ///< it must be prepared
        std::optional<id> displaced;  ///< it must be deallocated
    };

    /// *Preconditions*: limit >= 1.
    explicit statement_cache(std::size_t limit);

    /// Returns the statement for this text. It counts as prepared from now on.
    [[nodiscard]] use take(std::string_view sql);

    /// The statement is not prepared or no longer usable. Returns false if the text has another statement by now,
    /// or none.
    bool forget(std::string_view sql, id statement);

    /// Call it for a new connection.
    void clear() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

    /// "pgt_7".
    [[nodiscard]] static std::string name(id statement);

private:
    struct entry {
        std::string sql;
        id statement;
    };
    std::size_t limit_;
    std::uint64_t last_ = 0;
    std::list<entry> order_{};  // most recently used first
    std::unordered_map<std::string_view, std::list<entry>::iterator> by_text_{};
};

}  // namespace pgtally::db::detail
