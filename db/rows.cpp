#include <pgtally/db/error.hpp>
#include <pgtally/db/rows.hpp>

#include <string>

namespace pgtally::db::detail {

void throw_row_count(std::size_t rows, char const* wanted)
{
    throw error(errc::bad_result,
                "the result has " + std::to_string(rows) + " rows, asked for was " + std::string(wanted));
}

}  // namespace pgtally::db::detail
