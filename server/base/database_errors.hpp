#pragma once

#include <pgtally/db/error.hpp>

#include <string_view>

namespace pgtally::server {

// What an error of the database says about a statement that was sent.
enum class verdict {
    refused,   // the statement was rolled back, and repeating it does not help: PostgreSQL does not accept the data
    not_done,  // the statement was rolled back, and may succeed later or after a repair
    unknown,   // the connection broke before the answer: the statement may have been committed
};

verdict judge(db::error_code const& what, db::sqlstate const& state) noexcept;

// What an operator can do about an error of `pgtally install` and `uninstall`, to begin a sentence. Empty if there is no
// advice. Other sessions have other rights: see cache/replica/explain.hpp.
std::string_view advice_on_install(db::error const& e) noexcept;

}  // namespace pgtally::server
