#include <pgtally/cache/replica/explain.hpp>

#include <pgtally/cache/replica/catalog.hpp>

namespace pgtally {

std::string_view remedy_for(db::error const& e) noexcept
{
    // On login the right to CONNECT is missing, which pgtally does not grant.
    if (e.state().is("42501") && e.code() == db::errc::server_error) {
        return "grant this right to the role; those of schema tally by pgtally install --grant, as the schema's owner";
    }
    return db::remedy_of(e);
}

std::string explain(db::error const& e)
{
    if (schema_is_missing(e)) return "schema tally is not installed in this database: run pgtally install";
    return with_remedy(e.what(), remedy_for(e));
}

std::string with_remedy(std::string failure, std::string_view remedy)
{
    if (remedy.empty() || failure.find(remedy) != std::string::npos) return failure;
    return failure.append("; ").append(remedy);
}

}  // namespace pgtally
