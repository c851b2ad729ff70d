#pragma once

#include <pgtally/db/detail/pq.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgtally::db {

/// The complete result of a statement, in memory. For results that are too large, use row_stream or copy_out.
///
/// *Lifetime*: owns its values. Its views are valid as long as it exists, also after a move.
///
/// *Preconditions*: rows and columns count from 0. An index out of range throws std::out_of_range.
class result_set {
public:
    result_set() = default;
    explicit result_set(pq::result result) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t columns() const noexcept { return columns_; }

    [[nodiscard]] std::string_view name(std::size_t column) const;
    [[nodiscard]] std::uint32_t type_oid(std::size_t column) const;

    [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const;

    /// The value as PostgreSQL prints it (for query()) or in binary format (for query_as()); empty for NULL.
    [[nodiscard]] std::string_view text(std::size_t row, std::size_t column) const;

    /// Rows inserted, updated, deleted, merged, selected or copied (PQcmdTuples); 0 for other statements.
    [[nodiscard]] std::uint64_t affected() const noexcept;

    /// The command tag (PQcmdStatus): "INSERT 0 1", "SELECT 3", "LISTEN"; empty for an empty statement.
    [[nodiscard]] std::string_view tag() const noexcept;

private:
    void check(std::size_t rows, std::size_t column) const;

    pq::result result_{};
    std::size_t size_ = 0;
    std::size_t columns_ = 0;
};

}  // namespace pgtally::db
