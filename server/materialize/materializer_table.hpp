#pragma once

// The current table of a tally, and the statements that write and read it.

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace pgtally::server {

namespace asio = boost::asio;

struct materializer_table {
    // Changes with the table, with its file (TRUNCATE) and with its key column. If it changes, a full pass is due.
    std::string identity;

    // $1: keys as text[]. $2: their counters as bigint[], all counters of a key one after the other. Updates the rows
    // that exist, whatever other columns they have; inserts the others, except keys whose counters are all 0. Returns
    // the number of rows that differed.
    std::string write;

    // The keys, as text and ascending, of a page of rows whose counters are not all 0: from the first, or after $1.
    std::string first_page, next_page;
};

// Thrown if the table cannot be written. what() says why, and what to do.
struct table_trouble : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Looks up the table of a tally. `schema_version` is that of schema tally in the database.
//
// Errors: throws table_trouble, db::error.
asio::awaitable<materializer_table> find_table(db::connection& connection, cache::definition of, int schema_version,
                                               std::size_t page_size);

// A column as SQL: its quoted name and its type.
struct sql_column {
    std::string name, type;
};

// Composes the statements for a table from its key column and the quoted columns of the counters.
materializer_table statements_for(std::string const& table, sql_column const& key,
                                  std::vector<std::string> const& counters, std::size_t page_size);

}  // namespace pgtally::server
