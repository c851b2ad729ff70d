#pragma once

#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <tuple>

namespace pgtally::server {

namespace asio = boost::asio;

// Whoever may create in the database can have made the schema. So nothing in it is called before the catalogs say what
// runs, and code of another role runs with the rights of that role alone:
//
// 1. Of the schema's owner, or of a superuser: it is trusted, as by whoever serves.
// 2. Of another role: only functions that are SECURITY DEFINER, belong to the schema's owner and return texts.
// 3. If this role may act as that owner, as a superuser may, they are called inside a function of that owner in pg_temp,
//    where PostgreSQL allows no SET ROLE. Then nothing depends on what was seen in the catalogs a moment before.
//
// Every question is a transaction that is rolled back, so that nothing of it stays or runs later.

struct schema_access {
    int version = 0;
    bool acts_as_it = false;  // case 3
    std::string owner{};      // the name of the role
};

// name, kind, subject, message, remedy, severity
using schema_row =
    std::tuple<std::optional<std::string>, std::string, std::string, std::string, std::string, std::string>;

// Reads rows from `from`, an expression in FROM with the alias f, in which $role stands for the name of this role. Text with % is not
// possible.
asio::awaitable<db::rows<schema_row>> ask_schema(db::connection& connection, schema_access const& access,
                                                 std::string from);

}  // namespace pgtally::server
