#pragma once

// The table that a tally is materialized in, as it is found, and the statements that write and read it.

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/server/base/limits.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

namespace pgtally::server {

namespace asio = boost::asio;

// What it takes to write. Of another `identity` nothing is known of what was written before.
struct materializer_table {
    std::string identity;  // changes with the table, with its file (TRUNCATE), and with the key column

    // $1 the keys as text[], $2 their counters as bigint[], all of a key one after the other; gives the number of rows
    // that differed. Rows that are there are updated, whatever other columns they have; a row that is not there is made
    // unless all its counters are 0.
    std::string write;

    // The keys, as text, of rows whose counters are not all 0, ascending: so many, from the first or after $1.
    std::string first_page, next_page;
};

// The table cannot be written as it is; what() says why, and what to do.
struct table_trouble : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// How connections that write are made: settings under which keys are printed as in `tally.truth`, and waits bounded, so
// that a session that is stuck, or whose server is gone, is ended by PostgreSQL, and its lock with it.
db::config materializer_settings(db::config database, std::chrono::milliseconds every, limits const& bounds);

// Looks for the table of a tally, as tally.create_tally did. Throws table_trouble, db::error.
asio::awaitable<materializer_table> find_table(db::connection& connection, cache::definition of, std::size_t page_size);

// The statements for it; names as in SQL.
materializer_table statements_for(cache::definition const& of, std::string const& key, std::string const& key_type,
                                  std::size_t page_size);

}  // namespace pgtally::server
