#pragma once

#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pgtally::server {

namespace asio = boost::asio;

// Where a session got the value of a setting from.
struct setting_place {
    std::string whose;        // "role x", "database y", "the server"
    std::string undo;         // the statement that ends it
    bool of_its_own = false;  // set for this role or database, not for the whole server
};

asio::awaitable<setting_place> place_of_setting(db::connection& connection, std::string name);

}  // namespace pgtally::server
