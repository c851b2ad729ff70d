#pragma once

#include <pgtally/db/error.hpp>

namespace pgtally::server {

// What an error of the database says about a statement that was sent.
enum class verdict {
    refused,   // surely not done, and doing it again will not help: the data is not acceptable
    not_done,  // surely not done; the same request may succeed later, or once somebody mended something
    unknown,   // perhaps done: the connection broke before the answer came
};

verdict judge(db::error_code const& what, db::sqlstate const& state) noexcept;

}  // namespace pgtally::server
