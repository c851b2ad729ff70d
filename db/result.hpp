#pragma once

#include <pgtally/db/detail/pq.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgtally::db {

/// What a statement gave back, whole and in memory; a statement with too much of it is for row_stream
/// or copy_out.
/// Owns its values: the views it hands out live as long as it does (moving it keeps them). Rows and
/// columns count from 0; a number out of range is an error of the program (std::out_of_range).
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

    /// The value as PostgreSQL prints it (of `query`), or as it sends it (of `query_as`'s binary
    /// results); empty for NULL.
    [[nodiscard]] std::string_view text(std::size_t row, std::size_t column) const;

    /// Rows inserted, updated, deleted, merged, selected or copied; 0 for statements that do not say.
    [[nodiscard]] std::uint64_t affected() const noexcept;

    /// "INSERT 0 1", "SELECT 3", "LISTEN"; empty for an empty statement.
    [[nodiscard]] std::string_view tag() const noexcept;

private:
    void check(std::size_t rows, std::size_t column) const;

    pq::result result_{};
    std::size_t size_ = 0;
    std::size_t columns_ = 0;
};

}  // namespace pgtally::db
