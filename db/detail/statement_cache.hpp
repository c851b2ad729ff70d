#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pgtally::db::detail {

/// Which statements are prepared on a connection, by their text (and the types of their parameters,
/// where the text does not settle them); the one used least recently makes room. It is told what is sent, not what the
/// server did: who hears of a failure says forget(). Pure.
class statement_cache {
public:
    /// Never the same twice, so that a late error about one cannot be mistaken for another.
    enum class id : std::uint64_t {};

    struct use {
        id statement;
        bool fresh;                   ///< not prepared yet
        std::optional<id> displaced;  ///< to be deallocated
    };

    /// limit >= 1.
    explicit statement_cache(std::size_t limit);

    /// The statement to use for this text, prepared from now on.
    [[nodiscard]] use take(std::string_view sql);

    /// It is not prepared, or of no use any more. False: by now the text has another statement, or
    /// none.
    bool forget(std::string_view sql, id statement);

    /// Another connection.
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
    std::list<entry> order_{};  // the one used last is first
    std::unordered_map<std::string_view, std::list<entry>::iterator> by_text_{};
};

}  // namespace pgtally::db::detail
