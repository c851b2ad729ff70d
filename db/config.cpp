#include <pgtally/db/config.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/pq.hpp>
#include <pgtally/db/resolve.hpp>

namespace pgtally::db {

std::string config::redacted() const
{
    try {
        auto const options = pq::effective(pq::parse(conninfo));
        return detail::describe(detail::targets(options), options);
    } catch (error const&) {
        return "a connection string that is not valid";
    }
}

}  // namespace pgtally::db
