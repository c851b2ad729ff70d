#include <pgtally/db/row.hpp>
#include <pgtally/db/rows.hpp>

namespace pgtally::db::detail {
namespace {

std::string column_label(result_set const& result, std::size_t column)
{
    return "column " + std::to_string(column + 1) + " (\"" + std::string(result.name(column)) + "\")";
}

}  // namespace

void check_columns(result_set const& result, column_check const* columns, std::size_t count)
{
    if (result.columns() != count) {
        throw error(errc::bad_result, "the result has " + std::to_string(result.columns()) + " columns, expected " +
                                          std::to_string(count));
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (columns[i].takes(result.type_oid(i))) continue;
        throw error(errc::bad_result, column_label(result, i) + " of the result is " +
                                          oids::type_name(result.type_oid(i)) + ", expected " + columns[i].name());
    }
}

void throw_row_count(std::size_t rows, char const* wanted)
{
    throw error(errc::bad_result, "the result has " + std::to_string(rows) + " rows, expected " + std::string(wanted));
}

void throw_null(result_set const& result, std::size_t row, std::size_t column)
{
    throw error(errc::bad_result,
                column_label(result, column) + " of the result is NULL in row " + std::to_string(row + 1));
}

void throw_in_column(result_set const& result, std::size_t row, std::size_t column, error const& why)
{
    throw error(errc::bad_result,
                column_label(result, column) + " of the result, row " + std::to_string(row + 1) + ": " + why.what());
}

}  // namespace pgtally::db::detail
